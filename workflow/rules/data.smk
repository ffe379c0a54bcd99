"""Benchmarks: rendered from code or read from the user's folders, and their manifests."""


rule render_benchmark:
    output:
        directory("data/{benchmark}/source"),
    log:
        "logs/data/{benchmark}.render.log",
    wildcard_constraints:
        benchmark=products.any_of(study.embedded()),
    cache: caching
    conda:
        "../envs/svrn.yaml"
    # All cores: benchmarks that share images are rendered one after the other, the second from the first's images.
    threads: all_cores
    params:
        options=lambda wildcards: products.render_options(
            study.now, wildcards.benchmark
        ),
        digest=lambda wildcards: study.benchmark(wildcards.benchmark).train_digest,
    message:
        "Rendering {wildcards.benchmark}"
    shell:
        "svrn data render {params.options} --out data/{wildcards.benchmark}/source 2>&1 | show {log}"


rule read_embedded_benchmark:
    input:
        "data/{benchmark}/source",
    output:
        manifest="data/{benchmark}/manifest.parquet",
        sidecar="data/{benchmark}/manifest.json",
    log:
        "logs/data/{benchmark}.manifest.log",
    wildcard_constraints:
        benchmark=products.any_of(study.embedded()),
    conda:
        "../envs/svrn.yaml"
    message:
        "Reading {wildcards.benchmark} into its manifest"
    shell:
        "svrn data manifest {wildcards.benchmark} --out {output.manifest} > {log} 2>&1"


# Only with `--cache`, so that projects share what was unpacked; else `read_benchmark` unpacks where it reads, and goes on
# where it was broken off.
rule unpack_benchmark:
    input:
        lambda wildcards: products.archives(study.now, wildcards.benchmark),
    output:
        directory("data/{benchmark}/source"),
    log:
        "logs/data/{benchmark}.unpack.log",
    wildcard_constraints:
        benchmark=products.any_of(study.archived()),
    cache: caching
    conda:
        "../envs/svrn.yaml"
    message:
        "Unpacking {wildcards.benchmark}"
    shell:
        "svrn data obtain {wildcards.benchmark} --out {output} 2>&1 | show {log}"


# A checkpoint: the keys of the runs follow from the training images.
checkpoint read_benchmark:
    input:
        ancient(unpacked),
    output:
        manifest="data/{benchmark}/manifest.parquet",
        sidecar="data/{benchmark}/manifest.json",
    log:
        "logs/data/{benchmark}.manifest.log",
    wildcard_constraints:
        benchmark=products.any_of(study.read()),
    conda:
        "../envs/svrn.yaml"
    threads: reader_threads
    params:
        source=lambda wildcards: products.source(study.now, wildcards.benchmark),
    message:
        "Reading {wildcards.benchmark} into its manifest"
    shell:
        "svrn data manifest {wildcards.benchmark} --out {output.manifest} 2>&1 | show {log}"


# Side information, made for the methods that read it: no other step asks for it.
rule annotate_embedded_benchmark:
    input:
        manifest="data/{benchmark}/manifest.parquet",
    output:
        table="data/{benchmark}/annotations.parquet",
        sidecar="data/{benchmark}/annotations.json",
    log:
        "logs/data/{benchmark}.annotations.log",
    wildcard_constraints:
        benchmark=products.any_of(study.embedded()),
    conda:
        "../envs/svrn.yaml"
    threads: all_cores
    params:
        sources=lambda wildcards: products.annotation_sources(
            study.now, wildcards.benchmark
        ),
    message:
        "Labelling {wildcards.benchmark}"
    shell:
        "svrn data annotate {wildcards.benchmark} --workers {threads} 2>&1 | show {log}"


# A checkpoint: the keys of the runs that read side information follow from it.
checkpoint annotate_benchmark:
    input:
        manifest="data/{benchmark}/manifest.parquet",
    output:
        table="data/{benchmark}/annotations.parquet",
        sidecar="data/{benchmark}/annotations.json",
    log:
        "logs/data/{benchmark}.annotations.log",
    wildcard_constraints:
        benchmark=products.any_of(study.read()),
    conda:
        "../envs/svrn.yaml"
    params:
        sources=lambda wildcards: products.annotation_sources(
            study.now, wildcards.benchmark
        ),
    message:
        "Gathering the labels of {wildcards.benchmark}"
    shell:
        "svrn data annotate {wildcards.benchmark} 2>&1 | show {log}"
