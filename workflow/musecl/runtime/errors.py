"""The kinds of error that musecl raises on purpose; each is shown as one line and exit status 1.

ParameterError  params.yaml or a preset says something that cannot be: raised where its values
                are checked, or where two of them turn out not to go together.
InputError      a file or a download is missing, damaged or of the wrong form, or holds too little:
                raised where the data is read, and by whatever first needs what it lacks.
DeclarationError  a stage asks for a file or a parameter that dvc.yaml does not declare for it:
                raised by `step`; a mistake in the pipeline, not in the data.
EngineError     Snakemake or DVC is set up or used in a way that the engine glue cannot stand for:
                raised by `engines`.
"""

import difflib
from collections.abc import Iterable


class MuseclError(Exception):
    """Base of every error that is meant for the user: what, where, what to do, in one line."""


class ParameterError(MuseclError):
    """A value in params.yaml is unknown, missing, of the wrong type or out of range."""


class InputError(MuseclError):
    """Data that was read or downloaded is missing, damaged or not what its format promises."""


class DeclarationError(MuseclError):
    """A stage reads or writes something that its entry in dvc.yaml does not name."""


class EngineError(MuseclError):
    """Snakemake or DVC cannot do what was asked without breaking their agreement."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Choose the name that was probably meant; None where none is alike."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def instead_of(name: str, known: Iterable[str]) -> str:
    """Say what may stand in the place of a wrong name: the nearest one, or all that there are."""
    names = list(known)
    near = nearest(name, names)
    return f"did you mean {near}?" if near else f"there is {', '.join(names) or 'none'}"


def first_line(error: Exception) -> str:
    """Take the first line of what another library says, or the name of the error if nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)
