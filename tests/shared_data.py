"""Real data that is too large for this repository; a test without it is skipped and says so."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("MUSECL_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """A file or folder below `shared/data`."""
    path = SHARED / "data" / Path(*parts)
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path
