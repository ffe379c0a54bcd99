"""Trainings. A run's folder is named by what the run is: other images or parameters make another run."""


rule train:
    input:
        manifest=ancient(training_manifest),
        annotations=ancient(training_annotations),
    output:
        "results/runs/{run}/model.safetensors",
        "results/runs/{run}/train.parquet",
        "results/runs/{run}/run.json",
    log:
        "logs/train/{run}.log",
    priority: train_priority
    conda:
        "../envs/svrn.yaml"
    threads: train_threads
    resources:
        gpu=train_gpus,
    params:
        suite=suite,
        position=position,
    message:
        "Training run {wildcards.run} ({params.position}), log {log}"
    shell:
        "SVRN_RUN_POSITION='{params.position}' svrn train {wildcards.run} --suite {params.suite} 2>&1 | show {log}"
