"""Tables and vectors on disk: written whole and checked, read as they were written."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow.parquet
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musecl.runtime.errors import InputError
from musecl.runtime.tables import (
    key_column,
    read_geotable,
    read_table,
    read_vectors,
    require_same_regions,
    write_csv,
    write_table,
    write_vectors,
)

SCHEMA = pa.DataFrameSchema(
    {
        "region_id": key_column(),
        "count": pa.Column(int, pa.Check.ge(0)),
        "share": pa.Column(float, pa.Check.in_range(0, 1), nullable=True),
    },
    strict=True,
)
AREAS = pa.DataFrameSchema(
    {"region_id": key_column(), "geometry": pa.Column("geometry")}, strict=True
)
TABLE = pd.DataFrame(
    {"share": [0.5, None, 1.0], "region_id": ["b", "a", "c"], "count": [1, 0, 7]}, index=[5, 5, 9]
)
ANYWHERE = [HealthCheck.function_scoped_fixture]


def test_a_table_comes_back_in_the_order_of_its_schema_and_without_index(tmp_path) -> None:
    before = TABLE.copy()
    write_table(TABLE, SCHEMA, tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet", SCHEMA)
    assert list(found.columns) == ["region_id", "count", "share"]
    assert list(found.index) == [0, 1, 2]
    assert found["region_id"].tolist() == ["b", "a", "c"]
    assert found["share"].fillna(-1).tolist() == [0.5, -1, 1.0]
    pd.testing.assert_frame_equal(TABLE, before)


def test_a_field_of_parquet_says_what_it_is_and_its_unit(tmp_path) -> None:
    described = pa.DataFrameSchema(
        {
            "region_id": key_column(),
            "count": pa.Column(
                int, description="people who live there", metadata={"unit": "people"}
            ),
            "share": pa.Column(float, nullable=True),
        }
    )
    write_table(TABLE, described, tmp_path / "t.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "t.parquet")
    expected = {b"description": b"people who live there", b"unit": b"people"}
    assert schema.field("count").metadata == expected
    assert schema.field("region_id").metadata == {b"description": b"the region"}
    assert not schema.field("share").metadata
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "t.parquet"),
        TABLE[["region_id", "count", "share"]].reset_index(drop=True),
    )


def test_a_described_geometry_stays_a_geometry(tmp_path) -> None:
    outline = pa.Column("geometry", description="outline")
    areas = pa.DataFrameSchema({"region_id": key_column(), "geometry": outline})
    points = shapely.points([[4.36, 52.0], [4.37, 52.1]])
    frame = gpd.GeoDataFrame({"region_id": ["a", "b"]}, geometry=points, crs=4326)
    write_table(frame, areas, tmp_path / "t.parquet")
    found = read_geotable(tmp_path / "t.parquet")
    assert found.crs == 4326 and found.geometry.tolist() == list(points)
    field = pyarrow.parquet.read_schema(tmp_path / "t.parquet").field("geometry")
    assert field.metadata[b"description"] == b"outline"


def test_vectors_say_what_they_are(tmp_path) -> None:
    keys = pd.DataFrame({"region_id": ["a", "b"]})
    about = {"embedding": "what predicts"}
    write_vectors(tmp_path / "v.parquet", keys, about, embedding=np.ones((2, 3)))
    schema = pyarrow.parquet.read_schema(tmp_path / "v.parquet")
    assert schema.field("embedding").metadata == {b"description": b"what predicts"}
    assert read_vectors(tmp_path / "v.parquet", "embedding")[1].tolist() == [[1.0] * 3] * 2


def test_the_same_table_is_the_same_bytes(tmp_path) -> None:
    for name in ("one", "two"):
        write_table(TABLE, SCHEMA, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_csv_is_checked_and_has_six_decimals(tmp_path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(InputError, match=r"t\.csv.*share"):
        write_csv(TABLE.assign(share=[0.5, 1.5, 0]), path, SCHEMA)
    assert not path.exists()
    write_csv(TABLE.assign(share=[1 / 3, None, 1]), path, SCHEMA)
    assert path.read_bytes() == b"share,region_id,count\n0.333333,b,1\n,a,0\n1.000000,c,7\n"


@pytest.mark.parametrize("crs", [4326, 32618])
def test_shapes_keep_their_crs(tmp_path, crs: int) -> None:
    areas = gpd.GeoDataFrame(
        {"region_id": ["a", "b"]}, geometry=[shapely.box(0, 0, 1, 1), shapely.Point(3, 4)], crs=crs
    )
    write_table(areas, AREAS, tmp_path / "t.parquet")
    found = read_geotable(tmp_path / "t.parquet")
    assert found.crs == crs
    assert found.geometry.geom_equals(areas.geometry).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.drop(columns="share"), "share"),
        (TABLE.assign(extra=1), "extra"),
        (TABLE.assign(count=[1, -3, 7]), "count"),
        (TABLE.assign(share=[0.5, 1.5, 0]), "share"),
        (TABLE.assign(count=["1", "many", "7"]), "count"),
        (TABLE.assign(region_id=["a", "b", "a"]), "region_id"),
        (TABLE.assign(region_id=["a", None, "c"]), "region_id"),
    ],
    ids=["missing", "unknown", "negative", "above", "type", "twice", "null"],
)
def test_a_table_that_is_not_of_the_schema(tmp_path, table: pd.DataFrame, message: str) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(InputError) as caught:
        write_table(table, SCHEMA, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value).removeprefix(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not path.exists()
    table.to_parquet(path, index=False)
    with pytest.raises(InputError, match=message):
        read_table(path, SCHEMA)


def absent(path: Path) -> None:
    """No file at all."""


def halved(path: Path) -> None:
    write_table(TABLE, SCHEMA, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def words(path: Path) -> None:
    path.write_text("region_id,count\n", encoding="utf-8")


def plain(path: Path) -> None:
    write_table(TABLE, SCHEMA, path)


@pytest.mark.parametrize(
    ("read", "damage"),
    [
        *((read_table, damage) for damage in (absent, halved, words)),
        *((read_geotable, damage) for damage in (absent, halved, words, plain)),
    ],
)
def test_a_damaged_file_is_named(tmp_path, read, damage) -> None:
    path = tmp_path / "t.parquet"
    damage(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: not readable as a ")
    assert str(caught.value).endswith("; build it again")
    assert "\n" not in str(caught.value)


@settings(max_examples=30, deadline=None, suppress_health_check=ANYWHERE)
@given(data=st.data(), rows=st.integers(1, 9))
def test_vectors_come_back_beside_their_keys(tmp_path, data, rows: int) -> None:
    numbers = st.floats(-1e6, 1e6, width=32)
    wide = data.draw(arrays.arrays(np.float32, (rows, 5), elements=numbers))
    narrow = data.draw(arrays.arrays(np.float64, (rows, 1), elements=numbers))
    order = data.draw(st.permutations(range(rows)))
    keys = pd.DataFrame(
        {"region_id": [f"r{n}" for n in order], "viewpoint": list(order)},
        index=list(reversed(order)),
    )
    write_vectors(tmp_path / "v.parquet", keys, wide=wide, narrow=narrow)
    for name, values in (("wide", wide), ("narrow", narrow)):
        found_keys, found = read_vectors(tmp_path / "v.parquet", name)
        assert list(found_keys.columns) == ["region_id", "viewpoint"]
        assert found_keys["region_id"].tolist() == [f"r{n}" for n in order]
        assert found_keys["viewpoint"].tolist() == list(order)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(tmp_path, value: float) -> None:
    vectors = np.ones((3, 2))
    vectors[1, 1] = value
    keys = pd.DataFrame({"region_id": ["a", "b", "c"]})
    with pytest.raises(InputError, match=r"v.parquet: embedding holds values that are not finite"):
        write_vectors(tmp_path / "v.parquet", keys, embedding=vectors)
    assert not (tmp_path / "v.parquet").exists()


def test_vectors_too_large_for_their_type_are_refused(tmp_path) -> None:
    keys = pd.DataFrame({"region_id": ["a"]})
    with pytest.raises(InputError, match=r"embedding holds values that are not finite"):
        write_vectors(tmp_path / "v.parquet", keys, embedding=np.array([[1e39, 0.0]]))
    assert not (tmp_path / "v.parquet").exists()


@pytest.mark.parametrize("damage", [absent, halved, words])
def test_damaged_vectors_are_named(tmp_path, damage) -> None:
    damage(tmp_path / "v.parquet")
    with pytest.raises(InputError, match=r"v.parquet: not readable as a table .*; build it again"):
        read_vectors(tmp_path / "v.parquet", "embedding")


def test_vectors_of_no_region(tmp_path) -> None:
    keys = pd.DataFrame({"region_id": []})
    write_vectors(tmp_path / "v.parquet", keys, embedding=np.ones((0, 4)))
    found, vectors = read_vectors(tmp_path / "v.parquet", "embedding")
    assert list(found.columns) == ["region_id"]
    assert (len(found), vectors.shape, vectors.dtype) == (0, (0, 0), np.float32)
    with pytest.raises(InputError, match=r"has no column 'fused'; it has region_id, embedding"):
        read_vectors(tmp_path / "v.parquet", "fused")


def test_vectors_of_another_length_than_their_keys_are_refused(tmp_path) -> None:
    keys = pd.DataFrame({"region_id": ["a", "b", "c"]})
    with pytest.raises(InputError, match=r"v.parquet: embedding has 2 rows for 3 keys"):
        write_vectors(tmp_path / "v.parquet", keys, embedding=np.ones((2, 4)))
    assert not (tmp_path / "v.parquet").exists()


def test_a_vector_that_is_not_there(tmp_path) -> None:
    keys = pd.DataFrame({"region_id": ["a"]})
    write_vectors(tmp_path / "v.parquet", keys, fused=np.ones((1, 4)))
    with pytest.raises(InputError, match=r"has no column 'embedding'; it has region_id, fused"):
        read_vectors(tmp_path / "v.parquet", "embedding")


def test_regions_that_the_table_does_not_hold_are_counted() -> None:
    known = pd.Series(["a", "b", "c"])
    require_same_regions(known, pd.Series(["c", "a", "a"]), "flows.parquet")
    require_same_regions(known, pd.Series([], dtype=str), "flows.parquet")
    with pytest.raises(
        InputError, match=r"^flows.parquet: 2 regions are not in the region table, first 'x'$"
    ):
        require_same_regions(known, pd.Series(["y", "a", "x", "y"]), "flows.parquet")
