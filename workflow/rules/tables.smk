# The long tables: what others do on the same folds, what each part is worth, how far a model carries.


rule pretrain_baselines:
    input:
        unpack(
            RECORDED.inputs(
                "pretrain_baselines@{city}",
                regions="data/{city}/regions.parquet",
                place_histogram="data/{city}/place_histogram.parquet",
                flows="data/{city}/flows.parquet",
                origin_destination="data/{city}/origin_destination.parquet",
                remote_view_features="data/{city}/remote_view_features",
                street_view_features="data/{city}/street_view_features",
                remote_view_weights="data/models/remote_view",
                street_view_weights="data/models/street_view",
            )
        ),
    output:
        baseline_remote_view="data/{city}/baseline_remote_view.parquet",
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
        "encoders.remote_view",
        "encoders.street_view",
        "pretrain_remote_view",
        "pretrain_street_view",
    shell:
        f"{DO} pretrain_baselines@{{wildcards.city}} {TOLD}"


rule baselines:
    input:
        unpack(
            RECORDED.inputs(
                "baselines@{city}",
                baseline_remote_view="data/{city}/baseline_remote_view.parquet",
                baseline_street_view="data/{city}/baseline_street_view.parquet",
                indicators="data/{city}/indicators.parquet",
                place_histogram="data/{city}/place_histogram.parquet",
                regions="data/{city}/regions.parquet",
                remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
                remote_view_pairs="data/{city}/remote_view_pairs.parquet",
                remote_view_view_embeddings="data/{city}/remote_view_view_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_view_embeddings="data/{city}/street_view_view_embeddings.parquet",
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
        f"{DO} baselines@{{wildcards.city}} {TOLD}"


rule ablations:
    input:
        unpack(
            RECORDED.inputs(
                "ablations@{city}",
                baseline_remote_view="data/{city}/baseline_remote_view.parquet",
                baseline_street_view="data/{city}/baseline_street_view.parquet",
                indicators="data/{city}/indicators.parquet",
                regions="data/{city}/regions.parquet",
                remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
                remote_view_pairs="data/{city}/remote_view_pairs.parquet",
                remote_view_view_embeddings="data/{city}/remote_view_view_embeddings.parquet",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_view_embeddings="data/{city}/street_view_view_embeddings.parquet",
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
        mem_mb=4000,
    params:
        "seed",
        "fuse",
        "evaluate",
    shell:
        f"{DO} ablations@{{wildcards.city}} {TOLD}"


rule inductive:
    input:
        unpack(
            RECORDED.inputs(
                "inductive@{city}",
                indicators="data/{city}/indicators.parquet",
                regions="data/{city}/regions.parquet",
                place_histogram="data/{city}/place_histogram.parquet",
                flows="data/{city}/flows.parquet",
                origin_destination="data/{city}/origin_destination.parquet",
                remote_view_features="data/{city}/remote_view_features",
                remote_view_pairs="data/{city}/remote_view_pairs.parquet",
                remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
                remote_view_view_embeddings="data/{city}/remote_view_view_embeddings.parquet",
                street_view_features="data/{city}/street_view_features",
                street_view_embeddings="data/{city}/street_view_embeddings.parquet",
                street_view_view_embeddings="data/{city}/street_view_view_embeddings.parquet",
                text_embeddings="data/{city}/text_embeddings.parquet",
                embeddings="results/{city}/embeddings.parquet",
                models_remote_view="data/models/remote_view",
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
        mem_mb=4000,
    params:
        "seed",
        "pairs",
        "encoders.remote_view",
        "encoders.street_view",
        "pretrain_remote_view",
        "pretrain_street_view",
        "embed_remote_view",
        "embed_street_view",
        "fuse",
        "evaluate",
    shell:
        f"{DO} inductive@{{wildcards.city}} {TOLD}"


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
        f"{DO} report_tables@{{wildcards.city}} {TOLD}"


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
        ceiling_csv=report(
            "results/{city}/ceiling.csv", caption="../report/ceiling.rst", category="{city}"
        ),
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
        "cities.{city}.boundary",
        "seed",
        "fuse.rings",
    shell:
        f"{DO} ceiling@{{wildcards.city}} {TOLD}"


rule transfer:
    input:
        unpack(
            RECORDED.inputs(
                "transfer@{source}-to-{target}",
                source_regions="data/{source}/regions.parquet",
                source_indicators="data/{source}/indicators.parquet",
                source_remote_view_pairs="data/{source}/remote_view_pairs.parquet",
                source_remote_view_encoder="data/{source}/remote_view_encoder",
                source_remote_view_embeddings="data/{source}/remote_view_embeddings.parquet",
                source_remote_view_view_embeddings="data/{source}/remote_view_view_embeddings.parquet",
                source_street_view_encoder="data/{source}/street_view_encoder",
                source_street_view_embeddings="data/{source}/street_view_embeddings.parquet",
                source_street_view_view_embeddings="data/{source}/street_view_view_embeddings.parquet",
                source_text_embeddings="data/{source}/text_embeddings.parquet",
                target_regions="data/{target}/regions.parquet",
                target_indicators="data/{target}/indicators.parquet",
                target_remote_view="data/{target}/remote_view",
                target_street_view="data/{target}/street_view",
                target_remote_view_features="data/{target}/remote_view_features",
                target_street_view_features="data/{target}/street_view_features",
                target_text_embeddings="data/{target}/text_embeddings.parquet",
                models_remote_view="data/models/remote_view",
                models_street_view="data/models/street_view",
            )
        ),
    output:
        r2_csv=report(
            "results/{source}-to-{target}/r2.csv",
            caption="../report/transfer.rst",
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
        "encoders.remote_view",
        "encoders.street_view",
        "embed_remote_view",
        "embed_street_view",
        "fuse",
        "evaluate",
    shell:
        f"{DO} transfer@{{wildcards.source}}-to-{{wildcards.target}} {TOLD}"
