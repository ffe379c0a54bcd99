"""Cells, tables, the metrics for DVC and the mirror in MLflow."""


rule cells:
    input:
        evaluations,
        timings,
    output:
        f"results/{SUITE}/cells.parquet",
    log:
        f"logs/{SUITE}/cells.log",
    localrule: True
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
        cells=lambda wildcards: products.cells_fingerprint(study.now),
    message:
        f"Collecting the cells of {SUITE}"
    shell:
        "svrn report cells --suite {params.suite} > {log} 2>&1"


# A table follows its own rows, not cells.parquet: another table's change leaves it as it is.
rule table:
    input:
        evaluations_of_table,
        timing_of_table,
    output:
        csv=report(
            f"results/{SUITE}/tables/{{table}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "form": "CSV"},
        ),
        tex=f"results/{SUITE}/tables/{{table}}.tex",
        provenance=f"results/{SUITE}/tables/{{table}}.provenance.json",
    log:
        f"logs/{SUITE}/{{table}}.log",
    localrule: True
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
        rows=lambda wildcards: products.table_fingerprint(study.now, wildcards.table),
    message:
        "Writing {wildcards.table}"
    shell:
        "svrn report table {wildcards.table} --suite {params.suite} > {log} 2>&1"


rule metrics:
    input:
        rules.cells.output,
    output:
        metrics=f"results/{SUITE}/metrics.json",
        curves=report(
            f"results/{SUITE}/curves.csv",
            caption="../report/curves.rst",
            category="Curves",
        ),
    log:
        f"logs/{SUITE}/metrics.log",
    localrule: True
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
    message:
        "Writing the metrics and curves for DVC"
    shell:
        "svrn report metrics --suite {params.suite} > {log} 2>&1"


# A checkpoint: which lengths a plateau suite's rows are trained at next follows from the scores of those before.
checkpoint rung:
    input:
        evaluations_of_rung,
    output:
        f"results/{SUITE}/rungs/{{rung}}-{{decision}}.json",
    log:
        f"logs/{SUITE}/rung{{rung}}-{{decision}}.log",
    localrule: True
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
    message:
        "Deciding which rows are trained longer"
    shell:
        "svrn report rung {wildcards.rung} --suite {params.suite} --out {output} > {log} 2>&1"


# A mirror, made last, and no condition of anything: when it cannot be made (its server is away) the tables are none
# the worse, and the next call tries again.
rule sync_tracking:
    input:
        rules.cells.output,
    output:
        f"results/{SUITE}/mlflow.txt",
    log:
        f"logs/{SUITE}/sync.log",
    localrule: True
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
        attempt=lambda wildcards: products.mirror_attempt(f"results/{SUITE}/mlflow.txt"),
    message:
        "Bringing MLflow up to date"
    shell:
        "if svrn track sync --suite {params.suite} > {log} 2>&1; then echo synced {params.attempt} > {output}; else"
        " echo 'svrn: MLflow could not be brought up to date (see {log}); the tables are not touched by this' >&2;"
        " echo failed {params.attempt} > {output}; fi"
