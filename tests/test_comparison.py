"""Methods side by side: which regions are scored, and from which cells an interval is drawn."""

import numpy as np
import pandas as pd
import pytest

from judged_city import MLP
from musecl.evaluation.backtransform import Scale
from musecl.evaluation.comparison import COMPARED, judge, lay_out
from musecl.evaluation.judgeable import judgeable
from musecl.evaluation.labels import CityLabels, IndicatorGroup, group_indicators
from musecl.evaluation.methods import Method, RegionFeatures
from musecl.evaluation.prediction import MethodPredictions, collect, predict_from_vectors
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import paper_fold
from musecl.model.heads import fit_head

ROWS = 240
REGIONS = pd.DataFrame(
    {
        "region_id": [f"region-{number:03d}" for number in range(ROWS)],
        "spatial_block": np.repeat([f"block-{number:02d}" for number in range(60)], 4),
    }
)
DRAWN = np.random.default_rng(3).normal(size=(2, ROWS, 1))
LABELS, ERRORS = DRAWN
SIZES = {"near": 0.2, "far": 0.6}


def compare(split, folds, trials_used):
    """Two methods that err by a little and by more, on the first trials of a split."""
    tested = []

    def predict(group, trials):
        used = trials[:trials_used]
        tested.extend(row for trial in used for row in trial.fold.test)
        for method, size in SIZES.items():
            found = [(LABELS + size * ERRORS)[trial.fold.test] for trial in used]
            yield MethodPredictions(method, "any", collect(used, found, LABELS.shape))

    group = IndicatorGroup(np.arange(ROWS), ["density"], LABELS)
    settings = EvaluateSettings(seeds=1, folds=folds, splits=[split], mlp=MLP)
    tasks, _ = judgeable(REGIONS, [group], settings, 1)
    judged = list(judge(predict, tasks, {"density"}, REGIONS, 1, "compare"))
    table = lay_out(judged, {"density"}, reference="near").set_index("method")
    return judged, table, sorted(tested)


@pytest.mark.parametrize(
    ("split", "trials", "cells"), [("spatial", 5, 60), ("spatial", 1, 12), ("paper", 1, None)]
)
def test_what_a_fold_tests_is_scored_and_drawn_from_and_nothing_else(split, trials, cells):
    judged, table, tested = compare(split, 5, trials)
    for method, size in SIZES.items():
        spread = ((LABELS[tested] - LABELS[tested].mean()) ** 2).sum()
        expected = 1 - ((size * ERRORS[tested]) ** 2).sum() / spread
        assert table.loc[method, "r2_primary"] == pytest.approx(expected)
    if split == "paper":
        assert tested == list(paper_fold(ROWS).test)
    expected = cells or REGIONS.loc[tested, "spatial_block"].nunique()
    assert {one.cells for one in judged} == {expected}
    assert all(np.isfinite(one.resampled).all() for one in judged)
    assert 0 < table.loc["far", "ahead_low"] < table.loc["far", "ahead_high"]


def test_a_fold_that_tests_a_handful_of_cells_has_no_interval():
    judged, table, _ = compare("spatial", 30, 1)
    assert {one.cells for one in judged} == {2}
    assert table.loc["far", "reference_ahead"] > 0
    assert np.isnan(table.loc["far", "ahead_low"])


def test_an_indicator_that_a_split_cannot_judge_is_empty_there_and_in_no_mean():
    """As `baselines` and `ablations` lay it out, and `model` fits what is left."""
    rare = np.where(np.arange(ROWS) < 4, 5.0 + np.arange(ROWS), 0)
    extreme = np.where(np.arange(ROWS) == 9, -1.797e308, LABELS[:, 0])
    values = {"density": LABELS[:, 0], "extreme": extreme, "rare": rare, "same": np.ones(ROWS)}
    groups = group_indicators(pd.DataFrame(values, index=REGIONS["region_id"]))
    settings = EvaluateSettings(seeds=1, folds=5, splits=["random", "spatial"], mlp=MLP)
    tasks, _ = judgeable(REGIONS, groups, settings, 1)
    seen = RegionFeatures(LABELS + 0.1 * ERRORS, np.ones(ROWS, dtype=bool))

    def predict(group, trials):
        return predict_from_vectors([Method("near", (seen,), False)], group.labels, trials, None)

    primary = {*values}
    judged = list(judge(predict, tasks, primary, REGIONS, 1, "compare"))
    table = lay_out(judged, primary, reference="near").set_index("split")
    assert not {"extreme R2", "same R2"} & {*table.columns}
    assert np.isnan(table.loc["spatial", "rare R2"]) and np.isfinite(table.loc["random", "rare R2"])
    assert table.loc["spatial", "r2_primary"] == table.loc["spatial", "density R2"] > 0.9
    regions = REGIONS.assign(area_km2=1.0, land_share=1.0)
    scale = Scale("people", "identity", -np.inf, np.inf)
    scales = dict.fromkeys(values, scale)
    wide = pd.DataFrame(values)
    labelled = CityLabels(regions, groups, primary, {}, scales, wide)
    (task,) = [task for task in tasks if task.split == "spatial"]
    head = fit_head(labelled, seen, task, settings, 1)
    assert head.names == ["density"] and np.isfinite(head.slopes).all()


def test_a_primary_that_no_split_judges_is_told_as_empty():
    judged, *_ = compare("paper", 5, 1)
    table = lay_out(judged, {"another"}, reference="near")
    assert table["r2_primary"].isna().all()
    assert list(table.columns)[: len(COMPARED)] == list(COMPARED)
    assert list(lay_out([], {"another"}, reference="near").columns) == list(COMPARED)
