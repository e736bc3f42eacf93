"""Does the learning work? The fusion, trained on a generated city whose best R2 is known.

What each modality sees of the hidden fields is mixed into vectors, as an encoder would; no image
is drawn here, for `results/synth/upper_bound.csv` does that at full size.
"""

from pathlib import Path

import h3
import numpy as np
import pandas as pd
import pytest

from judged_city import EVALUATE, FUSE
from musecl.evaluation.methods import Method, RegionFeatures
from musecl.evaluation.prediction import draw_trials, predict_from_vectors
from musecl.evaluation.scoring import summarise
from musecl.evaluation.settings import EvaluateSettings
from musecl.evaluation.splits import SPLITS
from musecl.fusion.inputs import FusionInputs, ImageVectors, RegionVectors
from musecl.fusion.representation import represent
from musecl.fusion.settings import FuseSettings
from musecl.pair_mining.nearest import nearest_rows
from musecl.sources.synth.latents import WEIGHTS, Latents, best_r2, draw_latents
from musecl.sources.synth.settings import Generated

CELLS, SIZE = 500, 24
SEEN = {"satellite": "satellite", "street_view": "street_view", "text": "pois"}
SETTINGS = FuseSettings(**FUSE | {"k_rings": 0, "steps": 60, "batch": 128})
# What a split holds out together: cells of H3 of this resolution.
RESOLUTIONS = {"random": None, "spatial": 7, "spatial_wide": 6, "district": 6, "paper": None}


def city(**strength: float) -> Generated:
    known = dict.fromkeys(("satellite", "street_view", "pois", "mobility"), 1.5)
    return Generated(
        provider="synth",
        cells=CELLS,
        seed=2,
        correlation_km=2.0,
        noise=0.3,
        strength=known | strength,
    )


def put(latents: Latents) -> FusionInputs:
    """Vectors of each modality that tell of x_m and of nothing else, and alike POIs as pairs."""
    generator = np.random.default_rng(5)

    def encoded(modality: str) -> np.ndarray:
        seen = latents.observed[SEEN[modality]] @ generator.normal(size=(4, SIZE)) / 2
        return (seen + 0.1 * generator.normal(size=seen.shape)).astype(np.float32)

    vectors = {modality: encoded(modality) for modality in SEEN}
    alike, _ = nearest_rows(latents.observed["pois"], 5)
    cells = np.array(latents.cells)
    views = ("satellite", "street_view")
    parts = {f"{view} trained": vectors[view] for view in views} | {"text": vectors["text"]}
    return FusionInputs(
        region_ids=latents.cells,
        parts={name: RegionVectors(latents.cells, of) for name, of in parts.items()},
        views={view: ImageVectors(latents.cells, {"trained": vectors[view]}) for view in views},
        positives=pd.DataFrame({"anchor": np.repeat(cells, 5), "positive": cells[alike].ravel()}),
        neighbours={cell: [] for cell in latents.cells},
    )


def scores(vectors: np.ndarray, labels: np.ndarray, cells: list[str], split: str) -> np.ndarray:
    """Out-of-fold R2 of ridge, of each label."""
    settings = EvaluateSettings(**EVALUATE | {"splits": [split], "folds": 5, "seeds": 1})
    size = RESOLUTIONS[split]
    units = None if size is None else np.array([h3.cell_to_parent(cell, size) for cell in cells])
    trials = draw_trials(split, units, CELLS, settings, seed=1)
    method = Method("any", (RegionFeatures(vectors, np.ones(CELLS, bool)),), perceptron=False)
    (answer,) = predict_from_vectors([method], labels, trials, None)
    return summarise(labels, answer.predictions)["r2_mean"]


@pytest.fixture(scope="module")
def truth() -> Latents:
    return draw_latents(city())


@pytest.fixture(scope="module")
def labels(truth: Latents) -> np.ndarray:
    return np.column_stack(list(truth.indicators.values()))


@pytest.fixture(scope="module")
def inputs(truth: Latents) -> FusionInputs:
    return put(truth)


@pytest.fixture(scope="module")
def learned(
    inputs: FusionInputs, tmp_path_factory: pytest.TempPathFactory
) -> tuple[np.ndarray, np.ndarray]:
    """The fused vectors, and the representation: these beside what went in."""
    return represent(inputs, SETTINGS, 1, tmp_path_factory.mktemp("learned"))


def test_the_fusion_comes_near_to_what_is_possible_and_is_above_each_modality(
    inputs: FusionInputs, labels: np.ndarray, learned: tuple[np.ndarray, np.ndarray]
) -> None:
    reached = scores(learned[1], labels, inputs.region_ids, "random")
    upper_bound = best_r2(city(), tuple(SEEN.values()))
    assert reached.mean() > 0.9 * upper_bound
    assert reached.mean() < upper_bound + 0.03
    for part in inputs.parts.values():
        assert (reached > scores(part.vectors, labels, inputs.region_ids, "random")).all()


def test_training_makes_the_fused_vector_better_than_any_modality(
    inputs: FusionInputs,
    labels: np.ndarray,
    learned: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
) -> None:
    """The fused vector by itself: not its inputs beside it, which tell it all untrained."""
    untrained, _ = represent(inputs, SETTINGS.model_copy(update={"steps": 1}), 1, tmp_path)
    found = scores(learned[0], labels, inputs.region_ids, "random").mean()
    assert found > scores(untrained, labels, inputs.region_ids, "random").mean() + 0.02
    for part in inputs.parts.values():
        assert found > scores(part.vectors, labels, inputs.region_ids, "random").mean()


def test_a_modality_of_strength_zero_does_not_help(labels: np.ndarray, tmp_path: Path) -> None:
    deaf = draw_latents(city(street_view=0.0))
    inputs = put(deaf)
    street = inputs.parts["street_view trained"].vectors
    assert scores(street, labels, deaf.cells, "random").max() <= 0
    found = {}
    for name, seen in (("with", inputs), ("without", inputs.without("street_view"))):
        (tmp_path / name).mkdir()
        _, vectors = represent(seen, SETTINGS, 1, tmp_path / name)
        found[name] = scores(vectors, labels, deaf.cells, "random").mean()
    assert found["with"] < found["without"] + 0.01


@pytest.mark.parametrize("split", SPLITS)
def test_shuffled_labels_are_not_predicted(
    truth: Latents, labels: np.ndarray, learned: tuple[np.ndarray, np.ndarray], split: str
) -> None:
    shuffled = np.random.default_rng(4).permutation(labels)
    found = scores(learned[1], np.hstack([labels, shuffled]), truth.cells, split)
    assert found[: len(WEIGHTS)].min() > 0.5
    assert found[len(WEIGHTS) :].mean() <= 0
