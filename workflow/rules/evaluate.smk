# How well the representations predict.


rule evaluate:
    input:
        unpack(
            RECORDED.inputs(
                "evaluate@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                scene="data/{city}/scene",
                remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
            )
        ),
    output:
        r2_csv="results/{city}/r2.csv",
        r2_png="results/{city}/r2.png",
        coverage_csv="results/{city}/coverage.csv",
        metrics_json="results/{city}/metrics.json",
    log:
        "logs/{city}/evaluate.log",
    benchmark:
        "logs/{city}/evaluate.tsv"
    conda:
        "../../environment.yml"
    threads: PARAMS.threads
    resources:
        mem_mb=4000,
    params:
        "cities.{city}.sources",
        "seed",
        "threads",
        "evaluate",
    shell:
        f"{DO} evaluate@{{wildcards.city}} {TOLD}"


rule ceiling:
    input:
        unpack(
            RECORDED.inputs(
                "ceiling@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                r2_csv="results/{city}/r2.csv",
            )
        ),
    output:
        ceiling_csv="results/{city}/ceiling.csv",
    log:
        "logs/{city}/ceiling.log",
    benchmark:
        "logs/{city}/ceiling.tsv"
    wildcard_constraints:
        # No city is named by a dash.
        city="|".join(PARAMS.answer_keys) or "-",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    params:
        "cities.{city}.generated",
        "seed",
    shell:
        f"{DO} ceiling@{{wildcards.city}} {TOLD}"
