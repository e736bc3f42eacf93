# What others provide: the only rules that reach out.


rule fetch_models:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_models",
                own_satellite="inputs/models/satellite",
                own_street_view="inputs/models/street_view",
                own_text="inputs/models/text",
            )
        ),
    output:
        satellite=directory("data/models/satellite"),
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
        "encoders.satellite.weights",
        "encoders.street_view.weights",
        "encoders.text.weights",
    shell:
        f"{RUN} fetch_models {LOGGED}"


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
        f"{RUN} fetch_boundary@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} fetch_roads@{{wildcards.city}} {LOGGED}"


rule fetch_pois:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_pois@{city}",
                own="inputs/{city}/pois",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        pois=directory("data/{city}/raw/pois"),
    log:
        "logs/{city}/fetch_pois.log",
    benchmark:
        "logs/{city}/fetch_pois.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1500,
    params:
        "cities.{city}.pois",
    shell:
        f"{RUN} fetch_pois@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} fetch_mobility@{{wildcards.city}} {LOGGED}"


rule fetch_satellite:
    input:
        unpack(
            RECORDED.inputs(
                "fetch_satellite@{city}",
                own="inputs/{city}/satellite",
                regions="data/{city}/regions.parquet",
            )
        ),
    output:
        satellite=directory("data/{city}/raw/satellite"),
    log:
        "logs/{city}/fetch_satellite.log",
    benchmark:
        "logs/{city}/fetch_satellite.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        "cities.{city}.satellite",
    shell:
        f"{RUN} fetch_satellite@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} fetch_street_view@{{wildcards.city}} {LOGGED}"


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
        f"{RUN} fetch_indicators@{{wildcards.city}} {LOGGED}"
