"""What can be judged on a split, and the reason where something cannot."""

import numpy as np
import pandas as pd
import pytest

from judged_city import MLP
from musecl.evaluation.judgeable import (
    LEFT_OUT,
    first_judgeable,
    judgeable,
    tabulate_left_out,
    why_not,
)
from musecl.evaluation.labels import group_indicators
from musecl.evaluation.prediction import SeededFold
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import Fold
from musecl.runtime.errors import InputError
from musecl.runtime.tables import write_csv

REGIONS = pd.DataFrame(
    {
        "region_id": [f"region-{number:02d}" for number in range(40)],
        "spatial_block": np.repeat([f"block-{number}" for number in range(8)], 5),
        "district": np.repeat(["north", "south"], 20),
    }
)
VALUES = np.random.default_rng(1).normal(size=40)


def settings(*splits):
    return EvaluateSettings(seeds=2, folds=4, splits=list(splits), mlp=MLP)


def judged(values, *splits):
    wide = pd.DataFrame(values, index=REGIONS["region_id"])
    return judgeable(REGIONS, group_indicators(wide), settings(*splits), seed=1)


def test_what_can_be_judged_comes_with_its_folds_and_the_rest_with_a_reason(capsys):
    rare = np.zeros(40)
    rare[0] = 1
    values = {"density": VALUES, "rare": rare, "same": np.ones(40)}
    tasks, left_out = judged(values, "random", "spatial", "district", "paper")
    assert [task.split for task in tasks] == ["random", "spatial", "paper"]
    assert all(task.group.names == ["density"] for task in tasks)
    assert [len(task.trials) for task in tasks] == [8, 8, 1]
    np.testing.assert_array_equal(tasks[0].group.labels[:, 0], VALUES)
    reasons = {(one.indicator, one.split): one.reason for one in left_out}
    assert len(reasons) == 3 + 2 * 3
    assert "its regions lie in 2 of the units" in reasons["density", "district"]
    assert reasons["rare", "random"] == "it has one value only in a training fold"
    assert reasons["same", "spatial"] == "it has one value only"
    said = capsys.readouterr().out
    assert "rare is left out of split spatial: it has one value only in a training fold" in said


@pytest.mark.parametrize("split", ["paper", "spatial_wide"])
def test_a_split_that_a_small_city_does_not_suit_ends_no_other(split):
    few = REGIONS.iloc[:5].assign(spatial_block=list("abcde"), wide_spatial_block="one")
    wide = pd.DataFrame({"density": VALUES[:5]}, index=few["region_id"])
    tasks, left_out = judgeable(few, group_indicators(wide), settings(split, "random"), seed=1)
    assert [task.split for task in tasks] == ["random"]
    assert [(one.indicator, one.split) for one in left_out] == [("density", split)]


def test_folds_that_test_one_value_only_judge_nothing():
    fold = Fold(np.arange(6), np.arange(6, 9), np.arange(6) % 3)
    labels = np.array([1.0, 2, 3, 4, 5, 6, 7, 7, 7])
    trial = SeededFold(0, fold, (1,))
    assert why_not(labels, [trial]) == "it has one value only in the regions it tests"
    assert why_not(np.arange(9.0), [trial]) == ""


def test_leaving_one_out_changes_nothing_of_the_others():
    alone, _ = judged({"density": VALUES}, "random")
    beside, _ = judged({"density": VALUES, "same": np.ones(40)}, "random")
    for one, other in zip(alone[0].trials, beside[0].trials, strict=True):
        np.testing.assert_array_equal(one.fold.test, other.fold.test)


def test_a_city_that_none_of_the_splits_suits_is_one_line():
    with pytest.raises(
        InputError, match=r"none of evaluate\.splits \(district\).*choose other splits"
    ):
        judged({"density": VALUES}, "district")


def test_the_first_group_that_can_be_judged_is_taken(capsys):
    wide = pd.DataFrame({"density": VALUES, "same": np.ones(40)}, index=REGIONS["region_id"])
    wide.iloc[0, 0] = np.nan
    groups = sorted(group_indicators(wide), key=lambda group: -len(group.rows))
    assert [group.names for group in groups] == [["same"], ["density"]]
    tasks = first_judgeable(REGIONS, groups, settings("random", "spatial"), seed=1)
    assert [(task.split, task.group.names) for task in tasks] == [
        ("random", ["density"]),
        ("spatial", ["density"]),
    ]
    said = capsys.readouterr().out
    assert "same is left out of split random: it has one value only" in said
    with pytest.raises(InputError, match="same first: it has one value only; widen") as caught:
        first_judgeable(REGIONS, groups[:1], settings("random", "spatial"), seed=1)
    assert "evaluate.splits" not in str(caught.value)
    assert first_judgeable(REGIONS, [], settings("random"), seed=1) == []


def test_a_table_of_nothing_left_out_has_a_header(tmp_path):
    _, left_out = judged({"density": VALUES}, "random")
    write_csv(tabulate_left_out(left_out), tmp_path / "left_out.csv", LEFT_OUT)
    assert (tmp_path / "left_out.csv").read_text() == "indicator,split,reason\n"


@pytest.mark.parametrize(
    "values",
    [5 + np.arange(60) % 3 * 1e-15, np.arange(60) * 1e-170, 1e9 + np.arange(60) % 2 * 1e-7],
    ids=["rounding", "too small to be squared", "rounding of what is large"],
)
def test_values_that_differ_by_rounding_are_one_value(values):
    assert np.ptp(values) > 0
    folds = [SeededFold(0, Fold(np.arange(40), np.arange(40, 60), np.arange(40) % 4), (1,))]
    assert why_not(values, folds) == "it has one value only"
    assert why_not(np.arange(60) * 1e-6 + 5, folds) == ""


@pytest.mark.parametrize("value", [-1.797e308, 1e40, -2e19, np.inf])
def test_what_single_precision_cannot_square_is_left_out_and_ends_nothing(value):
    extreme = VALUES.copy()
    extreme[7] = value
    tasks, left_out = judged({"density": VALUES, "extreme": extreme}, "random", "spatial")
    assert [task.group.names for task in tasks] == [["density"]] * 2
    assert [one.indicator for one in left_out] == ["extreme"] * 2
    assert left_out[0].reason.startswith(f"its value {value:.4g} is too large to be fitted")
    assert not judged({"density": VALUES * 1e18}, "random")[1]
