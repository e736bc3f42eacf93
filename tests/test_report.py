"""The page of a city holds what its tables say, and loads nothing from anywhere."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import yaml

from closure import ROOT
from musecl.report.data import describe_pois, rounded
from musecl.report.page import as_json
from musecl.report.provenance import SHIPPED
from musecl.runtime.errors import InputError
from reported_city import CITY, HOSTILE, PRIMARY, SIGNED, UNLABELLED, build, lay_city

LEAFLET = ROOT / "workflow/musecl/report/leaflet"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city")
    lay_city(root)
    build(root)
    return root


@pytest.fixture(scope="module")
def page(city: Path) -> str:
    return (city / f"results/{CITY}/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(page: str) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_the_vendored_leaflet_is_the_published_one() -> None:
    said = dict(
        re.findall(r"\| `(.+?)` \| `([0-9a-f]{64})` \|", (LEAFLET / "README.md").read_text())
    )
    assert set(said) == {"leaflet.js", "leaflet.css", "LICENSE"}
    for name, digest in said.items():
        assert hashlib.sha256((LEAFLET / name).read_bytes()).hexdigest() == digest
    # As `npm view leaflet@1.9.4` and its published subresource hash have it.
    assert said["leaflet.js"].startswith(
        "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a"
    )


def test_the_shipped_parameters_are_those_of_the_repository() -> None:
    assert SHIPPED.read_text() == (ROOT / "params.yaml").read_text(), "run `make declare`"


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    written = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "default-src 'none'" in written
    assert not re.search(r'(?:src|href)="(?!#|data:)', written)
    assert not re.search(r"url\((?!#)", written)
    assert "sourceMappingURL" not in page


def test_names_in_the_data_are_text_and_nothing_else(page: str, data: dict) -> None:
    assert HOSTILE not in page
    assert "<b>Side</b>" not in page
    assert data["pois"][0]["names"][0] == HOSTILE
    assert json.loads(as_json({"name": HOSTILE})) == {"name": HOSTILE}


def test_it_says_what_it_must_not_be_used_for_and_that_imagery_is_rendered(page: str) -> None:
    assert "Not for decisions on single people or places." in page
    assert "The imagery is rendered:" in page


def test_predictions_stand_at_their_region(city: Path, data: dict) -> None:
    tables = pd.read_parquet(city / f"results/{CITY}/predictions.parquet")
    assert [one["name"] for one in data["indicators"]] == [PRIMARY, SIGNED]
    for indicator in data["indicators"]:
        for split, laid in indicator["splits"].items():
            rows = tables[(tables["indicator"] == indicator["name"]) & (tables["split"] == split)]
            rows = rows.set_index("region_id").loc[data["regions"]["id"]]
            assert laid["prediction"] == rounded(rows["prediction"])
            assert laid["lower"] == rounded(rows["lower_90"])
            assert laid["coordinates"] == rounded(rows["prediction_from_coordinates"])
            assert indicator["observed"] == rounded(rows["observed"])
            assert len(laid["all_labels"]) == UNLABELLED
            assert set(rows.iloc[laid["all_labels"]]["made_by"]) == {"all labels"}
    assert min(data["indicators"][1]["observed"][:-UNLABELLED]) < 0


def test_the_order_of_rows_decides_nothing(city: Path, page: str, tmp_path: Path) -> None:
    shutil.copytree(city, tmp_path / "copy")
    for table in ("results/{}/predictions", "data/{}/regions", "results/{}/embeddings"):
        path = tmp_path / "copy" / f"{table.format(CITY)}.parquet"
        read = gpd.read_parquet if table.endswith("regions") else pd.read_parquet
        read(path).sample(frac=1, random_state=3).to_parquet(path)
    assert build(tmp_path / "copy") == page


def test_the_same_inputs_give_the_same_bytes(city: Path, page: str, tmp_path: Path) -> None:
    shutil.copytree(city, tmp_path / "copy")
    for name in ("report.html", "map.png"):
        (tmp_path / "copy/results" / CITY / name).unlink()
    assert build(tmp_path / "copy") == page
    first, second = (root / f"results/{CITY}/map.png" for root in (city, tmp_path / "copy"))
    assert first.read_bytes() == second.read_bytes()


def test_numbers_are_what_a_reader_can_hold() -> None:
    assert rounded([34217.3, 0.123456, float("nan"), -5.0]) == [34220, 0.1235, None, -5]


def test_a_category_of_areas_is_a_share_and_others_are_counts() -> None:
    pois = pd.DataFrame(
        {
            "region_id": ["a", "a", "a", "b"],
            "name": ["Corner", "Corner", "Park", "Wood"],
            "category": ["shop", "shop", "park", "park"],
            "weight": [1.0, 1.0, 0.25, 1.0],
        }
    )
    first, second, third = describe_pois(pois, pd.Series(["a", "b", "c"]))
    assert first == {"counts": [["shop", "2"], ["park", "covers 25%"]], "names": ["Corner", "Park"]}
    assert second["counts"] == [["park", "covers 100%"]]
    assert third is None


def test_a_changed_parameter_is_named_with_both_values(city: Path, tmp_path: Path) -> None:
    shutil.copytree(city, tmp_path / "copy")
    path = tmp_path / "copy/params.yaml"
    params = yaml.safe_load(path.read_text())
    params["fuse"]["steps"] = 7
    path.write_text(yaml.safe_dump(params))
    page = build(tmp_path / "copy")
    row = r"<code>fuse.steps</code></th><td>(\S+)</td><td>(\S+)</td>"
    assert re.search(row, page).groups() == ("200", "7")
    added = r"<code>cities.toy.boundary.provider</code></th><td>none: it was added</td>"
    assert re.search(added, page)


def test_it_tells_the_time_that_snakemake_measured_of_this_city(city: Path, tmp_path: Path) -> None:
    shutil.copytree(city, tmp_path / "copy")
    assert "No time was measured" in build(tmp_path / "copy")
    for name, seconds in (("toy/fuse", 12.5), ("other/fuse", 99.5), ("fetch_models", 3.0)):
        path = tmp_path / "copy/logs" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\n{seconds}\t100\n")
    page = build(tmp_path / "copy")
    assert re.search(r'<th scope="row">fuse</th><td class="number">12.5</td>', page)
    assert ">99.5</td>" not in page
    assert re.search(r'<th scope="row">fetch_models</th>', page)


def test_sources_say_their_licence_or_that_there_is_none(page: str) -> None:
    assert re.search(r'Roads</th><td colspan="4">this city has none', page)
    assert re.search(r"Boundary</th><td>file</td><td>CC0</td>", page)
    assert re.search(r"Text</th><td>package:all-minilm-l6-v2</td><td>apache-2.0</td>", page)


@pytest.mark.parametrize(
    ("lacking", "changes"),
    [
        (("street_view", "mobility"), {}),
        (("pois", "satellite"), {}),
        (("satellite", "street_view"), {"districts": False}),
        ((), {"indicators": (SIGNED,)}),
    ],
    ids=["no street view", "no POIs", "no imagery", "not primary"],
)
def test_a_city_that_lacks_layers_has_its_page(
    tmp_path: Path, lacking: tuple, changes: dict
) -> None:
    lay_city(tmp_path, lacking=lacking, **changes)
    page = build(tmp_path)
    rendered = {"satellite", "street_view"} - set(lacking)
    assert ("The imagery is rendered" in page) == bool(rendered)
    assert "rent, spatial: 3 regions have a value" in page
    assert (tmp_path / f"results/{CITY}/map.png").stat().st_size > 10_000


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    lay_city(tmp_path, k_rings=1)
    path = tmp_path / f"data/{CITY}/satellite/part-000.parquet"
    rows = pd.read_parquet(path)
    rows.loc[0, "image"] = b"no image"
    rows.to_parquet(path)
    with pytest.raises(InputError, match=r"part-000\.parquet: the image in row 0 is damaged"):
        build(tmp_path)
    assert not (tmp_path / f"results/{CITY}/report.html").exists()


def test_a_city_without_indicators_has_no_section_that_stays_empty(tmp_path: Path) -> None:
    lay_city(tmp_path)
    results = tmp_path / f"results/{CITY}"
    for path in (tmp_path / f"data/{CITY}/indicators.parquet", results / "predictions.parquet"):
        pd.read_parquet(path).iloc[:0].to_parquet(path)
    for path in results.glob("*.csv"):
        table = pd.read_csv(path)
        if "indicator" in table or "split" in table:
            table.iloc[:0].to_csv(path, index=False)
    page = build(tmp_path)
    assert 'id="map-section"' in page
    assert 'id="pairs"' not in page
    assert 'href="#pairs"' not in page
