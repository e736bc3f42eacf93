"""Cities that lack layers: each runs from its cells to r2.csv and predictions, no zero for data."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from bare_pipeline import lay_pipeline, run
from data_stages import DATA_STAGES
from generated_city import SHIPPED, entry, generated
from judged_city import FUSE, MLP
from musecl.imagery.images import imagery_of, read_image_index
from musecl.runtime.tables import read_vectors
from musecl.runtime.workers import GIVEN
from musecl.sources.synth.synthesis import CATEGORIES
from musecl.stages import (
    embed_satellite,
    embed_street_view,
    embed_text,
    encode_satellite,
    encode_street_view,
    evaluate,
    fuse,
    pairs,
    predict,
    pretrain_satellite,
    pretrain_street_view,
    report,
)
from small_city import write_small_encoder
from test_evaluate import few_trees

CELLS = 60
STAGES = (
    *DATA_STAGES,
    pairs,
    *(encode_satellite, pretrain_satellite, embed_satellite),
    *(encode_street_view, pretrain_street_view, embed_street_view),
    *(embed_text, fuse, evaluate, predict, report),
)
LAYERS = ("pois", "satellite", "street_view", "mobility")
SEEN = LAYERS[:3]
VIEWS = ("satellite", "street_view")
SUBSETS = [
    frozenset(some)
    for count in range(1, len(LAYERS) + 1)
    for some in itertools.combinations(LAYERS, count)
    if set(some) & set(SEEN)
]
SPLITS = ("random",)
TRAINING = {"steps": 2, "batch": 8, "embedding_size": 4}
SMALL = {
    "upper_bounds": [],
    "transfers": {},
    "satellite": {"ground_m": 1120, "pixels": 32},
    "street_view": {"viewpoints": 1, "pixels": 32},
    "fuse": FUSE | {"k_rings": 0, "steps": 2},
    "evaluate": {
        "seeds": 1,
        "folds": 2,
        "splits": list(SPLITS),
        "mlp": MLP | {"methods": ["musecl"], "seeds": 1, "epochs": 1},
    },
    **{f"pretrain_{view}": SHIPPED[f"pretrain_{view}"] | TRAINING for view in VIEWS},
    "encoders": {
        **{view: {"weights": "folder", "trainable_blocks": 1} for view in VIEWS},
        "text": {"weights": "folder"},
    },
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny encoders of both views and of the text, which knows the words for the city's POIs."""
    folder = tmp_path_factory.mktemp("models")
    for view in VIEWS:
        write_small_encoder(folder / view, (16, 32))
    words = sorted({word for name in CATEGORIES for word in name.split()})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "text").mkdir()
    (folder / "text/vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    BertTokenizerFast(vocab=str(folder / "text/vocab.txt")).save_pretrained(folder / "text")
    BertModel(config).save_pretrained(folder / "text", safe_serialization=True)
    return folder


@few_trees
def run_city(root: Path, models: Path, having: frozenset[str]) -> Path:
    """Run every stage of the city `synth` that has these layers."""
    pairs = {view: SHIPPED["pairs"][view] | {"top": 2, "k_rings": 1} for view in ("satellite",)}
    pairs["street_view"] = SHIPPED["pairs"]["street_view"] | {"top": 2}
    city = entry(generated(CELLS), lacking=set(LAYERS) - having)
    lay_pipeline(root, cities={"synth": city}, pairs=pairs, **SMALL)
    (root / "data").mkdir()
    (root / "data/models").symlink_to(models)
    for stage in STAGES:
        run(root, stage, "synth")
    return root


def names_of(some: frozenset[str]) -> str:
    return " ".join(layer for layer in LAYERS if layer in some)


@pytest.fixture(scope="module", params=SUBSETS, ids=names_of)
def having(request: pytest.FixtureRequest) -> frozenset[str]:
    """The layers that the city has."""
    return request.param


@pytest.fixture(scope="module")
def root(having: frozenset[str], models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GIVEN, "1")
        return run_city(tmp_path_factory.mktemp("city") / "root", models, having)


def test_what_the_city_lacks_is_no_row_and_no_zero(root: Path, having: frozenset[str]) -> None:
    data = root / "data/synth"
    tables = {
        "pois": ("pois", "poi_category_counts", "text_embeddings"),
        "mobility": ("flows", "origin_destination"),
        **{view: (f"{view}_embeddings", f"{view}_image_embeddings") for view in VIEWS},
    }
    for layer, names in tables.items():
        for name in names:
            rows = len(pd.read_parquet(data / f"{name}.parquet"))
            assert (rows > 0) == (layer in having), name
    if "pois" not in having:
        assert list(pd.read_parquet(data / "poi_category_counts.parquet")) == ["region_id"]
    for view in VIEWS:
        has = view in having
        assert imagery_of(data / view) == ("rendered" if has else None)
        assert read_image_index(data / view)["region_id"].nunique() == (CELLS if has else 0)
        losses = pd.read_csv(data / f"{view}_encoder/history.csv")
        assert (len(losses) > 0) == has


def test_pairs_are_by_what_there_is(root: Path, having: frozenset[str]) -> None:
    for view, layer, instead in (
        ("satellite", "pois", "neighbours"),
        ("street_view", "mobility", "same region"),
    ):
        pairs_of_view = pd.read_parquet(root / f"data/synth/{view}_pairs.parquet")
        assert pairs_of_view["anchor"].nunique() == CELLS
        assert set(pairs_of_view["reason"]) == {layer if layer in having else instead}


def test_the_fusion_stands_on_what_there_is(root: Path, having: frozenset[str]) -> None:
    keys, embedding = read_vectors(root / "results/synth/embeddings.parquet", "embedding")
    assert len(keys) == CELLS
    modalities = having & {"satellite", "street_view", "pois"}
    # The last columns say that each is present; what the city lacks has none.
    assert (embedding[:, -len(modalities) :] == 1).all()
    # No column of an absent part: what is left varies, but for what says which parts there are.
    assert (embedding[:, :16].std(axis=0) > 0).any()


def test_the_report_shows_what_there_is(root: Path, having: frozenset[str]) -> None:
    page = (root / "results/synth/report.html").read_text(encoding="utf-8")
    assert ("The imagery is rendered" in page) == bool(having & set(VIEWS))
    assert page.count("this city has none") == 1 + len(set(LAYERS) - having)  # and no roads
    assert page.count("not trained, for this city lacks the view") == len(set(VIEWS) - having)


def test_every_method_that_there_is_has_a_score(root: Path, having: frozenset[str]) -> None:
    scores = pd.read_csv(root / "results/synth/r2.csv", keep_default_na=False)
    methods = {"dummy_mean", "coordinates", "concat", "musecl"}
    for view in VIEWS:
        methods |= {view, f"{view}_pretrained"} if view in having else set()
    methods |= {"text"} if "pois" in having else set()
    assert set(scores["method"]) == methods
    assert set(scores["imagery"]) == {"rendered" if having & set(VIEWS) else "none"}
    assert set(scores["n_regions"]) == {CELLS}
    assert np.isfinite(scores.select_dtypes("number")).all(axis=None)
    assert len(scores) == 5 * len(SPLITS) * (len(methods) + 1)  # one more by the perceptron
    coverage = pd.read_csv(root / "results/synth/coverage.csv").set_index("modality")
    assert set(coverage.index) == {*VIEWS, "text", "musecl"}
    for modality, layer in (*zip(VIEWS, VIEWS, strict=True), ("text", "pois")):
        expected = CELLS if layer in having else 0
        assert coverage.loc[modality, ["present", "missing"]].tolist() == [
            expected,
            CELLS - expected,
        ]
    assert coverage.loc["musecl", ["present", "missing"]].tolist() == [CELLS, 0]


def test_every_region_is_predicted(root: Path) -> None:
    table = pd.read_parquet(root / "results/synth/predictions.parquet")
    assert len(table) == CELLS * 5 * len(SPLITS)
    assert set(table["made_by"]) == {"out of fold"}
    assert np.isfinite(table[["observed", "prediction"]]).all(axis=None)
