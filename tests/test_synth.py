"""What the generated city's provider hands out, and the stages that read it."""

import json
from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from bare_pipeline import lay_pipeline, run
from data_stages import DATA_STAGES
from generated_city import entry, generated
from musecl.imagery.images import imagery_of, iterate_images, read_image_index
from musecl.runtime.errors import InputError
from musecl.sources.provider import PROVENANCE
from musecl.sources.providers import LAYERS
from musecl.sources.synth.latents import WEIGHTS, draw_latents
from musecl.sources.synth.layers import GeneratedIndicator
from musecl.sources.synth.rendering import FACTORS, render_chip, render_street
from musecl.sources.synth.settings import Generated
from musecl.sources.synth.synthesis import CATEGORIES, table_of
from musecl.stages import upper_bound

CELLS = 60


def lay(root: Path, settings: Generated) -> Path:
    """A pipeline with this city alone."""
    small = {"viewpoints": 2, "pixels": 48}
    return lay_pipeline(
        root,
        cities={"synth": entry(settings)},
        satellite={"ground_m": 1120, "pixels": 48},
        street_view=small,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = lay(tmp_path_factory.mktemp("synth") / "root", generated())
    for stage in DATA_STAGES:
        run(root, stage, "synth")
    return root


def test_the_regions_are_the_cells_that_were_drawn(root: Path) -> None:
    table = gpd.read_parquet(root / "data/synth/regions.parquet")
    assert table["region_id"].tolist() == draw_latents(generated()).cells
    assert table["land_share"].min() > 0.99


def test_every_table_is_of_every_region(root: Path) -> None:
    data = root / "data/synth"
    category_counts = pd.read_parquet(data / "poi_category_counts.parquet")
    assert sorted(category_counts.columns[1:]) == sorted(CATEGORIES)
    assert (category_counts[CATEGORIES].sum(axis=1) > 50).all()
    texts = pd.read_parquet(data / "pois.parquet")["text"]
    assert texts.nunique() == len(CATEGORIES)
    assert texts.str.len().min() >= 800
    flows = pd.read_parquet(data / "flows.parquet")
    assert flows["region_id"].nunique() == CELLS
    table = pd.read_parquet(data / "indicators.parquet")
    assert table.groupby("indicator").size().tolist() == [CELLS] * 5
    assert set(table["label_provenance"]) == {""}
    latents = draw_latents(generated())
    for name, rows in table.groupby("indicator"):
        np.testing.assert_array_equal(rows["value"], latents.indicators[name])


def test_images_are_of_every_region_in_every_heading(root: Path) -> None:
    chips = read_image_index(root / "data/synth/satellite")
    assert (len(chips), chips["region_id"].nunique()) == (CELLS, CELLS)
    views = read_image_index(root / "data/synth/street_view")
    assert len(views) == CELLS * 2 * 4
    assert set(views["orientation"]) == {0, 90, 180, 270}
    first = next(iterate_images(root / "data/synth/street_view", 3))
    assert first.shape == (3, 48, 48, 3)
    assert len({image.tobytes() for image in first}) == 3


POSITION = {"longitude", "latitude"}
ENDS = {f"{end}_{axis}" for end in ("origin", "destination") for axis in POSITION}
SHOWN = POSITION | {*FACTORS, "draw"}
HANDED_OUT = {
    "boundary": {"geometry"},
    "pois": POSITION | {"name", "category", "text"},
    "mobility": ENDS,
    "satellite": SHOWN,
    "street_view": SHOWN,
    "indicators/synth": POSITION | {*WEIGHTS},
}


@pytest.mark.parametrize("layer", HANDED_OUT)
def test_a_layer_holds_its_own_columns_and_no_hidden_field(root: Path, layer: str) -> None:
    folder = root / "data/synth/raw" / layer
    assert {path.name for path in folder.iterdir()} == {"table.parquet", PROVENANCE}
    assert set(pd.read_parquet(folder / "table.parquet").columns) == HANDED_OUT[layer]
    about = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    assert about["provider"] == "synth"
    assert [record["file"] for record in about["files"]] == ["table.parquet"]
    asked = len(WEIGHTS) if layer == "indicators/synth" else 1
    assert len(about["settings"]) == asked


@pytest.mark.parametrize("view", ["satellite", "street_view"])
def test_a_view_says_that_it_is_rendered(root: Path, view: str) -> None:
    assert imagery_of(root / "data/synth" / view) == "rendered"


def test_every_indicator_can_be_asked_for_and_no_other() -> None:
    for name in WEIGHTS:
        GeneratedIndicator(**generated().model_dump(), measure=name)
    with pytest.raises(ValidationError, match="measure"):
        GeneratedIndicator(**generated().model_dump(), measure="poverty_share")


def test_counts_tell_what_was_seen() -> None:
    """Regress x on the logarithms of counts per cell: POIs per category, trips in and out."""
    settings = generated(cells=300)
    latents = draw_latents(settings)

    def counts(table: pd.DataFrame, end: str, by: pd.Series) -> np.ndarray:
        at = table[[f"{end}latitude", f"{end}longitude"]].to_numpy()
        cells = pd.Series([h3.latlng_to_cell(*row, 8) for row in at])
        return np.log1p(pd.crosstab(cells, by).reindex(latents.cells).to_numpy())

    def explained(inputs: np.ndarray, seen: np.ndarray) -> np.ndarray:
        inputs = np.column_stack([np.ones(300), inputs])
        error = seen - inputs @ np.linalg.lstsq(inputs, seen, rcond=None)[0]
        return 1 - error.var(axis=0) / seen.var(axis=0)

    listed = table_of("pois", settings)
    tallies = counts(listed, "", listed["category"])
    assert explained(tallies, latents.observed["pois"]).min() > 0.85
    trips = table_of("mobility", settings)
    east = (trips["destination_longitude"] > 3) + 2 * (trips["destination_latitude"] > 2)
    flows = [counts(trips, "origin_", east), counts(trips, "destination_", east * 0)]
    assert explained(np.hstack(flows), latents.observed["mobility"]).min() > 0.85


def test_a_second_draw_gives_the_same_bytes_and_label_noise_changes_labels_alone(
    tmp_path: Path,
) -> None:
    def files(settings: Generated) -> dict[str, bytes]:
        found = {}
        for layer in set(LAYERS) - {"roads"}:
            table_of(layer, settings).to_parquet(tmp_path / "table.parquet", index=False)
            found[layer] = (tmp_path / "table.parquet").read_bytes()
        return found

    first = files(generated())
    assert files(generated()) == first
    noisier = files(generated(noise=5))
    assert {name for name in first if noisier[name] != first[name]} == {"indicators"}
    for layer in ("pois", "mobility", "satellite", "street_view"):
        deaf = files(generated(**{layer: 0}))
        assert {name for name in first if deaf[name] != first[name]} == {layer}


@pytest.mark.parametrize("render", [render_chip, render_street])
@pytest.mark.parametrize("factor", range(4))
def test_each_factor_shows_in_an_image_and_the_rest_says_nothing(render, factor: int) -> None:
    """Regress each factor on means and spreads of colours and edges, out of sample."""
    generator = np.random.default_rng(9)
    values = generator.normal(size=(240, 4))

    def look(shown: np.ndarray) -> np.ndarray:
        image = render(shown, 64, generator).astype(float)
        steps = np.abs(np.diff(image, axis=1)).mean(axis=(0, 1))
        thirds = [part.mean(axis=(0, 1)) for part in np.array_split(image, 4)]
        return np.concatenate([*thirds, image.std(axis=(0, 1)), steps])

    inputs = np.column_stack([np.ones(240), [look(row) for row in values]])
    slopes = np.linalg.lstsq(inputs[:160], values[:160, factor], rcond=None)[0]
    error = values[160:, factor] - inputs[160:] @ slopes
    assert 1 - error.var() / values[160:, factor].var() > 0.5
    others = generator.normal(size=240)
    slopes = np.linalg.lstsq(inputs[:160], others[:160], rcond=None)[0]
    assert 1 - (others[160:] - inputs[160:] @ slopes).var() / others[160:].var() < 0.05


def test_the_upper_bound_stands_beside_what_was_reached_on_whatever_splits(root: Path) -> None:
    names = sorted(draw_latents(generated()).indicators)
    rows = [
        {
            "indicator": name,
            "method": method,
            "predictor": predictor,
            "split": split,
            "r2_mean": 0.5,
        }
        for name in names
        for method in ("musecl", "text", "satellite", "street_view", "concat")
        for predictor in ("ridge", "mlp")
        for split in ("random", "by borough")
    ]
    (root / "results/synth").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).assign(r2_mean=0.5).to_csv(root / "results/synth/r2.csv", index=False)
    run(root, upper_bound, "synth")
    table = pd.read_csv(root / "results/synth/upper_bound.csv")
    assert len(table) == 2 * 5 * 5
    assert set(table["split"]) == {"random", "by borough"}
    whole = table[table["modality"] == "all"]
    np.testing.assert_allclose(whole["upper_bound"], 6.75 / 7.75 / 1.09, atol=1e-6)
    best = whole[["upper_bound", "upper_bound_with_k_rings"]].max(axis=1)
    np.testing.assert_allclose(whole["share"], 0.5 / best, atol=1e-5)
    alone = table[table["modality"] == "text"]
    np.testing.assert_allclose(alone["share"], 0.5 / alone["upper_bound"], atol=1e-5)
    assert table.loc[table["modality"] == "mobility", "reached"].isna().all()
    assert (whole["upper_bound_measured"] - whole["upper_bound"]).abs().max() < 0.25


def test_regions_of_another_grid_have_no_upper_bound() -> None:
    with pytest.raises(
        InputError, match=r"set regions\.grid h3 and regions\.resolution 8"
    ) as caught:
        upper_bound.require_cells(pd.Series(["hex_1_2"]), draw_latents(generated()))
    assert "\n" not in str(caught.value)
