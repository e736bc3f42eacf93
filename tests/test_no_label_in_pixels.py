"""No pixel may know a label: the images stay the same, to the byte, when the labels change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawn_city import LABELS, build_root, census_table, lots_table, run_stage
from musecl.stages import fetch_satellite, fetch_street_view, satellite, street_view

STAGES = (fetch_satellite, fetch_street_view, satellite, street_view)
OUTPUTS = ("raw/satellite", "raw/street_view", "satellite", "street_view")
# Say only what the images are.
UNCHANGED = {"satellite/about.json", "street_view/about.json"}


def images_of(root: Path, lots: pd.DataFrame, census: pd.DataFrame) -> dict[str, bytes]:
    """Every byte that the stages of both views write for a city of these lots."""
    build_root(root, lots, census)
    for stage in STAGES:
        run_stage(root, stage)
    city = root / "data/tiny"
    paths = [p for name in OUTPUTS for p in [city / name, *(city / name).rglob("*")] if p.is_file()]
    return {str(path.relative_to(city)): path.read_bytes() for path in paths}


def shuffled(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    generator = np.random.default_rng(11)
    return table.assign(
        **{c: table[c].to_numpy()[generator.permutation(len(table))] for c in columns}
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return images_of(tmp_path_factory.mktemp("drawn"), lots_table(), census_table())


def test_labels_do_not_change_any_byte(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    lots, census = lots_table(), census_table()
    others = shuffled(lots, LABELS)
    assert not others[LABELS].equals(lots[LABELS])
    figures = [column for column in census if column not in ("nta2020", "nta_code")]
    exchanged = census.assign(**{c: census[c].to_numpy()[::-1] for c in figures})
    assert images_of(tmp_path, others, exchanged) == drawn
    # Of each view's raw folder raster, roads, lot counts and provenance; the shard and what it is
    # of each view, and the lot counts beside the chips.
    assert len(drawn) == 2 * 4 + 3 + 2


def test_labels_out_of_all_proportion_do_not_either(
    tmp_path: Path, drawn: dict[str, bytes]
) -> None:
    lots = lots_table()
    lots[LABELS] *= 1000
    assert images_of(tmp_path, lots, census_table().head(0)) == drawn


def test_the_order_of_the_lots_does_not_change_any_byte(
    tmp_path: Path, drawn: dict[str, bytes]
) -> None:
    reordered = lots_table().sample(frac=1, random_state=3)
    assert images_of(tmp_path, reordered, census_table()) == drawn


def test_moving_the_lots_changes_every_output(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    lots = lots_table()
    half = lots["block"] > 15
    lots.loc[half, "longitude"] += 50 / 84_500
    changed = images_of(tmp_path, lots, census_table())
    assert set(changed) == set(drawn)
    assert {name for name in drawn if changed[name] == drawn[name]} == UNCHANGED


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    assert images_of(tmp_path, lots_table(), census_table()) == drawn
