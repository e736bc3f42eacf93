"""Roads of a user's own file."""

import geopandas as gpd
import pytest
from shapely import LineString, Point, box

from musecl.runtime.errors import InputError
from musecl.sources.roads_file import PROVIDER
from own_files import provide, put
from shared_data import shared

LINES = [LineString([(0, 0), (1, 1)]), LineString([(0, 1), (1, 0)])]


def saved(folder, *shapes, crs=4326):
    folder.mkdir(exist_ok=True)
    gpd.GeoDataFrame({"name": ["x"] * len(shapes)}, geometry=list(shapes), crs=crs).to_file(
        folder / "roads.gpkg"
    )
    return folder


def test_lines_are_roads_and_the_rest_is_counted(tmp_path, capsys):
    inputs = saved(tmp_path / "inputs", *LINES, box(0, 0, 1, 1))
    roads = provide(PROVIDER, inputs, box(0, 0, 1, 1), path="roads.gpkg")
    assert roads.geometry.to_list() == LINES
    assert roads.crs == 4326
    assert "1 of 3 rows are no line" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shapes", "crs", "message"),
    [
        ([Point(0, 0)], 4326, "holds no line"),
        (LINES, None, "names no CRS; set crs"),
    ],
)
def test_what_is_no_road_is_one_line(tmp_path, shapes, crs, message):
    inputs = saved(tmp_path / "inputs", *shapes, crs=crs)
    with pytest.raises(InputError, match=message) as caught:
        provide(PROVIDER, inputs, box(0, 0, 1, 1), path="roads.gpkg")
    assert "\n" not in str(caught.value)


def test_streets_of_madrid(tmp_path):
    inputs = put(tmp_path, shared("open_samples", "madrid", "streets.gpkg"))
    roads = provide(PROVIDER, inputs, box(-3.9, 40.3, -3.5, 40.7), path="streets.gpkg")
    assert len(roads) == 10_321
