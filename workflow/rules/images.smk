# Imagery of each region, from above and from the street.


rule scene:
    input:
        unpack(
            RECORDED.inputs(
                "scene@{city}",
                source="data/{city}/source",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        scene=directory("data/{city}/scene"),
    log:
        "logs/{city}/scene.log",
    benchmark:
        "logs/{city}/scene.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        "cities.{city}.sources.remote_view",
        "cities.{city}.sources.street_view",
        "scene",
    shell:
        f"{DO} scene@{{wildcards.city}} {TOLD}"


rule remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "remote_view@{city}",
                regions="data/{city}/regions.parquet",
                scene="data/{city}/scene",
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
        "cities.{city}.sources.remote_view",
        "remote_view",
    shell:
        f"{DO} remote_view@{{wildcards.city}} {TOLD}"


rule street_view:
    input:
        unpack(
            RECORDED.inputs(
                "street_view@{city}",
                regions="data/{city}/regions.parquet",
                scene="data/{city}/scene",
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
        "cities.{city}.sources.street_view",
        "seed",
        "street_view",
    shell:
        f"{DO} street_view@{{wildcards.city}} {TOLD}"
