"""Values by region that somebody brings."""

import pandas as pd
import pytest

from musecl.indicators.aggregation import values_by_region
from musecl.runtime.errors import InputError
from musecl.sources import indicator_table as provider
from musecl.sources.indicator_table import TableSettings
from own_files import boxes, provided

REGIONS = boxes(0, 50, 1, 51, steps=2)


def settings(**more):
    return TableSettings(provider="table", **{"path": "a.csv", "value": "crime", **more})


def given(root, text, **more):
    (root / "inputs").mkdir(exist_ok=True)
    (root / "inputs" / "a.csv").write_text(text, encoding="utf-8")
    return provided(root, provider, settings(**more), REGIONS.union_all())


def test_values_go_to_their_regions_by_name(tmp_path, capsys):
    text = "crime,cell\n3,box_02\n(null),box_01\n1.5, box_00\n"
    found = values_by_region(given(tmp_path, text, region_id="cell"), REGIONS)
    assert found.to_dict() == {"box_00": 1.5, "box_02": 3}
    assert found.index.tolist() == ["box_00", "box_02"]
    assert "1 of 3 cells are empty" in capsys.readouterr().out


def test_parquet_with_the_region_as_its_index(tmp_path):
    (tmp_path / "inputs").mkdir()
    table = pd.DataFrame({"region_id": ["box_03"], "crime": [2]}).set_index("region_id")
    table.to_parquet(tmp_path / "inputs" / "a.parquet")
    values = provided(tmp_path, provider, settings(path="a.parquet"), REGIONS.union_all())
    assert values_by_region(values, REGIONS).to_dict() == {"box_03": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("region_id,crime\nbox_00,1\nbox_77,2\nbox_66,2\n", "2 regions are not .* first 'box_66'"),
        ("region_id,crime\nbox_00,1\nbox_00,1\nbox_01,1\n", "1 regions have several .* 'box_00'"),
    ],
)
def test_unknown_and_repeated_regions_are_refused(tmp_path, text, says):
    values = given(tmp_path, text)
    with pytest.raises(InputError, match=says):
        values_by_region(values, REGIONS)


def test_a_table_without_a_value_or_its_column_is_refused(tmp_path):
    with pytest.raises(InputError, match="no row has a region and a value"):
        given(tmp_path, "region_id,crime\nbox_00,none\n")
    with pytest.raises(InputError, match="no column 'crime'"):
        given(tmp_path, "region_id,value\nbox_00,1\n")
