# Which regions are alike.


rule pairs:
    input:
        unpack(
            RECORDED.inputs(
                "pairs@{city}",
                regions="data/{city}/regions.parquet",
                poi_category_counts="data/{city}/poi_category_counts.parquet",
                flows="data/{city}/flows.parquet",
                origin_destination="data/{city}/origin_destination.parquet",
            )
        ),
    output:
        satellite_pairs="data/{city}/satellite_pairs.parquet",
        street_view_pairs="data/{city}/street_view_pairs.parquet",
    log:
        "logs/{city}/pairs.log",
    benchmark:
        "logs/{city}/pairs.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "seed",
        "pairs",
    shell:
        f"{RUN} pairs@{{wildcards.city}} {LOGGED}"
