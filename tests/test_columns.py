"""Columns of the user's tables: of any encoding and packing, found by name, ids as text."""

import gzip
import json
import zipfile

import polars as pl
import pytest
from pydantic import ValidationError

from musecl.runtime.errors import InputError
from musecl.sources.columns import TableFile, as_text, collect, scan_columns
from musecl.sources.files import find_file, find_files
from musecl.sources.shapes import read_shapes
from shared_data import shared


def rows_of(path, names, **settings):
    table = TableFile(path=path.name, **settings)
    return collect(scan_columns(path, names, table), path).rows()


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TEXT = 'id,name,n\n094,"Calle de la Coruña, 3",1\n5379.10,,2\n'
EXPECTED = [("094", "Calle de la Coruña, 3"), ("5379.10", None)]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.csv", TEXT.encode(), {}),
        ("a.csv", TEXT.encode("utf-8-sig"), {}),
        ("a.csv", TEXT.encode("iso-8859-1"), {"encoding": "iso-8859-1"}),
        ("a.csv", TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv", TEXT.replace(",", ";").replace("a; 3", "a, 3").encode(), {"separator": ";"}),
        ("a.csv", TEXT.replace("\n", "\r\n").encode(), {}),
        ("a.tsv", TEXT.replace(",", "\t").replace("a\t 3", "a, 3").encode(), {"separator": "\t"}),
        ("a.csv.gz", gzip.compress(TEXT.encode(), mtime=0), {}),
        ("a.csv.gz", gzip.compress(TEXT.encode("latin-1"), mtime=0), {"encoding": "latin-1"}),
        ("a.csv", f"Title of it\n\n{TEXT}".encode(), {"skip_rows": 2}),
        ("a.csv", TEXT.replace("id,name", " id , name").encode(), {}),
    ],
)
def test_csv_of_any_encoding_and_separator(tmp_path, name, content, settings):
    assert rows_of(written(tmp_path / name, content), ["id", "name"], **settings) == EXPECTED


def test_parquet_keeps_types_reaches_into_columns_and_takes_the_first_of_a_list(tmp_path):
    frame = pl.DataFrame({"names": [{"primary": "A"}, {"primary": None}], "k": [["x", "y"], []]})
    frame = frame.with_columns(i=pl.Series([56, 7], dtype=pl.Int32))
    frame.write_parquet(tmp_path / "a.parquet")
    found = rows_of(tmp_path / "a.parquet", ["names.primary", "k", "i", "i"])
    assert found == [("A", "x", 56), (None, None, 7)]


OBJECTS = [
    {"id": "094", "t": {"$date": "2019-05-01T00:00:00Z"}, "a.b": 1.5},
    {"id": 100, "more": [1, 2], "t": "Coruña"},
]


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1"])
def test_json_lines_and_arrays_are_text(tmp_path, array, encoding):
    lines = [json.dumps(row, ensure_ascii=False) for row in OBJECTS]
    text = f"[{', '.join(lines)}]" if array else "\n".join(lines) + "\n\n"
    path = written(tmp_path / "a.json", text.encode(encoding))
    found = rows_of(path, ["id", "t", "t.$date", "a.b"], encoding=encoding)
    assert [row[0] for row in found] == ["094", "100"]
    assert json.loads(found[0][1]) == OBJECTS[0]["t"]
    assert found[0][2:] == ("2019-05-01T00:00:00Z", "1.5")
    assert found[1][1:] == ("Coruña", None, None)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.json"])
def test_a_missing_column_is_named_with_both_sides(tmp_path, name):
    frame = pl.DataFrame({"start_lat": ["1"], "id": ["2"]})
    path = tmp_path / name
    {"a.csv": frame.write_csv, "a.parquet": frame.write_parquet, "a.json": frame.write_ndjson}[
        name
    ](path)
    with pytest.raises(InputError) as error:
        rows_of(path, ["id", "Start Lat"])
    assert str(error.value) == (
        f"{path}: no column 'Start Lat'; params.yaml names id, Start Lat; "
        "the file has start_lat, id"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "not readable"),
        ("a.csv", TEXT.encode("iso-8859-1"), "set its encoding"),
        # A comma in a text without quotes would shift the columns after it.
        ("a.csv", b"name,id,n\nMain St,7,1\nElm St, North,8,1\n", "check its separator"),
        ("a.csv.gz", gzip.compress(b"id,name\n" + b"1,%s\n" * 400, mtime=0)[:-30], "not readable"),
        ("a.csv.zip", b"<!DOCTYPE html>", "not readable"),
        ("a.parquet", b"<html>404</html>", "not readable"),
        ("a.json", b"<html>404</html>", "not readable"),
        ("a.json", b"[1, 2", "not readable"),
        ("a.json", b"[1, 2]", "no object"),
        ("a.json", '{"id": "\xf1", "name": 1}'.encode("iso-8859-1"), "set its encoding"),
        ("a.xlsx", b"PK", "no table"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, name, content, reason):
    path = written(tmp_path / name, content)
    with pytest.raises(InputError, match=reason) as error:
        rows_of(path, ["id", "name"])
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ValidationError, match="no encoding 'latin-x'"):
        TableFile(path="a.csv", encoding="latin-x")


def test_ids_are_text():
    floats = pl.Series("f", [56.0, None, 5379.5, float("nan")])
    found = pl.DataFrame(floats).select(as_text("f", floats.dtype))["f"].to_list()
    assert found == ["56", None, "5379.5", None]
    frame = pl.DataFrame({"t": [" 1.5", "40,25", "", "(null)", None, "nan", "1e3"]})
    found = frame.select(as_text("t", pl.String()))["t"].to_list()
    assert found == ["1.5", "40,25", None, "(null)", None, "nan", "1e3"]


@pytest.mark.parametrize("name", ["a.csv.zip", "a.zip"])
def test_a_table_alone_in_a_zip(tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("folder/a.csv", TEXT)
        archive.writestr("__MACOSX/folder/a.csv", "what a Mac leaves")
    assert rows_of(tmp_path / name, ["id", "name"]) == EXPECTED
    with zipfile.ZipFile(tmp_path / name, "a") as archive:
        archive.writestr("b.csv", TEXT)
    with pytest.raises(InputError, match=r"not readable|no table"):
        rows_of(tmp_path / name, ["id"])


def test_a_page_instead_of_a_table_shows_what_stands_there(tmp_path):
    for name in ("a.csv", "a.csv.gz"):
        path = written(tmp_path / name, "<!DOCTYPE html>\n<p>Log in, please</p>\n")
        with pytest.raises(InputError, match="has <!DOCTYPE html>"):
            rows_of(path, ["id"])


@pytest.mark.parametrize("wrong", [{"separator": ";;"}, {"skip_rows": -1}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        TableFile(path="a.csv", **wrong)


def test_files_are_found_by_pattern_sorted(tmp_path):
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files(tmp_path, "*.csv")] == ["a.csv", "b.csv"]
    with pytest.raises(InputError, match="2 files; name one"):
        find_file(tmp_path, "*.csv")
    with pytest.raises(InputError, match="no such file"):
        find_file(tmp_path, "d.csv")


def test_a_spreadsheet_of_citi_bike_keeps_its_ids():
    path = shared("open_samples", "newyork", "citibike", "citibike_2024-09_sample.csv")
    found = rows_of(path, ["start_station_id"])
    assert len(found) == 10_000
    assert found[0] == ("6170.02",)
    assert any(row[0] is not None and row[0].endswith("0") and "." in row[0] for row in found)


LINK = zipfile.ZipInfo("a.csv")
LINK.external_attr = 0o120777 << 16


@pytest.mark.parametrize(
    ("member", "times", "reason"),
    [
        ("../a.csv", 1, "a path out of it"),
        ("x\\..\\..\\a.csv", 1, "a path out of it"),
        ("/a.csv", 1, "a path out of it"),
        (LINK, 1, "holds the link 'a.csv'"),
        ("a.csv", 17 << 20, "unpacks to 68 MiB, [0-9]{3,} times its bytes; unpack it yourself"),
    ],
)
def test_an_archive_that_may_do_harm_is_refused(tmp_path, member, times, reason):
    path = tmp_path / "a.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(member, "0,0\n" * times)
    with pytest.raises(InputError, match=reason):
        rows_of(path, ["id", "name"])
    with pytest.raises(InputError, match=reason):
        read_shapes(path, [])
