# Imagery of each region, from above and from the street.


rule remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "remote_view@{city}",
                regions="data/{city}/regions.parquet",
                raw="data/{city}/raw/remote_view",
            )
        ),
    output:
        remote_view=directory("data/{city}/remote_view"),
    log:
        "logs/{city}/remote_view.log",
    benchmark:
        "logs/{city}/remote_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=2000,
    params:
        "cities.{city}.remote_view",
        "remote_view",
    shell:
        f"{DO} remote_view@{{wildcards.city}} {TOLD}"


rule street_view:
    input:
        unpack(
            RECORDED.inputs(
                "street_view@{city}",
                regions="data/{city}/regions.parquet",
                raw="data/{city}/raw/street_view",
            )
        ),
    output:
        street_view=directory("data/{city}/street_view"),
    log:
        "logs/{city}/street_view.log",
    benchmark:
        "logs/{city}/street_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "cities.{city}.street_view",
        "seed",
        "street_view",
    shell:
        f"{DO} street_view@{{wildcards.city}} {TOLD}"
