import sys
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/workflow")

from musecl.engines.planning import Recorded, one_line_errors

with one_line_errors():
    # Here, so that a Snakemake of another environment says what it lacks.
    from musecl.config import load_params

    PARAMS = load_params(Path("params.yaml"))
    # Answers, per rule, which inputs count as new: DVC knows, modification times do not.
    RECORDED = Recorded(workflow, config, ancient)

# What a job may use: all cores here, so many on the node of a cluster. Its outputs do not depend on it.
CORES = workflow.resource_settings.cores or 8
# The shell becomes the job: with one in between, a job would outlive a Snakemake that is killed.
RUN = "MUSECL_WORKERS={threads} exec python workflow/musecl stage"
# -i: Ctrl-C ends the job alone, and what it says then is still read.
LOGGED = "> >(tee -i {log}) 2>&1"


report: "workflow/report/workflow.rst"


# Any name: of one that params.yaml does not have, the engine glue says which there are. The models are of
# no city, and between the two of a transfer stands -to-.
wildcard_constraints:
    city=r"(?!models/)(?![^/]*-to-)[^/]+",
    source=r"(?:(?!-to-)[^/])+",
    target=r"[^/]+",


localrules:
    all,
    tables,


rule all:
    input:
        expand(
            "results/{city}/{file}",
            city=PARAMS.cities,
            file=["r2.csv", "predictions.parquet", "report.html", "model"],
        ),


# The long tables, hours of them: a pipeline of their own for DVC, too (tables/dvc.yaml).
rule tables:
    input:
        expand(
            "results/{city}/{file}",
            city=PARAMS.cities,
            file=["baselines.csv", "ablations.csv", "inductive.csv", "tables.html"],
        ),
        expand("results/{city}/upper_bound.csv", city=PARAMS.upper_bounds),
        expand("results/{transfer}/r2.csv", transfer=PARAMS.transfers),


include: "workflow/rules/sources.smk"
include: "workflow/rules/regions.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/encode.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tables.smk"


onsuccess:
    shell("python workflow/musecl timing")
    for page in filter(
        Path.exists, (Path(f"results/{city}/report.html") for city in PARAMS.cities)
    ):
        print(f"open {page} in a browser")
