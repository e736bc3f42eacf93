"""What a check finds."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line of `musecl doctor`.

    Attributes
    ----------
    state : str
        `ok`; `note`: it runs, but know this; `fail`: it does not run.
    text : str
        What was found, and after a semicolon what to do.
    """

    state: Literal["ok", "note", "fail"]
    text: str
