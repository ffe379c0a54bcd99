# `snakemake` looks here first; the workflow is in workflow/.
include: "workflow/Snakefile"


workflow.default_target = (
    "all_tables"  # Snakemake forgets the default of an included file
)
