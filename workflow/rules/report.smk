# What the results look like: a page to explore, a map for slides.


rule report:
    input:
        unpack(
            RECORDED.inputs(
                "report@{city}",
                raw_boundary="data/{city}/raw/boundary",
                raw_roads="data/{city}/raw/roads",
                raw_pois="data/{city}/raw/pois",
                raw_mobility="data/{city}/raw/mobility",
                raw_satellite="data/{city}/raw/satellite",
                raw_street_view="data/{city}/raw/street_view",
                raw_indicators="data/{city}/raw/indicators",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                pois="data/{city}/pois.parquet",
                satellite="data/{city}/satellite",
                street_view="data/{city}/street_view",
                satellite_encoder="data/{city}/satellite_encoder",
                street_view_encoder="data/{city}/street_view_encoder",
                models_satellite="data/models/satellite",
                models_street_view="data/models/street_view",
                models_text="data/models/text",
                embeddings="results/{city}/embeddings.parquet",
                fuse_losses_csv="results/{city}/fuse_losses.csv",
                predictions="results/{city}/predictions.parquet",
                intervals_csv="results/{city}/intervals.csv",
                districts_csv="results/{city}/districts.csv",
                left_out_csv="results/{city}/left_out.csv",
                r2_csv="results/{city}/r2.csv",
                coverage_csv="results/{city}/coverage.csv",
            )
        ),
    output:
        report_html=report(
            "results/{city}/report.html", caption="../report/report.rst", category="{city}"
        ),
        map_png=report("results/{city}/map.png", caption="../report/map.rst", category="{city}"),
    log:
        "logs/{city}/report.log",
    benchmark:
        "logs/{city}/report.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2500,
    params:
        "seed",
        "cities.{city}",
        "regions",
        "satellite",
        "street_view",
        "pairs",
        "encoders",
        "pretrain_satellite",
        "pretrain_street_view",
        "embed_satellite",
        "embed_street_view",
        "embed_text",
        "fuse",
        "evaluate",
    shell:
        f"{RUN} report@{{wildcards.city}} {LOGGED}"
