"""Show the results of a city on one page that opens without a network, and as a map for slides.

Two things that it reads are no declared inputs. What each stage took stands in `logs/`, where
Snakemake has measured it: another machine's time is no reason to build the page again. The graph of
the stages is drawn from dvc.yaml, which DVC takes as no dependency; every job reads it.
"""

import pandas as pd

from musecl.imagery.images import imagery_of
from musecl.report.data import page_data, read_results
from musecl.report.figure import draw_city
from musecl.report.graph import draw_curves, draw_graph, graph_of, read_city_stages
from musecl.report.images import read_thumbnails
from musecl.report.page import render_report
from musecl.report.provenance import changed_parameters, read_sources, read_weights, stage_times
from musecl.report.scores import group_intervals, tabulate_districts, tabulate_methods
from musecl.report.similar import find_similar
from musecl.runtime.job import Job
from musecl.runtime.tables import KEY, read_table, read_vectors

# Images of each region that the page shows.
IMAGES_SHOWN = {"satellite": 1, "street_view": 2}


def run(job: Job) -> None:
    """Write `report.html` and `map.png`."""
    results = read_results(job)
    keys = results.regions[KEY]
    folders = {view: job.input(f"{job.city}/{view}") for view in IMAGES_SHOWN}
    imagery = {view: imagery_of(folder) for view, folder in folders.items()}
    found, vectors = read_vectors(job.input("embeddings.parquet"), "fused")
    similar = find_similar(
        vectors,
        pd.Index(keys).get_indexer(pd.Index(found[KEY])),
        keys.to_list(),
        dict(zip(keys, results.regions["neighbours"], strict=True)),
    )
    images = read_thumbnails([(folders[view], count) for view, count in IMAGES_SHOWN.items()])
    pois = read_table(job.input("pois.parquet"))
    losses = {
        **{
            view: pd.read_csv(job.input(f"{view}_encoder") / "history.csv") for view in IMAGES_SHOWN
        },
        "fusion": pd.read_csv(job.input("fuse_losses.csv")),
    }
    primary = results.indicators.loc[results.indicators["primary"], "indicator"].to_list()
    page = render_report(
        city=job.city,
        imagery=imagery,
        has_pois=not pois.empty,
        data=page_data(results, pois, similar, dict(zip(IMAGES_SHOWN, images, strict=True))),
        tables=tabulate_methods(results.scores, primary),
        districts=tabulate_districts(results.districts, results.indicators["indicator"]),
        intervals=group_intervals(results.intervals),
        coverage=results.coverage.to_dict("records"),
        left_out=results.left_out.to_dict("records"),
        curves=draw_curves(losses),
        sources=read_sources(job),
        weights=read_weights(job),
        changes=changed_parameters(job),
        graph=draw_graph(graph_of(read_city_stages(job.root), job.city)),
        times=stage_times(job.root / "logs", job.city).to_dict("records"),
    )
    job.output("report.html").write_text(page, encoding="utf-8")
    draw_city(results, job.city, imagery, job.output("map.png"))
    print(f"{job.city}: {len(page.encode()) / 1e6:.1f} MB in report.html")
