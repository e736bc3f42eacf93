# The cells of a city, and what its tables say of each.


rule regions:
    input:
        unpack(
            RECORDED.inputs(
                "regions@{city}",
                boundary="data/{city}/raw/boundary",
                roads="data/{city}/raw/roads",
            )
        ),
    output:
        regions="data/{city}/regions.parquet",
    log:
        "logs/{city}/regions.log",
    benchmark:
        "logs/{city}/regions.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.boundary",
        "cities.{city}.roads",
        "cities.{city}.extent",
        "regions",
    shell:
        f"{DO} regions@{{wildcards.city}} {TOLD}"


rule places:
    input:
        unpack(
            RECORDED.inputs(
                "places@{city}",
                raw="data/{city}/raw/places",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        places="data/{city}/places.parquet",
        place_histogram="data/{city}/place_histogram.parquet",
    log:
        "logs/{city}/places.log",
    benchmark:
        "logs/{city}/places.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
    params:
        "cities.{city}.places",
    shell:
        f"{DO} places@{{wildcards.city}} {TOLD}"


rule mobility:
    input:
        unpack(
            RECORDED.inputs(
                "mobility@{city}",
                raw="data/{city}/raw/mobility",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        flows="data/{city}/flows.parquet",
        origin_destination="data/{city}/origin_destination.parquet",
    log:
        "logs/{city}/mobility.log",
    benchmark:
        "logs/{city}/mobility.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.mobility",
    shell:
        f"{DO} mobility@{{wildcards.city}} {TOLD}"


rule indicators:
    input:
        unpack(
            RECORDED.inputs(
                "indicators@{city}",
                raw="data/{city}/raw/indicators",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        indicators="data/{city}/indicators.parquet",
    log:
        "logs/{city}/indicators.log",
    benchmark:
        "logs/{city}/indicators.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2500,
    params:
        "cities.{city}.indicators",
    shell:
        f"{DO} indicators@{{wildcards.city}} {TOLD}"
