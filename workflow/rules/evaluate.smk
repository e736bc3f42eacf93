# How well the representations predict.


rule predict:
    input:
        unpack(
            RECORDED.inputs(
                "predict@{city}",
                indicators="data/{city}/indicators.parquet",
                regions="data/{city}/regions.parquet",
                embeddings="results/{city}/embeddings.parquet",
            )
        ),
    output:
        predictions="results/{city}/predictions.parquet",
        intervals_csv="results/{city}/intervals.csv",
        totals_csv="results/{city}/totals.csv",
        districts_csv="results/{city}/districts.csv",
        map_gpkg="results/{city}/map.gpkg",
        map_parquet="results/{city}/map.parquet",
    log:
        "logs/{city}/predict.log",
    benchmark:
        "logs/{city}/predict.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=2500,
    params:
        "seed",
        "evaluate",
    shell:
        f"{DO} predict@{{wildcards.city}} {TOLD}"


rule evaluate:
    input:
        unpack(
            RECORDED.inputs(
                "evaluate@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                remote_view="data/{city}/remote_view",
                street_view="data/{city}/street_view",
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
        left_out_csv="results/{city}/left_out.csv",
        metrics_json="results/{city}/metrics.json",
    log:
        "logs/{city}/evaluate.log",
    benchmark:
        "logs/{city}/evaluate.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "seed",
        "evaluate",
    shell:
        f"{DO} evaluate@{{wildcards.city}} {TOLD}"


rule model:
    input:
        unpack(
            RECORDED.inputs(
                "model@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                remote_view="data/{city}/remote_view",
                street_view="data/{city}/street_view",
                remote_view_encoder="data/{city}/remote_view_encoder",
                street_view_encoder="data/{city}/street_view_encoder",
                fusion="data/{city}/fusion",
                raw_boundary="data/{city}/raw/boundary",
                raw_roads="data/{city}/raw/roads",
                raw_places="data/{city}/raw/places",
                raw_mobility="data/{city}/raw/mobility",
                raw_remote_view="data/{city}/raw/remote_view",
                raw_street_view="data/{city}/raw/street_view",
                raw_indicators="data/{city}/raw/indicators",
                models_remote_view="data/models/remote_view",
                models_street_view="data/models/street_view",
                models_text="data/models/text",
                embeddings="results/{city}/embeddings.parquet",
                r2_csv="results/{city}/r2.csv",
            )
        ),
    output:
        model=directory("results/{city}/model"),
    log:
        "logs/{city}/model.log",
    benchmark:
        "logs/{city}/model.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2500,
    params:
        "seed",
        "encoders",
        "remote_view",
        "street_view",
        "embed_remote_view",
        "embed_street_view",
        "embed_text",
        "evaluate",
    shell:
        f"{DO} model@{{wildcards.city}} {TOLD}"
