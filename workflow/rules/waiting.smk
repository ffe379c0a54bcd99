"""What has to be known before the study's runs are: users' benchmarks, and scores that decide on lengths."""


def settle():
    """Wait for all that the study's runs follow from: benchmarks that are read, and scores that decide on lengths."""
    read_benchmarks()
    rung = 1  # the first two lengths are always trained
    while rung < study.rungs:
        checkpoints.rung.get(rung=rung, decision=study.decision(rung))
        or_stop(study.refresh)
        rung += 1


def read_benchmarks():
    """Wait for the manifests and labels of the user's own benchmarks: the keys of their runs follow from them."""
    for benchmark in study.read():
        checkpoints.read_benchmark.get(benchmark=benchmark)
    or_stop(study.refresh)
    for benchmark in study.unlabelled():
        checkpoints.annotate_benchmark.get(benchmark=benchmark)
    or_stop(study.refresh)


def evaluations_of_rung(wildcards):
    read_benchmarks()
    return study.rung_files(int(wildcards.rung))
