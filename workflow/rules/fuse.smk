# One representation of each region.


rule fuse:
    input:
        unpack(
            RECORDED.inputs(
                "fuse@{city}",
                regions="data/{city}/regions.parquet",
                satellite_pairs="data/{city}/satellite_pairs.parquet",
                satellite_embeddings="data/{city}/satellite_embeddings.parquet",
                satellite_image_embeddings="data/{city}/satellite_image_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_image_embeddings="data/{city}/street_view_image_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
            )
        ),
    output:
        fusion=directory("data/{city}/fusion"),
        embeddings="results/{city}/embeddings.parquet",
        fuse_losses_csv=report(
            "results/{city}/fuse_losses.csv", caption="../report/losses.rst", category="{city}"
        ),
    log:
        "logs/{city}/fuse.log",
    benchmark:
        "logs/{city}/fuse.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2500,
    params:
        "seed",
        "fuse",
    shell:
        f"{RUN} fuse@{{wildcards.city}} {LOGGED}"
