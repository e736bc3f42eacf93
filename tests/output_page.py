"""docs/output.md, read off the schemas; `python tests/output_page.py` writes it."""

from typing import NamedTuple

import pandera.pandas as pa
import yaml

from params_page import ROOT

PAGE = ROOT / "docs" / "output.md"
HEAD = """# What comes out

Every file below `results/`, and every column of every table. `CITY` is a city of `params.yaml`,
`SOURCE-to-TARGET` one of its `transfers`, `NAME` an indicator. Regions are joined by `region_id`.

Parquet files say the same of themselves: each field has a `description` and, where it has one, a
`unit` in its metadata (`pyarrow.parquet.read_schema(path).field(name).metadata`). A column without
a unit in these tables is a name, or a number that has none, such as R2.

**Which numbers to use.** `predictions.parquet` and the map are in the unit of each indicator. A row
that is `out of fold` can be compared with what was observed; a row of `all labels` is the best
guess where nobody measured. How far to trust it stands in `intervals.csv`, in words. Scores are
measured on the scale that is fitted, ln(1 + x) for most counts.
"""


class Row(NamedTuple):
    """A column of a table: its name, unit and meaning."""

    name: str
    unit: str
    meaning: str


class File(NamedTuple):
    """A file of results: its name, the stage that writes it, what it is, and its columns."""

    path: str
    stage: str
    text: str
    rows: list[Row]


def rows_of(schema: pa.DataFrameSchema) -> list[Row]:
    """List the columns of a schema."""
    return [
        Row(name, (column.metadata or {}).get("unit", ""), column.description or "")
        for name, column in schema.columns.items()
    ]


def plain(columns: dict[str, str]) -> list[Row]:
    """List columns that are described without a schema; they have no unit."""
    return [Row(name, "", text) for name, text in columns.items()]


def files() -> list[File]:
    """List every file of results, a city's first."""
    from musecl.evaluation import everywhere, intervals, judgeable, totals, transfer
    from musecl.evaluation.comparison import COMPARED
    from musecl.evaluation.districts import DISTRICTS
    from musecl.fusion.columns import ABOUT
    from musecl.mapping.layout import map_schema
    from musecl.stages import evaluate, upper_bound

    compared = [
        Row("city", "", "the city"),
        *plain(COMPARED),
        Row("NAME R2", "", "R2 of the indicator; empty where the split does not judge it"),
        Row("NAME sd", "", "its standard deviation over repetitions"),
        Row("NAME RMSE", "as fitted: ln(1+x), or the unit itself", "root mean squared error"),
    ]
    on_map = rows_of(map_schema({"NAME": "that of the indicator"}))
    split = "`spatial`, or the first of `evaluate.splits` that judges an indicator"
    return [
        File(
            "results/CITY/embeddings.parquet",
            "fuse",
            "The vector of every region that has any modality, for models of your own.",
            plain(ABOUT),
        ),
        File(
            "results/CITY/predictions.parquet",
            "predict",
            "A row per indicator, split and region, for every region; no geometry, join "
            "`data/CITY/regions.parquet` by `region_id`. A region whose label was set aside, "
            "because it lacks another indicator that nearly all regions have, is `all labels` with "
            "`observed` beside.",
            rows_of(everywhere.PREDICTIONS),
        ),
        File(
            "results/CITY/intervals.csv",
            "predict",
            "How often the 90% intervals hold what was observed, and how wide they are.",
            rows_of(intervals.INTERVALS),
        ),
        File(
            "results/CITY/totals.csv",
            "predict",
            "Sums over the regions with a label, of the indicators whose unit ends in `per km2` or "
            "`per km2 of land`: value times `area_km2` times `land_share`.",
            rows_of(totals.TOTALS),
        ),
        File(
            "results/CITY/districts.csv",
            "predict",
            "Trained in one district, judged in another; both have 20 labels or more.",
            rows_of(DISTRICTS),
        ),
        File(
            "results/CITY/map.parquet",
            "predict",
            f"A row per region for maps (GeoParquet, EPSG:4326), of the split {split}.",
            on_map,
        ),
        File(
            "results/CITY/map.gpkg",
            "predict",
            "The same as a GeoPackage, layer `regions`: its columns are those of `map.parquet`, "
            "the geometry is `geom`. QGIS opens it in five classes of the first primary "
            "indicator; the other styles are there to choose. Descriptions and units of the "
            "columns stand in `gpkg_data_columns`, which GDAL reads from 3.7 on as comments of the "
            "fields.",
            [],
        ),
        File(
            "results/CITY/r2.csv",
            "evaluate",
            "The score of every method on every indicator and split.",
            rows_of(evaluate.SCORES),
        ),
        File("results/CITY/r2.png", "evaluate", "`r2.csv` as a figure.", []),
        File(
            "results/CITY/metrics.json",
            "evaluate",
            "Mean R2 over the primary indicators, by split and method, for `dvc metrics diff`. R2 "
            "has no unit.",
            [],
        ),
        File(
            "results/CITY/coverage.csv",
            "evaluate",
            "How many regions each input reaches.",
            rows_of(evaluate.COVERAGE),
        ),
        File(
            "results/CITY/left_out.csv",
            "evaluate",
            "Which indicators cannot be judged on which split, and why; no row where all can.",
            rows_of(judgeable.LEFT_OUT),
        ),
        File(
            "results/CITY/fuse_losses.csv",
            "fuse",
            "How the training of the fusion went.",
            plain({"step": "number of the step, from 0", "loss": "its loss, on one batch"}),
        ),
        File(
            "results/CITY/report.html",
            "report",
            "All of it on one page, for a browser: map, scores, intervals, regions to explore, and "
            "where the data come from. It opens from the file, without a network.",
            [],
        ),
        File(
            "results/CITY/map.png",
            "report",
            "The first primary indicator for slides: observed, predicted, width of the interval.",
            [],
        ),
        File(
            "results/CITY/model",
            "model",
            "A folder that can be copied anywhere: `musecl embed` and `musecl.load_model` apply it "
            "to regions that training never saw. `README.md` in it is its model card.",
            [],
        ),
        File(
            "results/CITY/baselines.csv",
            "baselines",
            "Published baselines, and what a practitioner tries first, on the same folds.",
            compared,
        ),
        File("results/CITY/ablations.csv", "ablations", "The method without each part.", compared),
        File(
            "results/CITY/inductive.csv",
            "inductive",
            "Encoders and fusion that have seen all regions beside those of the training regions.",
            [*compared, Row("folds", "folds", "of one repetition, that are tested")],
        ),
        File(
            "results/CITY/tables.html",
            "report_tables",
            "The long tables on one page, for a browser.",
            [],
        ),
        File(
            "results/CITY/upper_bound.csv",
            "upper_bound",
            "Of a generated city, where it is known: which share of the best R2 was reached.",
            rows_of(upper_bound.UPPER_BOUNDS),
        ),
        File(
            "results/SOURCE-to-TARGET/left_out.csv",
            "transfer",
            "The indicators that could not be trained on, or not be judged, a row each.",
            rows_of(transfer.LEFT_OUT),
        ),
        File(
            "results/SOURCE-to-TARGET/predictions.parquet",
            "transfer",
            "What a model of the source says of every region of the target, in the unit of the "
            "source, by the method `musecl`; no label of the target is needed. The intervals come "
            "from residuals of the source: how often they hold in the target, nobody measured.",
            rows_of(transfer.PREDICTIONS),
        ),
        File(
            "results/SOURCE-to-TARGET/r2.csv",
            "transfer",
            "The scores of every method in the target; no row where it has no label.",
            rows_of(transfer.SCORES),
        ),
    ]


def page() -> str:
    """Write the page: a section per file, a row per column."""
    parts = [HEAD]
    for one in files():
        parts += [f"## `{one.path}`", "", f"Stage `{one.stage}`. {one.text}", ""]
        if one.rows:
            parts += ["| column | unit | what it is |", "|---|---|---|"]
            parts += [f"| `{row.name}` | {row.unit} | {row.meaning} |" for row in one.rows]
            parts.append("")
    return "\n".join(parts)


def declared() -> set[tuple[str, str]]:
    """List the outputs below results/ that both pipelines declare, each with its stage."""
    found = set()
    for file in ("dvc.yaml", "tables/dvc.yaml"):
        stages = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["stages"]
        for stage, entry in stages.items():
            body = entry.get("do", entry)
            written = [out for kind in ("outs", "metrics", "plots") for out in body.get(kind, ())]
            for out in written:
                path = out if isinstance(out, str) else next(iter(out))
                folder = "SOURCE-to-TARGET" if stage == "transfer" else "CITY"
                path = path.replace("${key}", folder).replace("${item}", folder)
                if path.startswith("results/"):
                    found.add((path, stage))
    return found


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT / "workflow"))
    PAGE.write_text(page(), encoding="utf-8")
