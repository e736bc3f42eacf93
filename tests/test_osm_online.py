"""OpenStreetMap's services: a server on loopback answers as they do, good days and bad."""

import json
import socket
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import osmnx
import pytest
import shapely
from shapely import Point, box

from musecl.runtime.errors import InputError, ParameterError
from musecl.sources import patience
from musecl.sources.osm import online
from musecl.sources.osm.answers import write_file
from musecl.sources.osm.boundary import ONLINE as BOUNDARY
from musecl.sources.osm.collectors import Pois, Roads
from musecl.sources.osm.extract import scan
from musecl.sources.osm.pois import ONLINE as POIS
from musecl.sources.osm.roads import ONLINE as STREETS
from musecl.sources.osm.tags import ROADS
from musecl.sources.provider import Request
from musecl.sources.providers import chosen
from osm_town import (
    AREA,
    BREAK,
    HOLE,
    SLOTS,
    STAMP,
    answer,
    boundary,
    coast,
    found,
    pois,
    roads,
    serve,
    write_town,
)
from shared_data import shared

PAGE = b"<html><head><title>x</title></head><body><p>Error</p>: too <b>hot</b></body></html>"


@pytest.fixture
def waits(monkeypatch):
    """A clock that moves where somebody sleeps; gives the seconds slept, by us."""
    clock, slept = [0.0], []

    def pass_by(seconds):
        clock[0] += seconds

    def sleep(seconds):
        slept.append(seconds)
        pass_by(seconds)

    monkeypatch.setattr(patience, "monotonic", lambda: clock[0])
    monkeypatch.setattr(patience, "sleep", sleep)
    monkeypatch.setattr(time, "sleep", pass_by)  # OSMnx waits a second before it asks Nominatim
    monkeypatch.setenv("NO_PROXY", "*")
    return slept


@pytest.fixture
def services(waits):
    with serve() as server:
        yield server


def asked(folder, provider, services, area=None, **settings):
    """Let a provider fetch, and read what it fetched."""
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    given = {"provider": "osm", "overpass_url": services.url, **settings}
    if provider.layer == "boundary":
        given["nominatim_url"] = services.url
    name, wanted = chosen(provider.layer, given)
    assert name == provider
    regions = None if area is None else gpd.GeoDataFrame(geometry=[area], crs=4326)
    request = Request(wanted, folder / "inputs", regions, folder / "raw")
    provider.fetch(request)
    return provider.read(folder / "raw", wanted), request


def test_pois_are_those_of_the_extract(tmp_path, services):
    services.interpreter = [answer([*pois(), *roads()])]
    before = socket.getaddrinfo, dict(vars(osmnx.settings))
    table, request = asked(tmp_path, POIS, services, AREA)
    assert (socket.getaddrinfo, dict(vars(osmnx.settings))) == before
    other = Pois()
    scan(write_town(tmp_path / "town", *pois(), *roads()), other)
    assert table.equals(other.table())
    assert services.paths() == ["status", "interpreter"]
    _, agent, body = services.asked[1]
    assert agent.startswith("musecl ")
    query = parse_qs(body)["data"][0]
    assert query.startswith("[out:json][timeout:180]")
    assert "node['amenity'](poly:" in query
    assert "way['railway'='station'](poly:" in query
    assert asked_for(query).contains(AREA)
    (record,) = request.records
    assert record["timestamp"] == STAMP
    assert record["source"] == services.url
    assert record["file"].startswith("overpass/")


def asked_for(query):
    numbers = query.split("(poly:'")[1].split("'")[0].split()
    corners = list(zip(map(float, numbers[1::2]), map(float, numbers[::2]), strict=True))
    return shapely.Polygon(corners)


def test_all_of_the_city_is_asked_for_with_few_corners(tmp_path, services):
    """The outline stands in the query some forty times."""
    city = Point(10, 50).buffer(0.05, quad_segs=100)
    asked(tmp_path, POIS, services, city)
    outline = asked_for(parse_qs(services.asked[-1][2])["data"][0])
    assert outline.contains(city)
    assert shapely.get_num_coordinates(outline) < 30


def test_roads_are_asked_for_beyond_the_city(tmp_path, services):
    services.interpreter = [answer(roads())]
    table, _ = asked(tmp_path, STREETS, services, AREA)
    assert len(table)
    assert set(table.geom_type) <= {"LineString", "MultiLineString"}
    query = parse_qs(services.asked[-1][2])["data"][0]
    assert "highway" in query
    assert asked_for(query).contains(AREA.buffer(0.004))


def test_what_is_there_is_not_asked_for_again(tmp_path, services):
    services.interpreter = [answer(pois())]
    first, _ = asked(tmp_path, POIS, services, AREA)
    count = len(services.asked)
    second, _ = asked(tmp_path, POIS, services, AREA)
    assert len(services.asked) == count
    assert first.equals(second)


def test_an_empty_place_is_an_empty_table_and_a_line(tmp_path, services, capsys):
    table, _ = asked(tmp_path, POIS, services, AREA)
    assert list(table.columns) == ["osm_id", "name", "category", "text", "geometry"]
    assert table.empty
    assert table.crs == 4326
    assert "OpenStreetMap has none here" in capsys.readouterr().out


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_busy_server_is_asked_again(tmp_path, services, waits, capsys, status):
    services.interpreter = [
        (status, PAGE),
        (status, PAGE, {"Retry-After": "100"}),
        answer(pois()),
    ]
    table, _ = asked(tmp_path, POIS, services, AREA)
    assert len(table) == 7
    assert waits == [30, 100]
    assert f"is busy (HTTP {status}); asking again in 30 s" in capsys.readouterr().out


def test_a_server_that_is_always_busy_is_left_at_the_deadline(tmp_path, services, waits):
    services.interpreter = [(504, PAGE)]
    with pytest.raises(InputError, match=r"is busy \(HTTP 504\) for too long; try again later"):
        asked(tmp_path, POIS, services, AREA)
    assert sum(waits) < online.DEADLINE
    assert waits == [30, 60, 120, 240, 480]


def test_a_nominatim_that_is_always_busy_is_left_too(tmp_path, services, waits):
    services.search = [(429, b"{}")]
    with pytest.raises(InputError, match=r"HTTP 429\) for too long"):
        asked(tmp_path, BOUNDARY, services, place="Toytown")


@pytest.mark.parametrize(
    "line",
    ["Currently running queries (x)", "Slot available after: 2026-01-01, in 90000 seconds."],
)
def test_slots_that_never_come_free_are_left(tmp_path, services, monkeypatch, line):
    """OSMnx asks again for ever while a query runs, and would sleep for a slot of tomorrow."""
    monkeypatch.setattr(online, "DEADLINE", 60.0)
    text = SLOTS.replace("2 slots", line)
    services.status = [(200, text.encode())]
    with pytest.raises(InputError, match="no slot free before the deadline"):
        asked(tmp_path, POIS, services, AREA)
    assert "interpreter" not in services.paths()
    assert len(services.asked) == (1 if "Slot" in line else 14)


@pytest.mark.parametrize("name", ["remark-runtime-error-01", "remark-runtime-remark-01", "made"])
def test_a_remark_is_a_failure_and_is_not_kept(tmp_path, services, name):
    if name == "made":
        services.interpreter = [answer([], remark="runtime error: Query timed out")]
    else:
        path = shared("open_samples", "overpass", f"{name}.json")
        services.interpreter = [(200, path.read_bytes())]
    with pytest.raises(
        InputError, match=r"^http://127.* broke off: runtime (error|remark): .*extract"
    ):
        asked(tmp_path, POIS, services, AREA)
    assert not list((tmp_path / "raw" / "overpass").iterdir())
    services.interpreter = [answer(pois())]
    assert len(asked(tmp_path, POIS, services, AREA)[0]) == 7


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ((200, PAGE), r"sent a page, no answer \(HTTP 200\): Error : too hot$"),
        ((400, PAGE), r"sent a page, no answer \(HTTP 400\): Error : too hot$"),
        ((200, b""), r"sent a page, no answer \(HTTP 200\): empty$"),
        ((400, b'{"error": "no"}'), r"refused the question \(HTTP 400\)"),
        ((406, PAGE), r"refuses this client \(HTTP 406\): it wants another User-Agent"),
        ((403, b"Forbidden"), r"sent a page, no answer \(HTTP 403\): Forbidden"),
    ],
)
def test_other_answers_are_one_line(tmp_path, services, reply, line):
    services.interpreter = [reply]
    with pytest.raises(InputError, match=line) as raised:
        asked(tmp_path, POIS, services, AREA)
    assert "\n" not in str(raised.value)
    assert services.paths().count("interpreter") == 1


@pytest.mark.parametrize("name", ["bad-request", "bad-request-encoding"])
def test_a_recorded_page_is_one_line(tmp_path, services, name):
    page = shared("open_samples", "overpass", f"{name}.html").read_bytes()
    services.interpreter = [(400, page)]
    with pytest.raises(InputError, match=r"HTTP 400\): The data included in this document"):
        asked(tmp_path, POIS, services, AREA)


def test_nobody_answers(tmp_path, waits):
    with serve() as gone:
        pass
    with pytest.raises(
        InputError, match=r"^http://127\S+ does not answer \(ConnectionError\); try"
    ):
        asked(tmp_path, POIS, gone, AREA)
    assert waits == [30, 60]


@pytest.mark.parametrize("times", [1, 2])
def test_a_line_that_breaks_is_taken_up_again(tmp_path, services, waits, capsys, times):
    services.interpreter = [*[BREAK] * times, answer(pois())]
    table, _ = asked(tmp_path, POIS, services, AREA)
    assert len(table) == 7
    assert waits == [30, 60][:times]
    said = capsys.readouterr().out
    assert f"{services.url}/interpreter does not answer (ConnectionError); asking again" in said


def test_a_line_that_always_breaks_is_left(tmp_path, services, waits):
    services.interpreter = [*[BREAK] * 3, answer(pois())]
    with pytest.raises(InputError, match=r"/interpreter does not answer \(\w+\); try again later"):
        asked(tmp_path, POIS, services, AREA)
    assert waits == [30, 60]


def test_an_address_that_is_none_is_not_asked_again(tmp_path, waits):
    nowhere = SimpleNamespace(url="nowhere")
    with pytest.raises(InputError, match=r"does not answer \(MissingSchema\)"):
        asked(tmp_path, POIS, nowhere, AREA)
    assert waits == []


def test_a_message_names_the_url_without_its_query(tmp_path, services):
    services.search = [(400, PAGE)]
    with pytest.raises(InputError, match=rf"^{services.url}/search sent a page"):
        asked(tmp_path, BOUNDARY, services, place="Toytown")


def test_the_boundary_of_a_place(tmp_path, services, capsys):
    point = found() | {"geojson": {"type": "Point", "coordinates": [10, 50]}, "importance": 0.9}
    services.search = [
        (200, json.dumps([found(importance=0.1, name="x"), point, found(AREA - HOLE)]).encode())
    ]
    land, request = asked(tmp_path, BOUNDARY, services, place="Toytown")
    assert list(land.columns) == ["geometry"]
    assert land.crs == 4326
    assert land.geometry[0].symmetric_difference(AREA - HOLE).area < 1e-12
    assert "took Toytown, Toyland (R16)" in capsys.readouterr().out
    query = parse_qs(urlsplit(services.asked[0][0]).query)
    assert query["q"] == ["Toytown"]
    assert query["polygon_geojson"] == ["1"]
    assert services.asked[0][1].startswith("musecl ")
    assert {record["file"].split("/")[0] for record in request.records} == {
        "place.geojson",
        "nominatim",
        "overpass",
    }


def test_a_boundary_by_number_with_districts_and_coast(tmp_path, services):
    services.search = [(200, json.dumps([found()]).encode())]
    services.interpreter = [answer([*boundary(), *coast()])]
    land, _ = asked(tmp_path, BOUNDARY, services, osm_id="R16", district_level=9)
    assert services.asked[0][0].startswith("/lookup?")
    assert land["district"].tolist() == ["East", "West"]
    dry = box(10.005, 50.0, 10.02, 50.01)
    assert shapely.union_all(land.geometry).symmetric_difference(dry).area < 1e-12
    query = parse_qs(services.asked[-1][2])["data"][0]
    assert "relation['admin_level'='9'](poly:" in query


@pytest.mark.parametrize("settings", [{"place": "Nowhere"}, {"osm_id": "R1"}])
def test_a_place_that_is_not_there(tmp_path, services, settings):
    with pytest.raises(InputError, match=r"OpenStreetMap knows no place '(Nowhere|R1)'"):
        asked(tmp_path, BOUNDARY, services, **settings)


@pytest.mark.parametrize("settings", [{"place": "Well"}, {"osm_id": "R1"}])
def test_a_place_without_an_outline(tmp_path, services, settings):
    row = found() | {"geojson": {"type": "Point", "coordinates": [10, 50]}}
    services.search = [(200, json.dumps([row]).encode())]
    with pytest.raises(InputError, match=r"no outline of '(Well|R1)', only a point or a line"):
        asked(tmp_path, BOUNDARY, services, **settings)


def test_an_invalid_outline_is_one_line(tmp_path, services):
    bow = shapely.Polygon([(10, 50), (10.02, 50.01), (10.02, 50), (10, 50.01)])
    services.search = [(200, json.dumps([found(bow)]).encode())]
    with pytest.raises(InputError, match=r"outline of 'Bow' is invalid \(Self-intersection"):
        asked(tmp_path, BOUNDARY, services, place="Bow")


def test_roads_come_the_same_way(tmp_path, services):
    services.interpreter = [answer(roads())]
    server = online.Services(services.url, services.url, tmp_path)
    answers = online.fetch_features(server, AREA, {"highway": list(ROADS)})
    write_file(answers, tmp_path / "roads.osm.pbf")
    wanted = Roads(AREA)
    scan(tmp_path / "roads.osm.pbf", wanted)
    assert wanted.table()["name"].tolist() == ["Main Street", ""]
    query = parse_qs(services.asked[-1][2])["data"][0]
    assert "way['highway'='residential'](poly:" in query
    assert "footway" not in query


def test_a_recorded_answer(tmp_path, services):
    data = shared("open_samples", "overpass", "osm2geojson_meta.json").read_bytes()
    services.interpreter = [(200, data)]
    table, request = asked(tmp_path, POIS, services, box(26.2, 50.6, 26.3, 50.7))
    assert "memorial" in set(table["category"])
    assert request.records[0]["timestamp"] == "2021-11-22T23:48:40Z"


@pytest.mark.parametrize(
    "name", ["area-01", "relation-04", "osm2geojson_issue-35", "osm2geojson_center-feature"]
)
def test_recorded_answers_without_pois(tmp_path, services, name):
    """Areas of Overpass itself, and relations whose ways are not sent along."""
    data = shared("open_samples", "overpass", f"{name}.json").read_bytes()
    services.interpreter = [(200, data)]
    assert asked(tmp_path, POIS, services, AREA)[0].empty


@pytest.mark.live
def test_a_small_town_as_it_is_today(tmp_path):
    """Asks openstreetmap.org and overpass-api.de, once each and a bit."""
    (tmp_path / "a").mkdir()
    _, wanted = chosen("boundary", {"provider": "osm", "place": "Vaduz, Liechtenstein"})
    request = Request(wanted, tmp_path, None, tmp_path / "a")
    BOUNDARY.fetch(request)
    land = BOUNDARY.read(request.folder, wanted)
    assert 10 < land.to_crs(32632).area.sum() / 1e6 < 25
    assert land.geometry[0].contains(Point(9.5209, 47.1410))
    (tmp_path / "b").mkdir()
    _, wanted = chosen("pois", {"provider": "osm"})
    request = Request(wanted, tmp_path, land, tmp_path / "b")
    POIS.fetch(request)
    pois_ = POIS.read(request.folder, wanted)
    assert {"restaurant", "museum", "hotel"} <= set(pois_["category"])
    assert request.records[0]["timestamp"].startswith("20")


@pytest.mark.parametrize("layer", ["boundary", "pois", "roads"])
@pytest.mark.parametrize("secret", ["me:SECRET@x.org/api", "x.org/api?key=SECRET"])
def test_a_secret_of_a_service_is_refused_and_not_shown(layer: str, secret: str) -> None:
    given = {"provider": "osm", "overpass_url": f"https://{secret}"}
    if layer == "boundary":
        given["place"] = "Lisboa"
    with pytest.raises(ParameterError, match=r"overpass_url.*x\.org/api holds .*git") as caught:
        chosen(layer, given)
    assert "SECRET" not in str(caught.value)
