"""The generated city: fields as promised, and a closed form that a regression on x agrees with."""

import h3
import numpy as np
import pandas as pd
import pytest

from closure import PACKAGE, ROOT, imported_modules
from musecl.evaluation.methods import Method, RegionFeatures
from musecl.evaluation.prediction import draw_trials, predict_from_vectors
from musecl.evaluation.scoring import summarise
from musecl.evaluation.settings import EvaluateSettings, MlpSettings
from musecl.evaluation.splits import SPLITS
from musecl.runtime.pipeline import read_stages
from musecl.runtime.tables import KEY
from musecl.sources.synth.latents import (
    MODALITIES,
    WEIGHTS,
    best_r2,
    draw_fields,
    draw_latents,
    nearest_cells,
)
from musecl.sources.synth.settings import Generated
from musecl.stages.upper_bound import known_signal_r2

MLP = MlpSettings(
    methods=[],
    seeds=1,
    components=8,
    hidden=[8],
    learning_rate=0.01,
    batch=16,
    epochs=1,
    patience=1,
)


def city(cells: int = 400, seed: int = 3, noise: float = 0.5, **strength: float) -> Generated:
    return Generated(
        provider="synth",
        cells=cells,
        seed=seed,
        correlation_km=2.0,
        noise=noise,
        strength=dict.fromkeys(MODALITIES, 1.0) | strength,
    )


def tidy(latents) -> pd.DataFrame:
    columns = pd.DataFrame(latents.indicators).assign(**{KEY: latents.cells})
    return columns.melt(KEY, var_name="indicator")


def known_signal_of(latents):
    return known_signal_r2(latents.observed, latents.cells, tidy(latents), seed=1)


def test_fields_are_uncorrelated_of_unit_variance_and_alike_nearby() -> None:
    cells = nearest_cells(400)
    assert cells == sorted(set(cells))
    fields = draw_fields(cells, 3.0, 1)
    np.testing.assert_allclose(fields.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(fields.T, bias=True), np.eye(4), atol=1e-9)
    row = {cell: number for number, cell in enumerate(cells)}
    pairs = [(row[a], row[b]) for a in cells for b in h3.grid_ring(a, 1) if b in row]
    here, there = fields[np.array(pairs).T]
    assert 0.5 < (here * there).mean() < 0.9


def test_the_closed_form_agrees_with_the_known_signal_of_a_large_draw() -> None:
    settings = city(3000, satellite=2.0, street_view=0.7)
    table = known_signal_of(draw_latents(settings))
    three = ("satellite", "street_view", "pois")
    assert set(table.index) == set(WEIGHTS)
    assert best_r2(settings, ("satellite",)) == pytest.approx(0.8 / 1.25)
    assert best_r2(settings, ("street_view",)) == pytest.approx(0.49 / 1.49 / 1.25)
    np.testing.assert_allclose(table["satellite"], 0.8 / 1.25, atol=0.04)
    np.testing.assert_allclose(table["street_view"], 0.49 / 1.49 / 1.25, atol=0.04)
    np.testing.assert_allclose(table["all"], best_r2(settings, three), atol=0.04)


def test_a_modality_of_strength_zero_tells_nothing_and_adds_nothing() -> None:
    settings = city(2000, street_view=0.0)
    assert best_r2(settings, ("street_view",)) == 0
    both = ("satellite", "street_view")
    assert best_r2(settings, both) == best_r2(settings, ("satellite",))
    latents = draw_latents(settings)
    table = known_signal_of(latents)
    assert table["street_view"].max() < 0.01
    blind = city(2000, street_view=0.0, pois=0.0)
    blind_table = known_signal_of(draw_latents(blind))
    np.testing.assert_allclose(blind_table["all"], blind_table["satellite"], atol=0.02)


@pytest.mark.parametrize("split", SPLITS)
def test_shuffled_labels_cannot_be_predicted(split: str) -> None:
    latents = draw_latents(city(600))
    labels = np.column_stack(list(latents.indicators.values()))
    shuffled = np.random.default_rng(4).permutation(labels)
    vectors = np.hstack([latents.observed[name] for name in MODALITIES])
    method = Method("all", (RegionFeatures(vectors, np.ones(600, bool)),), perceptron=False)
    blocks = np.array([h3.cell_to_parent(cell, 6) for cell in latents.cells])
    settings = EvaluateSettings(seeds=1, folds=5, splits=[split], mlp=MLP)
    units = None if split in ("random", "paper") else blocks
    trials = draw_trials(split, units, 600, settings, seed=1)
    both = np.hstack([labels, shuffled])
    answer = next(iter(predict_from_vectors([method], both, trials, MLP)))
    scores = summarise(both, answer.predictions)["r2_mean"]
    assert scores[:5].min() > 0.5
    assert scores[5:].max() < 0.02


def test_the_same_settings_draw_the_same_city_and_noise_touches_labels_alone() -> None:
    first, again, noisier = draw_latents(city()), draw_latents(city()), draw_latents(city(noise=2))
    for name in MODALITIES:
        np.testing.assert_array_equal(first.observed[name], again.observed[name])
        np.testing.assert_array_equal(first.observed[name], noisier.observed[name])
    for name, values in first.indicators.items():
        np.testing.assert_array_equal(values, again.indicators[name])
        assert not np.allclose(values, noisier.indicators[name])
    assert not np.allclose(first.fields, draw_latents(city(seed=4)).fields)


def test_nothing_but_the_provider_and_upper_bound_knows_the_hidden_fields() -> None:
    hidden = {f"musecl.sources.synth.{name}" for name in ("latents", "synthesis")}
    knowing = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if hidden & imported_modules(path)
    }
    provider = {f"sources/synth/{name}.py" for name in ("layers", "synthesis")}
    assert knowing == provider | {"stages/upper_bound.py"}
    assert not (
        set(read_stages(ROOT)["upper_bound"]["do"]["outs"]) - {"results/${item}/upper_bound.csv"}
    )
