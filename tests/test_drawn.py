"""Viewpoints of what a provider draws: which are chosen, and what is written of them."""

import cv2
import numpy as np
import pandas as pd
import pytest

from musecl.imagery.drawn import COLUMNS, choose_viewpoints, draw_images
from musecl.sources.contract import Drawn
from small_city import NOWHERE, disk_of_regions

REGIONS = disk_of_regions()
IDS = REGIONS["region_id"].tolist()


def candidates(regions: int = 6, roads: int = 30) -> pd.DataFrame:
    """Roads at random; the region R0 has one road, R1 two, the others many."""
    generator = np.random.default_rng(4)
    counts = [1, 2, *[roads] * (regions - 2)]
    names = np.repeat([f"R{number}" for number in range(regions)], counts)
    return pd.DataFrame(
        {
            "region_id": names,
            "longitude": generator.uniform(-74, -73.9, len(names)),
            "latitude": generator.uniform(40.6, 40.7, len(names)),
            "easting": generator.uniform(0, 1000, len(names)),
            "northing": generator.uniform(0, 1000, len(names)),
            "bearing": generator.uniform(-3, 3, len(names)),
            "weight": generator.uniform(5, 50, len(names)),
        }
    )


def test_viewpoints_are_distinct_roads_of_their_region() -> None:
    roads = candidates()
    chosen = choose_viewpoints(roads, 8, seed=1)
    assert chosen.groupby("region_id").size().to_dict() == {
        "R0": 1, "R1": 2, "R2": 8, "R3": 8, "R4": 8, "R5": 8,
    }  # fmt: skip
    assert not chosen.duplicated(["easting", "northing"]).any()
    for _, views in chosen.groupby("region_id"):
        assert views["viewpoint"].tolist() == list(range(len(views)))
    merged = chosen.merge(roads, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()


@pytest.mark.parametrize("others", [["R0"], ["R1", "R2", "R5"], ["R4"]])
def test_the_views_of_a_region_do_not_depend_on_other_regions(others: list[str]) -> None:
    roads = candidates()
    alone = choose_viewpoints(roads[roads["region_id"].isin(["R3", *others])], 8, seed=1)
    whole = choose_viewpoints(roads, 8, seed=1)
    pd.testing.assert_frame_equal(
        alone[alone["region_id"] == "R3"].reset_index(drop=True),
        whole[whole["region_id"] == "R3"].reset_index(drop=True),
    )


def test_another_seed_draws_others_and_regions_draw_apart() -> None:
    roads = candidates()
    first, second = (choose_viewpoints(roads, 8, seed=seed) for seed in (1, 2))
    assert not first["easting"].equals(second["easting"])
    twin = roads[roads["region_id"] == "R3"]
    both = pd.concat([twin, twin.assign(region_id="R4")])
    drawn = choose_viewpoints(both, 8, seed=1)
    r3, r4 = (drawn.loc[drawn["region_id"] == name, "easting"].tolist() for name in ("R3", "R4"))
    assert r3 != r4


def test_a_road_is_drawn_as_often_as_it_is_long() -> None:
    lengths = np.array([10.0, 20.0, 30.0, 40.0])
    names = np.repeat([f"R{number}" for number in range(3000)], 4)
    roads = pd.DataFrame({"region_id": names, "weight": np.tile(lengths, 3000)})
    drawn = choose_viewpoints(roads, 1, seed=1)["weight"]
    shares = drawn.value_counts(normalize=True).sort_index().to_numpy()
    assert shares == pytest.approx(lengths / 100, abs=0.03)


def test_without_weights_the_first_ones_are_taken_whatever_the_seed() -> None:
    plain = candidates().drop(columns="weight")
    for seed in (1, 2):
        chosen = choose_viewpoints(plain, 3, seed)
        first = plain.groupby("region_id").head(3).reset_index(drop=True)
        pd.testing.assert_frame_equal(chosen[plain.columns], first)
        assert chosen["viewpoint"].tolist() == [0, 0, 1, *[0, 1, 2] * 4]


def grey_views(row: int, pixels: int) -> np.ndarray:
    """Four flat images that tell their row and heading by how light they are."""
    return np.stack([np.full((pixels, pixels, 3), 20 * row + turn, np.uint8) for turn in range(4)])


def drawn_at(regions: list[int | None]) -> Drawn:
    """A viewpoint in the middle of each of these regions; None lies in no region."""
    centres = REGIONS[["longitude", "latitude"]].to_numpy()
    table = pd.DataFrame(
        [NOWHERE if number is None else tuple(centres[number]) for number in regions],
        columns=["longitude", "latitude"],
    )
    return Drawn(table, grey_views, (0, 90, 180, 270))


def test_a_panorama_becomes_four_rows_at_its_place() -> None:
    drawn = drawn_at([3, None, 1, 3, 3])
    rows = draw_images(drawn, REGIONS, 2, 8, seed=1)
    assert list(rows.columns) == COLUMNS
    assert rows["region_id"].tolist() == [IDS[1]] * 4 + [IDS[3]] * 8
    assert rows["viewpoint"].tolist() == [0] * 4 + [0] * 4 + [1] * 4
    assert rows["orientation"].tolist() == [0, 90, 180, 270] * 3
    # The first two viewpoints of the region are rows 0 and 3 of the table.
    chosen = np.repeat([2, 0, 3], 4)
    assert rows["longitude"].tolist() == drawn.table["longitude"].iloc[chosen].tolist()
    assert rows["latitude"].tolist() == drawn.table["latitude"].iloc[chosen].tolist()
    for row, turn, image in zip(chosen, [0, 1, 2, 3] * 3, rows["image"], strict=True):
        decoded = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == (8, 8, 3)
        assert np.abs(decoded.astype(int) - (20 * row + turn)).max() <= 2


@pytest.mark.parametrize("regions", [[], [None, None]])
def test_viewpoints_in_no_region_are_no_images(regions: list[int | None]) -> None:
    rows = draw_images(drawn_at(regions), REGIONS, 2, 8, seed=1)
    assert list(rows.columns) == COLUMNS
    assert rows.empty
