"""Embeddings and scores, named by what they are. They follow their run: a new run.json makes them anew."""


rule embed:
    input:
        model="results/runs/{run}/model.safetensors",
        manifest=ancient(embedded_manifest),
        annotations=ancient(embedded_annotations),
        same_images=ancient(embedded_before),
    output:
        "results/runs/{run}/embeddings/{embedding}.parquet",
    log:
        "logs/embed/{run}/{embedding}.log",
    conda:
        "../envs/svrn.yaml"
    threads: train_threads
    resources:
        gpu=one_gpu,
    params:
        suite=suite,
        images=lambda wildcards: study.data_digest(embedding_of(wildcards).benchmark),
        semantics=products.EVALUATION_SEMANTICS,
        benchmark=lambda wildcards: embedding_of(wildcards).benchmark,
        inference=lambda wildcards: embedding_of(wildcards).inference,
    message:
        "Embedding {params.benchmark} with run {wildcards.run}"
    shell:
        "svrn embed {wildcards.run} {params.benchmark} --inference {params.inference} --suite {params.suite} > {log} 2>&1"


rule evaluate:
    input:
        embeddings=scored_embedding,
        manifest=ancient(scored_manifest),
        run="results/runs/{run}/run.json",
    output:
        metrics="results/runs/{run}/evaluations/{evaluation}/metrics.json",
        queries="results/runs/{run}/evaluations/{evaluation}/queries.parquet",
    log:
        "logs/evaluate/{run}/{evaluation}.log",
    conda:
        "../envs/svrn.yaml"
    params:
        protocol=lambda wildcards: evaluation_of(wildcards).protocol,
        test=lambda wildcards: evaluation_of(wildcards).test,
    message:
        "Scoring run {wildcards.run}: {params.test} under {params.protocol}"
    shell:
        "svrn evaluate --embeddings {input.embeddings} --manifest {input.manifest}"
        " --protocol {params.protocol} --test {params.test} --out $(dirname {output.queries}) > {log} 2>&1"


rule timing:
    output:
        f"results/{SUITE}/timing.json",
    log:
        f"logs/{SUITE}/timing.log",
    conda:
        "../envs/svrn.yaml"
    # All cores: nothing else runs beside a measurement.
    threads: all_cores
    resources:
        gpu=one_gpu,
    params:
        suite=suite,
        timed=lambda wildcards: products.timing_fingerprint(study.now),
    message:
        "Measuring times for table 7, alone on the machine"
    shell:
        "svrn timing --suite {params.suite} --out {output} 2>&1 | show {log}"
