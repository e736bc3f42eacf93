"""A stale stage's marker: an input that is newer than its outputs, for Snakemake goes by times.

Outputs may be dated ahead of this clock: copied from a machine whose clock is fast, or written
before this one was set back.
"""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

MARKERS = Path(".snakemake/stale")
# Snakemake dates a folder by this file in it.
DATES = ".snakemake_timestamp"
AHEAD = 2  # seconds: some disks keep times by two


def mark_stale(root: Path, name: str, outputs: Iterable[str]) -> str:
    """Write a stage's marker, newer than each of its outputs; its path for Snakemake.

    Parameters
    ----------
    root : Path
        The folder of dvc.yaml, which Snakemake runs in.
    name : str
        The stage: `fuse@nyc`.
    outputs : iterable of str
        Paths relative to `root`, whether they exist or not.
    """
    # A folder each: Snakemake lists a folder once, and would miss a marker written later.
    marker = root / MARKERS / name / "changed"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(str(uuid.uuid4()))
    dated = [root / path / part for path in outputs for part in ("", DATES)]
    newest = max(map(_time_of, dated), default=0)
    if newest >= marker.stat().st_mtime:
        os.utime(marker, (newest + AHEAD, newest + AHEAD))
    return str(MARKERS / name / "changed")


def _time_of(path: Path) -> float:
    """Tell when a file, or what a link leads to, was changed last; 0 where there is none."""
    try:
        return max(path.lstat().st_mtime, path.stat().st_mtime)
    except OSError:
        return 0
