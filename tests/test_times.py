"""Times of every writing, put on the city's clock."""

from datetime import datetime

import polars as pl
import pytest
from pydantic import ValidationError

from musecl.runtime.errors import InputError
from musecl.sources.times import Time, local_times


def local(values, dtype=None, **settings):
    found = local_times(pl.Series(values, dtype=dtype), Time(column="t", **settings), "x")
    assert found.dtype == pl.Datetime("us")
    return found.to_list()


NOON = datetime(2019, 7, 1, 12, 0)


@pytest.mark.parametrize(
    ("written", "settings"),
    [
        ("2019-07-01T12:00:00", {}),
        (" 2019-07-01 12:00 ", {}),
        ("2019-07-01 12:00:00.000", {}),
        ("2019-07-01T10:00:00Z", {"time_zone": "Europe/Madrid"}),
        ("2019-07-01T12:00:00.000+0200", {"time_zone": "Europe/Madrid"}),
        ("2019-07-01T05:30:00-04:30", {"time_zone": "Europe/Madrid"}),
        ("2019-07-01T12:00+02", {"time_zone": "Europe/Madrid"}),
        ('{"$date":"2019-07-01T12:00:00.000+0200"}', {"time_zone": "Europe/Madrid"}),
        ('{ "$date" : "2019-07-01T12:00:00"}', {}),
        ("7/1/19 12:00 PM", {"format": "%m/%d/%y %I:%M %p"}),
        ("7/1/2019 12:00:00", {"format": "%m/%d/%Y %H:%M:%S"}),
        ("01.07.2019 10:00 +0000", {"format": "%d.%m.%Y %H:%M %z", "time_zone": "Europe/Madrid"}),
        ("1561975200", {"format": "epoch", "time_zone": "Europe/Madrid"}),
        ("2019-07-01 10:00:00", {"written_in": "UTC", "time_zone": "Europe/Madrid"}),
    ],
)
def test_noon_in_every_writing(written, settings):
    assert local([written, None, ""], **settings) == [NOON, None, None]


def test_columns_of_parquet():
    assert local([NOON], pl.Datetime("ns")) == [NOON]
    utc = pl.Series([datetime(2019, 7, 1, 10)]).dt.replace_time_zone("UTC")
    assert local(utc, time_zone="Europe/Madrid") == [NOON]
    assert local([1561975200], pl.Int64, format="epoch", time_zone="Europe/Madrid") == [NOON]


def test_both_hours_of_autumn_are_two_and_the_missing_one_of_spring_is_none():
    autumn = ["2019-10-27T00:30:00Z", "2019-10-27T01:30:00Z", "2019-10-27T02:30:00Z"]
    assert [one.hour for one in local(autumn, time_zone="Europe/Madrid")] == [2, 2, 3]
    spring = ["2019-03-31 02:30:00", "2019-03-31 03:30:00"]
    found = local(spring, written_in="Europe/Madrid", time_zone="Europe/Madrid")
    assert found == [None, datetime(2019, 3, 31, 3, 30)]


def test_what_cannot_be_read_is_counted_or_refused(capsys):
    assert local(["2019-07-01T12:00:00"] * 2 + ["soon"]) == [NOON, NOON, None]
    assert "1 of 3 times are not readable" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"2 of 3 times in 't' are not ISO 8601, first '7/1/19'"):
        local(["2019-07-01T12:00:00", "7/1/19", "7/2/19"])
    with pytest.raises(InputError, match="set time_zone"):
        local(["2019-07-01T12:00:00Z"])
    with pytest.raises(InputError, match="set time_zone"):
        local(["0"], format="epoch")
    with pytest.raises(ValidationError, match="no time zone 'Madrid'"):
        Time(column="t", time_zone="Madrid")
