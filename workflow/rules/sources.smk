# What others provide: the only rules that reach out.


rule fetch_models:
    input:
        unpack(RECORDED.inputs("fetch_models")),
    output:
        remote_view=directory("data/models/remote_view"),
        street_view=directory("data/models/street_view"),
        text=directory("data/models/text"),
    log:
        "logs/fetch_models.log",
    benchmark:
        "logs/fetch_models.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    params:
        "encoders.remote_view.weights",
        "encoders.street_view.weights",
        "encoders.text.weights",
    shell:
        f"{DO} fetch_models {TOLD}"


rule fetch:
    input:
        unpack(RECORDED.inputs("fetch@{city}")),
    output:
        source=directory("data/{city}/source"),
    log:
        "logs/{city}/fetch.log",
    benchmark:
        "logs/{city}/fetch.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    params:
        "cities.{city}.sources",
        "cities.{city}.generated",
    shell:
        f"{DO} fetch@{{wildcards.city}} {TOLD}"
