"""What the generated city's provider hands out, and the stages that read it."""

import json
from pathlib import Path

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
import yaml

from bare_pipeline import contents, lay_pipeline, run
from musecl.imagery.images import iterate_images, read_image_index
from musecl.imagery.rendering import render_chip, render_street
from musecl.sources.settings import Generated
from musecl.sources.synth import FACTORS
from musecl.stages import (
    ceiling,
    fetch,
    indicators,
    mobility,
    places,
    regions,
    remote_view,
    scene,
    street_view,
)
from musecl.step.errors import InputError
from musecl.synthetic.latents import MODALITIES, draw_latents
from musecl.synthetic.synthesis import CATEGORIES, write_city

STAGES = (fetch, regions, places, mobility, indicators, scene, remote_view, street_view)
CELLS = 60


def city(noise: float = 0.3, seed: int = 1, cells: int = CELLS, **strength: float) -> Generated:
    return Generated(
        cells=cells,
        seed=seed,
        correlation_km=2.0,
        noise=noise,
        strength=dict.fromkeys(MODALITIES, 1.5) | strength,
    )


def lay(root: Path, settings: Generated) -> Path:
    """A pipeline with this city alone."""
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
    synth = params["cities"]["synth"] | {"generated": settings.model_dump()}
    small = {"viewpoints": 2, "pixels": 48}
    return lay_pipeline(
        root,
        cities={"synth": synth},
        remote_view={"ground_m": 1120, "pixels": 48},
        street_view=small,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = lay(tmp_path_factory.mktemp("synth") / "root", city())
    for stage in STAGES:
        run(root, stage, "synth")
    return root


def test_the_regions_are_the_cells_that_were_drawn(root: Path) -> None:
    table = gpd.read_parquet(root / "data/synth/regions.parquet")
    assert table["region_id"].tolist() == draw_latents(city()).cells
    assert table["land_share"].min() > 0.99


def test_every_table_is_of_every_region(root: Path) -> None:
    data = root / "data/synth"
    histogram = pd.read_parquet(data / "place_histogram.parquet")
    assert sorted(histogram.columns[1:]) == sorted(CATEGORIES)
    assert (histogram[CATEGORIES].sum(axis=1) > 50).all()
    texts = pd.read_parquet(data / "places.parquet")["text"]
    assert texts.nunique() == len(CATEGORIES)
    assert texts.str.len().min() >= 800
    flows = pd.read_parquet(data / "flows.parquet")
    assert flows["region_id"].nunique() == CELLS
    table = pd.read_parquet(data / "indicators.parquet")
    assert table.groupby("indicator").size().tolist() == [CELLS] * 5
    assert set(table["shares_source_with"]) == {""}
    latents = draw_latents(city())
    for name, rows in table.groupby("indicator"):
        np.testing.assert_array_equal(rows["value"], latents.indicators[name])


def test_images_are_of_every_region_in_every_heading(root: Path) -> None:
    chips = read_image_index(root / "data/synth/remote_view")
    assert (len(chips), chips["region_id"].nunique()) == (CELLS, CELLS)
    views = read_image_index(root / "data/synth/street_view")
    assert len(views) == CELLS * 2 * 4
    assert set(views["orientation"]) == {0, 90, 180, 270}
    first = next(iterate_images(root / "data/synth/street_view", 3))
    assert first.shape == (3, 48, 48, 3)
    assert len({image.tobytes() for image in first}) == 3


def test_the_scene_says_what_it_is_and_holds_no_label(root: Path) -> None:
    folder = root / "data/synth/scene"
    assert sorted(path.name for path in folder.iterdir()) == [
        "about.json",
        "remote_view.parquet",
        "street_view.parquet",
    ]
    assert json.loads((folder / "about.json").read_text())["remote_view"] == "synth"
    columns = set(pd.read_parquet(folder / "remote_view.parquet").columns)
    assert columns == {"longitude", "latitude", *FACTORS, "draw"}


def test_counts_tell_what_was_seen(tmp_path: Path) -> None:
    """Regress x on the logarithms of counts per cell: places per category, trips in and out."""
    latents = draw_latents(city(cells=300))
    write_city(latents, 1, tmp_path / "source")

    def counts(table: pd.DataFrame, end: str, by: pd.Series) -> np.ndarray:
        at = table[[f"{end}latitude", f"{end}longitude"]].to_numpy()
        cells = pd.Series([h3.latlng_to_cell(*row, 8) for row in at])
        return np.log1p(pd.crosstab(cells, by).reindex(latents.cells).to_numpy())

    def explained(inputs: np.ndarray, seen: np.ndarray) -> np.ndarray:
        inputs = np.column_stack([np.ones(300), inputs])
        error = seen - inputs @ np.linalg.lstsq(inputs, seen, rcond=None)[0]
        return 1 - error.var(axis=0) / seen.var(axis=0)

    listed = pd.read_parquet(tmp_path / "source/places.parquet")
    tallies = counts(listed, "", listed["category"])
    assert explained(tallies, latents.observed["places"]).min() > 0.85
    trips = pd.read_parquet(tmp_path / "source/trips.parquet")
    east = (trips["destination_longitude"] > 3) + 2 * (trips["destination_latitude"] > 2)
    flows = [counts(trips, "origin_", east), counts(trips, "destination_", east * 0)]
    assert explained(np.hstack(flows), latents.observed["mobility"]).min() > 0.85


def test_a_second_draw_gives_the_same_bytes_and_label_noise_changes_labels_alone(
    tmp_path: Path,
) -> None:
    def files(name: str, settings: Generated) -> dict[str, bytes]:
        write_city(draw_latents(settings), settings.seed, tmp_path / name)
        return contents(tmp_path / name)

    first = files("first", city())
    assert files("again", city()) == first
    noisier = files("noisier", city(noise=5))
    assert {name for name in first if noisier[name] != first[name]} == {"indicators.parquet"}
    deaf = files("deaf", city(places=0))
    assert {name for name in first if deaf[name] != first[name]} == {"places.parquet"}


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


def test_the_ceiling_stands_beside_what_was_reached_on_whatever_splits(root: Path) -> None:
    names = sorted(draw_latents(city()).indicators)
    rows = [
        {
            "indicator": name,
            "method": method,
            "predictor": predictor,
            "split": split,
            "r2_mean": 0.5,
        }
        for name in names
        for method in ("musecl", "text", "remote_view", "street_view", "concat")
        for predictor in ("ridge", "mlp")
        for split in ("random", "by borough")
    ]
    (root / "results/synth").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).assign(r2_mean=0.5).to_csv(root / "results/synth/r2.csv", index=False)
    run(root, ceiling, "synth")
    table = pd.read_csv(root / "results/synth/ceiling.csv")
    assert len(table) == 2 * 5 * 5
    assert set(table["split"]) == {"random", "by borough"}
    whole = table[table["modality"] == "all"]
    np.testing.assert_allclose(whole["ceiling"], 6.75 / 7.75 / 1.09, atol=1e-6)
    best = whole[["ceiling", "oracle_around"]].max(axis=1)
    np.testing.assert_allclose(whole["share"], 0.5 / best, atol=1e-5)
    alone = table[table["modality"] == "text"]
    np.testing.assert_allclose(alone["share"], 0.5 / alone["ceiling"], atol=1e-5)
    assert table.loc[table["modality"] == "mobility", "reached"].isna().all()
    assert (whole["ceiling_oracle"] - whole["ceiling"]).abs().max() < 0.25


def test_regions_of_another_grid_have_no_ceiling() -> None:
    with pytest.raises(
        InputError, match=r"set regions\.grid h3 and regions\.resolution 8"
    ) as caught:
        ceiling.require_cells(pd.Series(["hex_1_2"]), draw_latents(city()))
    assert "\n" not in str(caught.value)
