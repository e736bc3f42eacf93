"""What every section of params.yaml has in common: what it refuses, and how it says so."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from musecl.runtime.errors import instead_of, nearest

Values = TypeVar("Values", bound=Sequence[Any])


def _distinct(values: Values) -> Values:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice")
    return values


# Far above what any setting makes sense with, and far below where a number overflows.
LARGEST = 1_000_000_000
Count = Annotated[int, Field(ge=1, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
Rate = Annotated[float, Field(gt=0, le=1)]
Distinct = Annotated[Values, AfterValidator(_distinct)]


# Keys of earlier versions, and what they are called now: a file that has one is refused.
RENAMED = {
    "answer_keys": "upper_bounds",
    "embed_remote_view": "embed_satellite",
    "headline": "primary",
    "places": "pois",
    "places_weight": "pois_weight",
    "pretrain_remote_view": "pretrain_satellite",
    "remote_view": "satellite",
    "rings": "k_rings",
    "shares_source_with": "label_provenance",
    "text_token": "text_as_input",
}
# Keys of earlier versions without a successor, and what stands for them.
RETIRED = {
    "generated": "the layers of the provider synth hold its settings",
    "scene": "a layer of the sample holds metres_per_pixel",
    "sources": "each layer of a city names its provider",
    "threads": "each job uses the cores that it is given",
}
# Values of earlier versions, where the new one may stand.
RENAMED_VALUES = {
    "number_of_places": "number_of_pois",
    "places": "pois",
    "remote_view": "satellite",
    "remote_view_pretrained": "satellite_pretrained",
}


class Section(BaseModel):
    """A section of params.yaml; a key that it does not name is an error, not a surprise.

    Values are frozen, a number is finite, and true is no number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


def explain(
    error: ValidationError, section: type[Section], above: str = "", beside: Sequence[str] = ()
) -> str:
    """Say in one line which key is wrong and why.

    Parameters
    ----------
    error : ValidationError
        Of `section`. What was renamed or left comes first, then a misspelt key, else the first
        error; the others are counted.
    section : type
        What was read.
    above : str
        The dotted key of the section itself.
    beside : sequence of str
        Further keys that may stand beside those of the section, which another section reads.

    Returns
    -------
    str
        `fuse.aligment: unknown key; did you mean alignment?`
        `fuse.rings: was renamed; write k_rings`
    """
    errors = error.errors()
    unknown = [found for found in errors if found["type"] == "extra_forbidden"]
    known = {
        found["loc"]: [
            *_keys_of(section, found["loc"][:-1]),
            *(beside if len(found["loc"]) == 1 else ()),
        ]
        for found in unknown
    }
    meant = {place: nearest(str(place[-1]), keys) for place, keys in known.items()}
    # The new name of what was renamed is missing.
    renamed = {
        (*found["loc"][:-1], old): new
        for found in errors
        for old, new in RENAMED.items()
        if found["type"] == "missing" and found["loc"][-1] == new
        if old in _written(found["input"])
    }
    retired = [found for found in unknown if found["loc"][-1] in RETIRED]
    misspelt = [found for found in unknown if meant[found["loc"]]]
    first = next(iter([*retired, *misspelt, *filter(_new_value, errors), *errors]))
    where = next(iter(renamed), first["loc"])
    meant |= renamed
    # A misspelt key makes the one that was meant a missing one.
    others = sum(found["loc"] not in (where, (*where[:-1], meant.get(where))) for found in errors)
    if where in renamed:
        reason = f"was renamed; write {renamed[where]}"
    elif first in retired:
        reason = f"left; {RETIRED[str(where[-1])]}"
    elif where in known:
        reason = f"unknown key; {instead_of(str(where[-1]), known[where])}"
    elif first["type"] == "missing":
        reason = "missing; add it"
    elif new := _new_value(first):
        reason = f"{first['input']} was renamed; write {new}"
    else:
        whole = isinstance(first["input"], dict)
        reason = first["msg"] if whole else f"{first['msg']}, got {first['input']!r}"
    key = ".".join([above] * bool(above) + [str(part) for part in where]) or "the file"
    return f"{key}: {reason}" + (f" (and {others} more)" if others else "")


def _new_value(found: ErrorDetails) -> str | None:
    """Say what a choice of an earlier version is called now; None where it was none."""
    given = found["input"]
    new = RENAMED_VALUES.get(given) if isinstance(given, str) else None
    return new if new and f"'{new}'" in found.get("ctx", {}).get("expected", "") else None


def _written(values: dict[str, Any]) -> list[str]:
    """List the keys of a section as they were written; an indicator hands some on to its source."""
    source = values.get("source")
    return [*values, *(source if isinstance(source, dict) else ())]


def _keys_of(section: type[Section], where: tuple[int | str, ...]) -> list[str]:
    """List the keys of a section below another."""
    for part in where:
        if part in section.model_fields:
            inside = _parts(section.model_fields[str(part)].annotation)
            below = [one for one in inside if isinstance(one, type) and issubclass(one, Section)]
            if not below:
                return []
            section = below[0]
    return list(section.model_fields)


def _parts(annotation: Any) -> list[Any]:
    """Take an annotation apart into itself and what it is a choice or a mapping of."""
    return [annotation, *(part for one in get_args(annotation) for part in _parts(one))]
