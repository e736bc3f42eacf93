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
        districts_csv="results/{city}/districts.csv",
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
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "cities.{city}.sources",
        "seed",
        "evaluate",
    shell:
        f"{DO} evaluate@{{wildcards.city}} {TOLD}"


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
        baselines_csv="results/{city}/baselines.csv",
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
        ablations_csv="results/{city}/ablations.csv",
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
        inductive_csv="results/{city}/inductive.csv",
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
                target_remote_view_features="data/{target}/remote_view_features",
                target_street_view_features="data/{target}/street_view_features",
                target_text_embeddings="data/{target}/text_embeddings.parquet",
                models_remote_view="data/models/remote_view",
                models_street_view="data/models/street_view",
            )
        ),
    output:
        r2_csv="results/{source}-to-{target}/r2.csv",
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
