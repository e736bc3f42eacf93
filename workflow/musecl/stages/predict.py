"""Predict every indicator in every region with a 90% interval, in its own unit; and draw the map.

The representation `musecl` predicts by ridge. A region with a label is predicted out of fold: the
mean over repetitions, each from a fold that did not hold it, and so are the bounds of its interval.
A region without one is predicted from all labels. How often the interval holds the observed value
is measured per split: it aims at 90%. The one fold of the split `paper` tests a fifth of the
regions with a label; the others of these are not predicted there. `districts.csv` tells what a
model of one district (in New York: borough) says of each other.
"""

import pandas as pd

from musecl.evaluation.districts import DISTRICTS, between_districts
from musecl.evaluation.everywhere import PREDICTIONS, predict_everywhere
from musecl.evaluation.intervals import INTERVALS, measure_intervals
from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import read_labelled
from musecl.evaluation.methods import align
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.totals import TOTALS, sum_up
from musecl.geography.geo import metric_coordinates
from musecl.mapping.layout import split_of_map
from musecl.mapping.writing import write_map
from musecl.runtime.job import Job
from musecl.runtime.progress import progress
from musecl.runtime.tables import KEY, read_vectors, write_csv, write_table


def run(job: Job) -> None:
    """Write the predictions, the map, and how far both can be trusted."""
    settings = job.settings("evaluate", EvaluateSettings)
    seed = int(job.value("seed"))
    labelled = read_labelled(job)
    regions, scales = labelled.regions, labelled.scales
    keys, vectors = read_vectors(job.input("embeddings.parquet"), "embedding")
    block = align(regions[KEY], keys, vectors, where="embeddings.parquet")
    compact, coordinates = block.compact(), metric_coordinates(regions)
    tasks, _ = judgeable(regions, labelled.groups, settings, seed)
    tables = [
        predict_everywhere(labelled, compact, coordinates, task, settings, seed)
        for task in progress("predict", tasks)
    ]
    nothing = pd.DataFrame(columns=list(PREDICTIONS.columns))
    predictions = pd.concat(tables, ignore_index=True) if tables else nothing
    predictions = predictions.sort_values(["split", "indicator", KEY], ignore_index=True)
    write_table(predictions, PREDICTIONS, job.output("predictions.parquet"))
    intervals = measure_intervals(predictions, scales)
    write_csv(intervals, job.output("intervals.csv"), INTERVALS)
    write_csv(sum_up(predictions, regions), job.output("totals.csv"), TOTALS)
    districts = between_districts(regions, block, labelled.groups, settings.folds, seed)
    write_csv(districts, job.output("districts.csv"), DISTRICTS)
    shown = predictions[predictions["split"] == split_of_map([task.split for task in tasks])]
    files = job.output("map.gpkg"), job.output("map.parquet")
    write_map(regions, shown, scales, labelled.primary, *files)
    for row in intervals.itertuples():
        print(f"{row.split}, {row.indicator}: {row.in_words}")
