# From images and texts to embeddings, per view and per region.


rule encode_satellite:
    input:
        unpack(
            RECORDED.inputs(
                "encode_satellite@{city}",
                satellite="data/{city}/satellite",
                encoder_weights="data/models/satellite",
            )
        ),
    output:
        satellite_features=directory("data/{city}/satellite_features"),
    log:
        "logs/{city}/encode_satellite.log",
    benchmark:
        "logs/{city}/encode_satellite.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.satellite",
    shell:
        f"{RUN} encode_satellite@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} encode_street_view@{{wildcards.city}} {LOGGED}"


rule pretrain_satellite:
    input:
        unpack(
            RECORDED.inputs(
                "pretrain_satellite@{city}",
                satellite_features="data/{city}/satellite_features",
                satellite_pairs="data/{city}/satellite_pairs.parquet",
                encoder_weights="data/models/satellite",
            )
        ),
    output:
        satellite_encoder=directory("data/{city}/satellite_encoder"),
    log:
        "logs/{city}/pretrain_satellite.log",
    benchmark:
        "logs/{city}/pretrain_satellite.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "seed",
        "encoders.satellite",
        "pretrain_satellite",
    shell:
        f"{RUN} pretrain_satellite@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} pretrain_street_view@{{wildcards.city}} {LOGGED}"


rule embed_satellite:
    input:
        unpack(
            RECORDED.inputs(
                "embed_satellite@{city}",
                satellite_features="data/{city}/satellite_features",
                satellite_encoder="data/{city}/satellite_encoder",
                encoder_weights="data/models/satellite",
            )
        ),
    output:
        satellite_embeddings="data/{city}/satellite_embeddings.parquet",
        satellite_image_embeddings="data/{city}/satellite_image_embeddings.parquet",
    log:
        "logs/{city}/embed_satellite.log",
    benchmark:
        "logs/{city}/embed_satellite.tsv"
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        mem_mb=3000,
    params:
        "encoders.satellite",
        "embed_satellite",
    shell:
        f"{RUN} embed_satellite@{{wildcards.city}} {LOGGED}"


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
        street_view_image_embeddings="data/{city}/street_view_image_embeddings.parquet",
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
        f"{RUN} embed_street_view@{{wildcards.city}} {LOGGED}"


rule embed_text:
    input:
        unpack(
            RECORDED.inputs(
                "embed_text@{city}",
                pois="data/{city}/pois.parquet",
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
        f"{RUN} embed_text@{{wildcards.city}} {LOGGED}"
