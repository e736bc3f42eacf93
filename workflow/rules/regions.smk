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
        f"{RUN} regions@{{wildcards.city}} {LOGGED}"


rule pois:
    input:
        unpack(
            RECORDED.inputs(
                "pois@{city}",
                raw="data/{city}/raw/pois",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        pois="data/{city}/pois.parquet",
        poi_category_counts="data/{city}/poi_category_counts.parquet",
    log:
        "logs/{city}/pois.log",
    benchmark:
        "logs/{city}/pois.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
    params:
        "cities.{city}.pois",
    shell:
        f"{RUN} pois@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} mobility@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} indicators@{{wildcards.city}} {LOGGED}"
