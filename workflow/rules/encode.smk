# From images and texts to embeddings, per view and per region.


rule encode_remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "encode_remote_view@{city}",
                remote_view="data/{city}/remote_view",
                encoder_weights="data/models/remote_view",
            )
        ),
    output:
        remote_view_features=directory("data/{city}/remote_view_features"),
    log:
        "logs/{city}/encode_remote_view.log",
    benchmark:
        "logs/{city}/encode_remote_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.remote_view",
    shell:
        f"{DO} encode_remote_view@{{wildcards.city}} {TOLD}"


rule encode_street_view:
    input:
        unpack(
            RECORDED.inputs(
                "encode_street_view@{city}",
                street_view="data/{city}/street_view",
                encoder_weights="data/models/street_view",
            )
        ),
    output:
        street_view_features=directory("data/{city}/street_view_features"),
    log:
        "logs/{city}/encode_street_view.log",
    benchmark:
        "logs/{city}/encode_street_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.street_view",
    shell:
        f"{DO} encode_street_view@{{wildcards.city}} {TOLD}"


rule pretrain_remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "pretrain_remote_view@{city}",
                remote_view_features="data/{city}/remote_view_features",
                remote_view_pairs="data/{city}/remote_view_pairs.parquet",
                encoder_weights="data/models/remote_view",
            )
        ),
    output:
        remote_view_encoder=directory("data/{city}/remote_view_encoder"),
    log:
        "logs/{city}/pretrain_remote_view.log",
    benchmark:
        "logs/{city}/pretrain_remote_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "seed",
        "encoders.remote_view",
        "pretrain_remote_view",
    shell:
        f"{DO} pretrain_remote_view@{{wildcards.city}} {TOLD}"


rule pretrain_street_view:
    input:
        unpack(
            RECORDED.inputs(
                "pretrain_street_view@{city}",
                street_view_features="data/{city}/street_view_features",
                street_view_pairs="data/{city}/street_view_pairs.parquet",
                encoder_weights="data/models/street_view",
            )
        ),
    output:
        street_view_encoder=directory("data/{city}/street_view_encoder"),
    log:
        "logs/{city}/pretrain_street_view.log",
    benchmark:
        "logs/{city}/pretrain_street_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=4000,
    params:
        "seed",
        "encoders.street_view",
        "pretrain_street_view",
    shell:
        f"{DO} pretrain_street_view@{{wildcards.city}} {TOLD}"


rule embed_remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "embed_remote_view@{city}",
                remote_view_features="data/{city}/remote_view_features",
                remote_view_encoder="data/{city}/remote_view_encoder",
                encoder_weights="data/models/remote_view",
            )
        ),
    output:
        remote_view_embeddings="data/{city}/remote_view_embeddings.parquet",
        remote_view_view_embeddings="data/{city}/remote_view_view_embeddings.parquet",
    log:
        "logs/{city}/embed_remote_view.log",
    benchmark:
        "logs/{city}/embed_remote_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.remote_view",
        "embed_remote_view",
    shell:
        f"{DO} embed_remote_view@{{wildcards.city}} {TOLD}"


rule embed_street_view:
    input:
        unpack(
            RECORDED.inputs(
                "embed_street_view@{city}",
                street_view_features="data/{city}/street_view_features",
                street_view_encoder="data/{city}/street_view_encoder",
                encoder_weights="data/models/street_view",
            )
        ),
    output:
        street_view_embeddings="data/{city}/street_view_embeddings.parquet",
        street_view_view_embeddings="data/{city}/street_view_view_embeddings.parquet",
    log:
        "logs/{city}/embed_street_view.log",
    benchmark:
        "logs/{city}/embed_street_view.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.street_view",
        "embed_street_view",
    shell:
        f"{DO} embed_street_view@{{wildcards.city}} {TOLD}"


rule embed_text:
    input:
        unpack(
            RECORDED.inputs(
                "embed_text@{city}",
                places="data/{city}/places.parquet",
                encoder_weights="data/models/text",
            )
        ),
    output:
        text_embeddings="data/{city}/text_embeddings.parquet",
    log:
        "logs/{city}/embed_text.log",
    benchmark:
        "logs/{city}/embed_text.tsv"
    conda:
        "../../environment.yml"
    # Half of the cores: the city is drawn meanwhile, by one.
    threads: max(1, CORES // 2)
    resources:
        mem_mb=2000,
    params:
        "embed_text",
    shell:
        f"{DO} embed_text@{{wildcards.city}} {TOLD}"
