# One representation of each region.


rule fuse:
    input:
        unpack(
            RECORDED.inputs(
                "fuse@{city}",
                regions="data/{city}/regions.parquet",
                remote_view_pairs="data/{city}/remote_view_pairs.parquet",
                remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
                remote_view_view_embeddings="data/{city}/remote_view_view_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_view_embeddings="data/{city}/street_view_view_embeddings.parquet",
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
        f"{DO} fuse@{{wildcards.city}} {TOLD}"
