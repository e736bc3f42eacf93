"""Numbers as people write them in tables."""

import polars as pl

MISSING = ["", "-", "(null)", "null", "none", "nan", "na", "n/a"]
CURRENCY = "$€£¥"
BLANKS = r" \u00a0\u202f"
EXPONENT = r"(?:[eE][-+]?\d+)?$"
#: Thousands apart by commas or blanks, decimals after a point.
GROUPED = rf"^[-+]?\d{{1,3}}(?:[,{BLANKS}]\d{{3}})+(?:\.\d*)?{EXPONENT}"
PLAIN = rf"^[-+]?(?:\d+\.?\d*|\.\d+){EXPONENT}"
#: Thousands apart by points or blanks, decimals after a comma.
COMMA = rf"^[-+]?(?:\d{{1,3}}(?:[.{BLANKS}]\d{{3}})+|\d+),\d+$"


def as_number(values: pl.Series, decimal_comma: bool = False) -> pl.Series:
    """Read cells as numbers.

    A number may stand between blanks, with a currency sign or a percent sign, its thousands apart
    by commas or blanks, its decimals after a point: `$60.00`, `998,002`, ` 7,738,700 `, `1e3`.

    Parameters
    ----------
    values : Series
        N cells, text or numbers.
    decimal_comma : bool
        Take `1,5` and `1.234,5` for numbers too; else they are none. `998,002` is below 1,000
        then.

    Returns
    -------
    Series of Float64
        Finite, null where a cell is no number.
    """
    if values.dtype != pl.String:
        return _finite(values.cast(pl.Float64, strict=False))
    stripped = values.str.strip_chars()
    plain = stripped.cast(pl.Float64, strict=False)
    if not (plain.is_null() & (stripped.fill_null("") != "")).any():
        return _finite(plain)
    text = pl.col("cell")
    bare = text.str.replace(rf"^([-+]?)[{CURRENCY}]\s*", "${1}").str.replace(
        rf"\s*[{CURRENCY}%]$", ""
    )
    groups = bare.str.replace_all(f"[,{BLANKS}]", "")
    commas = bare.str.replace_all(rf"[.{BLANKS}]", "").str.replace(",", ".", literal=True)
    number = (
        pl.when(bare.str.contains(PLAIN))
        .then(bare)
        .when(bare.str.contains(COMMA) & decimal_comma)
        .then(commas)
        .when(bare.str.contains(GROUPED))
        .then(groups)
        .otherwise(None)
    )
    table = stripped.to_frame("cell").select(number.cast(pl.Float64, strict=False))
    return _finite(table.to_series())


def numbers(values: pl.Series, what: str, decimal_comma: bool = False) -> pl.Series:
    """Read cells as `as_number` does, and print how many are empty and how many are no number.

    Empty are `(null)`, `null`, `none`, `na`, `n/a`, `nan`, `-` and nothing.

    Parameters
    ----------
    values : Series
        N cells, text or numbers.
    what : str
        The file and column, for the line that is printed.
    decimal_comma : bool
        As in `as_number`.

    Returns
    -------
    Series of Float64
        Null where a cell is empty or no number.
    """
    found = as_number(values, decimal_comma)
    empty = values.is_null()
    if values.dtype == pl.String:
        empty |= is_missing(values)
    elif values.dtype.is_float():
        empty |= values.is_nan().fill_null(False)
    bad = found.is_null() & ~empty
    if empty.any() or bad.any():
        first = f" (first {values.filter(bad)[0]!r})" if bad.any() else ""
        counts = f"{empty.sum()} of {len(values)} cells are empty, {bad.sum()} are no number"
        print(f"{what}: {counts}{first}")
    return found


def is_missing(values: pl.Series) -> pl.Series:
    """Tell which cells of text stand for nothing."""
    return values.fill_null("").str.strip_chars().str.to_lowercase().is_in(MISSING)


def _finite(values: pl.Series) -> pl.Series:
    table = values.to_frame("number")
    return table.select(pl.when(pl.col("number").is_finite()).then("number")).to_series()
