# What others provide: the only rules that reach out.


rule fetch_models:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_models",
                own_remote_view="inputs/models/remote_view",
                own_street_view="inputs/models/street_view",
                own_text="inputs/models/text",
            )
        ),
    output:
        remote_view=directory("data/models/remote_view"),
        street_view=directory("data/models/street_view"),
        text=directory("data/models/text"),
    log:
        "logs/fetch_models.log",
    benchmark:
        "logs/fetch_models.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
    params:
        "encoders.remote_view.weights",
        "encoders.street_view.weights",
        "encoders.text.weights",
    shell:
        f"{DO} fetch_models {TOLD}"


rule fetch_boundary:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_boundary@{city}",
                own="inputs/{city}/boundary",
            )
        ),
    output:
        boundary=directory("data/{city}/raw/boundary"),
    log:
        "logs/{city}/fetch_boundary.log",
    benchmark:
        "logs/{city}/fetch_boundary.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
    params:
        "cities.{city}.boundary",
    shell:
        f"{DO} fetch_boundary@{{wildcards.city}} {TOLD}"


rule fetch_roads:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_roads@{city}",
                own="inputs/{city}/roads",
                boundary="data/{city}/raw/boundary",
            )
        ),
    output:
        roads=directory("data/{city}/raw/roads"),
    log:
        "logs/{city}/fetch_roads.log",
    benchmark:
        "logs/{city}/fetch_roads.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.boundary",
        "cities.{city}.roads",
    shell:
        f"{DO} fetch_roads@{{wildcards.city}} {TOLD}"


rule fetch_places:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_places@{city}",
                own="inputs/{city}/places",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        places=directory("data/{city}/raw/places"),
    log:
        "logs/{city}/fetch_places.log",
    benchmark:
        "logs/{city}/fetch_places.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.places",
    shell:
        f"{DO} fetch_places@{{wildcards.city}} {TOLD}"


rule fetch_mobility:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_mobility@{city}",
                own="inputs/{city}/mobility",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        mobility=directory("data/{city}/raw/mobility"),
    log:
        "logs/{city}/fetch_mobility.log",
    benchmark:
        "logs/{city}/fetch_mobility.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.mobility",
    shell:
        f"{DO} fetch_mobility@{{wildcards.city}} {TOLD}"


rule fetch_remote_view:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_remote_view@{city}",
                own="inputs/{city}/remote_view",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        remote_view=directory("data/{city}/raw/remote_view"),
    log:
        "logs/{city}/fetch_remote_view.log",
    benchmark:
        "logs/{city}/fetch_remote_view.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        "cities.{city}.remote_view",
    shell:
        f"{DO} fetch_remote_view@{{wildcards.city}} {TOLD}"


rule fetch_street_view:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_street_view@{city}",
                own="inputs/{city}/street_view",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        street_view=directory("data/{city}/raw/street_view"),
    log:
        "logs/{city}/fetch_street_view.log",
    benchmark:
        "logs/{city}/fetch_street_view.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        "cities.{city}.street_view",
    shell:
        f"{DO} fetch_street_view@{{wildcards.city}} {TOLD}"


rule fetch_indicators:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_indicators@{city}",
                own="inputs/{city}/indicators",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        indicators=directory("data/{city}/raw/indicators"),
    log:
        "logs/{city}/fetch_indicators.log",
    benchmark:
        "logs/{city}/fetch_indicators.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.indicators",
    shell:
        f"{DO} fetch_indicators@{{wildcards.city}} {TOLD}"
