# The long tables: what others do on the same folds, what each part is worth, how far a model carries.


rule pretrain_baselines:
    input:
        unpack(
            RECORDED.inputs(
                "pretrain_baselines@{city}",
                regions="data/{city}/regions.parquet",
                poi_category_counts="data/{city}/poi_category_counts.parquet",
                flows="data/{city}/flows.parquet",
                origin_destination="data/{city}/origin_destination.parquet",
                satellite_features="data/{city}/satellite_features",
                street_view_features="data/{city}/street_view_features",
                satellite_weights="data/models/satellite",
                street_view_weights="data/models/street_view",
            )
        ),
    output:
        baseline_satellite="data/{city}/baseline_satellite.parquet",
        baseline_street_view="data/{city}/baseline_street_view.parquet",
    log:
        "logs/{city}/pretrain_baselines.log",
    benchmark:
        "logs/{city}/pretrain_baselines.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "seed",
        "pairs",
        "encoders.satellite",
        "encoders.street_view",
        "pretrain_satellite",
        "pretrain_street_view",
    shell:
        f"{RUN} pretrain_baselines@{{wildcards.city}} {LOGGED}"


rule baselines:
    input:
        unpack(
            RECORDED.inputs(
                "baselines@{city}",
                baseline_satellite="data/{city}/baseline_satellite.parquet",
                baseline_street_view="data/{city}/baseline_street_view.parquet",
                indicators="data/{city}/indicators.parquet",
                poi_category_counts="data/{city}/poi_category_counts.parquet",
                regions="data/{city}/regions.parquet",
                satellite_embeddings="data/{city}/satellite_embeddings.parquet",
                satellite_pairs="data/{city}/satellite_pairs.parquet",
                satellite_image_embeddings="data/{city}/satellite_image_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_image_embeddings="data/{city}/street_view_image_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
            )
        ),
    output:
        baselines_csv=report(
            "results/{city}/baselines.csv", caption="../report/baselines.rst", category="{city}"
        ),
    log:
        "logs/{city}/baselines.log",
    benchmark:
        "logs/{city}/baselines.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "seed",
        "fuse",
        "evaluate",
    shell:
        f"{RUN} baselines@{{wildcards.city}} {LOGGED}"


rule ablations:
    input:
        unpack(
            RECORDED.inputs(
                "ablations@{city}",
                baseline_satellite="data/{city}/baseline_satellite.parquet",
                baseline_street_view="data/{city}/baseline_street_view.parquet",
                indicators="data/{city}/indicators.parquet",
                regions="data/{city}/regions.parquet",
                satellite_embeddings="data/{city}/satellite_embeddings.parquet",
                satellite_pairs="data/{city}/satellite_pairs.parquet",
                satellite_image_embeddings="data/{city}/satellite_image_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_image_embeddings="data/{city}/street_view_image_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
            )
        ),
    output:
        ablations_csv=report(
            "results/{city}/ablations.csv", caption="../report/ablations.rst", category="{city}"
        ),
    log:
        "logs/{city}/ablations.log",
    benchmark:
        "logs/{city}/ablations.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=5000,
    params:
        "seed",
        "fuse",
        "evaluate",
    shell:
        f"{RUN} ablations@{{wildcards.city}} {LOGGED}"


rule inductive:
    input:
        unpack(
            RECORDED.inputs(
                "inductive@{city}",
                indicators="data/{city}/indicators.parquet",
                regions="data/{city}/regions.parquet",
                poi_category_counts="data/{city}/poi_category_counts.parquet",
                flows="data/{city}/flows.parquet",
                origin_destination="data/{city}/origin_destination.parquet",
                satellite_features="data/{city}/satellite_features",
                satellite_pairs="data/{city}/satellite_pairs.parquet",
                satellite_embeddings="data/{city}/satellite_embeddings.parquet",
                satellite_image_embeddings="data/{city}/satellite_image_embeddings.parquet",
                street_view_features="data/{city}/street_view_features",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_image_embeddings="data/{city}/street_view_image_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
                models_satellite="data/models/satellite",
                models_street_view="data/models/street_view",
            )
        ),
    output:
        inductive_csv=report(
            "results/{city}/inductive.csv", caption="../report/inductive.rst", category="{city}"
        ),
    log:
        "logs/{city}/inductive.log",
    benchmark:
        "logs/{city}/inductive.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=8000,
    params:
        "seed",
        "pairs",
        "encoders.satellite",
        "encoders.street_view",
        "pretrain_satellite",
        "pretrain_street_view",
        "embed_satellite",
        "embed_street_view",
        "fuse",
        "evaluate",
    shell:
        f"{RUN} inductive@{{wildcards.city}} {LOGGED}"


rule report_tables:
    input:
        unpack(
            RECORDED.inputs(
                "report_tables@{city}",
                baselines_csv="results/{city}/baselines.csv",
                ablations_csv="results/{city}/ablations.csv",
                inductive_csv="results/{city}/inductive.csv",
                r2_csv="results/{city}/r2.csv",
            )
        ),
    output:
        tables_html=report(
            "results/{city}/tables.html", caption="../report/tables.rst", category="{city}"
        ),
    log:
        "logs/{city}/report_tables.log",
    benchmark:
        "logs/{city}/report_tables.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    shell:
        f"{RUN} report_tables@{{wildcards.city}} {LOGGED}"


rule upper_bound:
    input:
        unpack(
            RECORDED.inputs(
                "upper_bound@{city}",
                regions="data/{city}/regions.parquet",
                indicators="data/{city}/indicators.parquet",
                r2_csv="results/{city}/r2.csv",
            )
        ),
    output:
        upper_bound_csv=report(
            "results/{city}/upper_bound.csv",
            caption="../report/upper_bound.rst",
            category="{city}",
        ),
    log:
        "logs/{city}/upper_bound.log",
    benchmark:
        "logs/{city}/upper_bound.tsv"
    wildcard_constraints:
        # No city is named by a dash.
        city="|".join(PARAMS.upper_bounds) or "-",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    params:
        "cities.{city}.boundary",
        "seed",
        "fuse.k_rings",
    shell:
        f"{RUN} upper_bound@{{wildcards.city}} {LOGGED}"


rule transfer:
    input:
        unpack(
            RECORDED.inputs(
                "transfer@{source}-to-{target}",
                source_regions="data/{source}/regions.parquet",
                source_indicators="data/{source}/indicators.parquet",
                source_satellite_pairs="data/{source}/satellite_pairs.parquet",
                source_satellite_encoder="data/{source}/satellite_encoder",
                source_satellite_embeddings="data/{source}/satellite_embeddings.parquet",
                source_satellite_image_embeddings="data/{source}/satellite_image_embeddings.parquet",
                source_street_view_encoder="data/{source}/street_view_encoder",
                source_street_view_embeddings="data/{source}/street_view_embeddings.parquet",
                source_street_view_image_embeddings="data/{source}/street_view_image_embeddings.parquet",
                source_text_embeddings="data/{source}/text_embeddings.parquet",
                target_regions="data/{target}/regions.parquet",
                target_indicators="data/{target}/indicators.parquet",
                target_satellite="data/{target}/satellite",
                target_street_view="data/{target}/street_view",
                target_satellite_features="data/{target}/satellite_features",
                target_street_view_features="data/{target}/street_view_features",
                target_text_embeddings="data/{target}/text_embeddings.parquet",
                models_satellite="data/models/satellite",
                models_street_view="data/models/street_view",
            )
        ),
    output:
        r2_csv=report(
            "results/{source}-to-{target}/r2.csv",
            caption="../report/transfer.rst",
            category="{source}-to-{target}",
        ),
        left_out_csv=report(
            "results/{source}-to-{target}/left_out.csv",
            caption="../report/transfer_left_out.rst",
            category="{source}-to-{target}",
        ),
        predictions="results/{source}-to-{target}/predictions.parquet",
    log:
        "logs/{source}-to-{target}/transfer.log",
    benchmark:
        "logs/{source}-to-{target}/transfer.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "seed",
        "encoders.satellite",
        "encoders.street_view",
        "embed_satellite",
        "embed_street_view",
        "fuse",
        "evaluate",
    shell:
        f"{RUN} transfer@{{wildcards.source}}-to-{{wildcards.target}} {LOGGED}"
