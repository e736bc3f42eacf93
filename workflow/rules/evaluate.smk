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
        predictions=report(
            "results/{city}/predictions.parquet",
            caption="../report/predictions.rst",
            category="{city}",
        ),
        intervals_csv=report(
            "results/{city}/intervals.csv", caption="../report/intervals.rst", category="{city}"
        ),
        totals_csv=report(
            "results/{city}/totals.csv", caption="../report/totals.rst", category="{city}"
        ),
        districts_csv=report(
            "results/{city}/districts.csv", caption="../report/districts.rst", category="{city}"
        ),
        map_gpkg=report(
            "results/{city}/map.gpkg", caption="../report/map_gpkg.rst", category="{city}"
        ),
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
        f"{RUN} predict@{{wildcards.city}} {LOGGED}"


rule evaluate:
    input:
        unpack(
            RECORDED.inputs(
                "evaluate@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                satellite="data/{city}/satellite",
                street_view="data/{city}/street_view",
                satellite_embeddings="data/{city}/satellite_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
            )
        ),
    output:
        r2_csv=report("results/{city}/r2.csv", caption="../report/r2.rst", category="{city}"),
        r2_png=report("results/{city}/r2.png", caption="../report/r2_png.rst", category="{city}"),
        coverage_csv=report(
            "results/{city}/coverage.csv", caption="../report/coverage.rst", category="{city}"
        ),
        left_out_csv=report(
            "results/{city}/left_out.csv", caption="../report/left_out.rst", category="{city}"
        ),
        metrics_json=report(
            "results/{city}/metrics.json", caption="../report/metrics.rst", category="{city}"
        ),
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
        f"{RUN} evaluate@{{wildcards.city}} {LOGGED}"


rule model:
    input:
        unpack(
            RECORDED.inputs(
                "model@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                satellite="data/{city}/satellite",
                street_view="data/{city}/street_view",
                satellite_encoder="data/{city}/satellite_encoder",
                street_view_encoder="data/{city}/street_view_encoder",
                fusion="data/{city}/fusion",
                raw_boundary="data/{city}/raw/boundary",
                raw_roads="data/{city}/raw/roads",
                raw_pois="data/{city}/raw/pois",
                raw_mobility="data/{city}/raw/mobility",
                raw_satellite="data/{city}/raw/satellite",
                raw_street_view="data/{city}/raw/street_view",
                raw_indicators="data/{city}/raw/indicators",
                models_satellite="data/models/satellite",
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
        "satellite",
        "street_view",
        "embed_satellite",
        "embed_street_view",
        "embed_text",
        "evaluate",
    shell:
        f"{RUN} model@{{wildcards.city}} {LOGGED}"
