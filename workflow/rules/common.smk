"""What the rules ask of the study: which runs there are, and what each step needs."""

study = or_stop(products.CurrentStudy, SUITE)
# Long work shows its progress and keeps it: `show` outlives the signals that stop the work it listens to.
shell.prefix(
    "set -euo pipefail; show() {{ (trap '' INT TERM; exec tee \"$1\" >&2); }}; "
)


wildcard_constraints:
    run="[0-9a-f]{12}",
    evaluation="[0-9a-f]{12}",
    rung="[0-9]+",
    decision="[0-9a-f]{12}",
    embedding="[A-Za-z0-9_.-]+-[0-9a-f]{8}",
    benchmark=products.any_of(study.now.benchmarks),
    table=products.any_of(products.table_names(study.now)),


def suite(wildcards, threads):
    """The suite's name. Taking `threads` makes it a derived parameter: another suite's name never repeats a job."""
    return SUITE


def position(wildcards, threads):
    """A run's place in the queue, derived for the same reason."""
    return study.position(wildcards.run)


def run_of(wildcards):
    return study.run(wildcards.run)


def embedding_of(wildcards):
    return study.embedding(wildcards.run, wildcards.embedding)


def evaluation_of(wildcards):
    return study.evaluation(wildcards.evaluation)


def training_manifest(wildcards):
    run = run_of(wildcards)
    return products.wanted(run.manifest, by=products.run_outputs(run))


def training_annotations(wildcards):
    run = run_of(wildcards)
    if run.annotations is None:
        return []
    return products.wanted(run.annotations, by=products.run_outputs(run))


def embedded_annotations(wildcards):
    embedding = embedding_of(wildcards)
    if embedding.annotations is None:
        return []
    return products.wanted(embedding.annotations, by=[embedding.file])


def embedded_before(wildcards):
    """The embedding of the same images in another layout, whose vectors are taken."""
    embedding = embedding_of(wildcards)
    first = study.first_of_the_same_images(embedding)
    return [] if first is None else products.wanted(first.file, by=[embedding.file])


def unpacked(wildcards):
    """A benchmark's unpacked folder, where its unpacking is a job of its own."""
    archived = wildcards.benchmark in study.archived()
    return [f"data/{wildcards.benchmark}/source"] if caching and archived else []


def embedded_manifest(wildcards):
    embedding = embedding_of(wildcards)
    return products.wanted(embedding.manifest, by=[embedding.file])


def scored_manifest(wildcards):
    evaluation = evaluation_of(wildcards)
    return products.wanted(
        evaluation.embedding.manifest, by=products.outputs(evaluation)
    )


def scored_embedding(wildcards):
    evaluation = evaluation_of(wildcards)
    run = study.run(evaluation.run)
    return products.wanted(
        evaluation.embedding.file,
        by=products.outputs(evaluation),
        after=run.folder / "run.json",
    )


def tables(wildcards):
    settle()
    return [
        f"results/{SUITE}/tables/{table}.{form}"
        for table in study.now.tables
        for form in ("csv", "tex")
    ]


def evidence(wildcards):
    """Every file that a number of the tables rests on."""
    settle()
    return products.evidence(study.now)


def evaluations(wildcards):
    settle()
    return products.evaluation_files(study.now)


def timings(wildcards):
    return [f"results/{SUITE}/timing.json"] if products.timed(study.now) else []


def evaluations_of_table(wildcards):
    settle()
    return products.evaluation_files(study.now, wildcards.table)


def timing_of_table(wildcards):
    return timings(wildcards) if products.timed(study.now, wildcards.table) else []
