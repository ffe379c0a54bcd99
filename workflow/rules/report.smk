"""Figures and the evidence pages."""


rule figures:
    input:
        rules.cells.output,
        ancient(evidence),
    output:
        report(
            directory(f"results/{SUITE}/figures"),
            patterns=["{name}.png"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
    log:
        f"logs/{SUITE}/figures.log",
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
    message:
        f"Drawing the figures of {SUITE}"
    shell:
        "svrn report figures --suite {params.suite} > {log} 2>&1"


rule pages:
    input:
        rules.cells.output,
        ancient(rules.figures.output),
        tables,
    output:
        f"results/{SUITE}/report/index.html",
    log:
        f"logs/{SUITE}/pages.log",
    conda:
        "../envs/svrn.yaml"
    params:
        suite=suite,
    message:
        f"Writing the evidence pages of {SUITE}"
    shell:
        "svrn report pages --suite {params.suite} > {log} 2>&1"
