# Imagery of each region, from above and from the street.


rule satellite:
    input:
        unpack(
            RECORDED.inputs(
                "satellite@{city}",
                regions="data/{city}/regions.parquet",
                raw="data/{city}/raw/satellite",
            )
        ),
    output:
        satellite=directory("data/{city}/satellite"),
    log:
        "logs/{city}/satellite.log",
    benchmark:
        "logs/{city}/satellite.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=2000,
    params:
        "cities.{city}.satellite",
        "satellite",
    shell:
        f"{RUN} satellite@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} street_view@{{wildcards.city}} {LOGGED}"
