"""Times in the tables that users bring, as the clock of the city shows them."""

from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import AfterValidator, Field

from musecl.runtime.errors import InputError
from musecl.runtime.section import Section

EPOCH = "epoch"
ISO = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:[.,]\d+)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$"


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r}; try UTC or Europe/Madrid") from error


Zone = Annotated[str, AfterValidator(_known_zone)]


class Time(Section):
    """A column of times."""

    column: str = Field(min_length=1)
    format: str | None = Field(
        None, description="as strptime has it; `epoch` for seconds since 1970; null for ISO 8601"
    )
    time_zone: Zone | None = Field(
        None, description="of the city's clock; times that name a zone, and epochs, are put into it"
    )
    written_in: Zone | None = Field(
        None, description="zone of times that name none; null for the city's clock"
    )


def local_times(column: pl.Series, time: Time, where: str) -> pl.Series:
    """Read times and put them on the clock of the city.

    Parameters
    ----------
    column : Series
        N times: text, datetimes, or numbers of seconds.
    time : Time
        How they are written.
    where : str
        Starts the message.

    Returns
    -------
    Series of Datetime
        N times without zone (microseconds), null where empty or not readable; those are counted
        and printed.

    Raises
    ------
    InputError
        Most times are not readable, or they name a zone and the city's is not given.
    """
    found, moments = _parse(column, time)
    given = column.is_not_null()
    if column.dtype == pl.String:
        given &= column.str.strip_chars() != ""
    failed = given & found.is_null() & moments.is_null()
    if 2 * failed.sum() > given.sum():
        raise InputError(
            f"{where}: {failed.sum()} of {given.sum()} times in {time.column!r} are not "
            f"{'ISO 8601' if time.format is None else time.format}, first "
            f"{column.filter(failed)[0]!r}; set their format in params.yaml"
        )
    if failed.any():
        print(f"{where}: {failed.sum()} of {given.sum()} times are not readable and count as none")
    if time.written_in is not None:
        zoned = found.dt.replace_time_zone(
            time.written_in, ambiguous="earliest", non_existent="null"
        ).dt.convert_time_zone("UTC")
        moments, found = moments.fill_null(zoned), found.clear(len(found))
    if moments.is_not_null().any():
        if time.time_zone is None:
            raise InputError(
                f"{where}: the times in {time.column!r} are moments of a known zone; set time_zone "
                "in params.yaml, such as Europe/Madrid, so that hours are local"
            )
        local = moments.dt.convert_time_zone(time.time_zone).dt.replace_time_zone(None)
        found = found.fill_null(local)
    return found.alias("start")


def _parse(column: pl.Series, time: Time) -> tuple[pl.Series, pl.Series]:
    """Read times: those without a zone as they stand, and those of a known zone in UTC."""
    kind = column.dtype
    if time.format == EPOCH:
        seconds = column.cast(pl.Float64, strict=False)
        return _split((seconds * 1e6).cast(pl.Int64, strict=False).cast(pl.Datetime("us", "UTC")))
    if kind != pl.String:
        # Of a Parquet file; a date alone starts at midnight.
        return _split(
            column.cast(pl.Datetime("us", getattr(kind, "time_zone", None)), strict=False)
        )
    # MongoDB writes {"$date": "..."}.
    text = pl.coalesce(pl.col("t").str.extract(r'^\{\s*"\$date"\s*:\s*"([^"]*)"'), pl.col("t"))
    frame = pl.DataFrame({"t": column}).select(text.str.strip_chars().alias("t"))
    if time.format is not None:
        return _split(frame["t"].str.to_datetime(time.format, time_unit="us", strict=False))
    parts = frame.select(
        pl.col("t").str.extract_groups(ISO).struct.rename_fields(["day", "clock", "rest", "zone"])
    ).unnest("t")
    zone = pl.col("zone")
    digits = zone.str.replace(":", "", literal=True)
    minutes = (
        digits.str.slice(1, 2).cast(pl.Int32, strict=False).fill_null(0) * 60
        + digits.str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    ) * pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    written = pl.concat_str(
        "day", pl.lit(" "), "clock", pl.col("rest").fill_null(":00").str.replace(",", ".")
    ).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    moment = (written - pl.duration(minutes=minutes)).dt.replace_time_zone("UTC")
    both = parts.select(
        pl.when(zone.is_null()).then(written).alias("found"),
        pl.when(zone.is_not_null()).then(moment).alias("moments"),
    )
    return both["found"], both["moments"]


def _split(times: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Tell times without a zone from moments in UTC: a column is either, the other is null."""
    if times.dtype == pl.Datetime("us"):
        return times, pl.Series([None] * len(times), dtype=pl.Datetime("us", "UTC"))
    moments = times.dt.convert_time_zone("UTC")
    return pl.Series([None] * len(times), dtype=pl.Datetime("us")), moments
