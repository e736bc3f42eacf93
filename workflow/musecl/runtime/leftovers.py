"""What editors, file managers, network disks and Python leave in a folder: neither code nor data.

DVC leaves out of a folder what .dvcignore names; it names the same, and a test compares the two.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

# The empty file by which git keeps a folder.
KEPT = ".gitkeep"
NAMES = (
    # Hidden: .job.py.swp, .#job.py, .DS_Store, ._a.csv, .nfs0001, .ipynb_checkpoints, ...
    ".*",
    # Editors' copies and tests whether a folder can be written, and what git and patch leave.
    *("*~", "#*#", "~$*", "4913", "*___jb_tmp___", "*___jb_old___", "*.orig", "*.rej"),
    # File managers, and what a disk keeps for itself.
    *("Thumbs.db", "ehthumbs.db", "desktop.ini", "@eaDir", "__MACOSX", "lost+found"),
    *("$RECYCLE.BIN", "System Volume Information", "Icon[!0-9A-Za-z._-]"),
    # Python.
    *("__pycache__", "*.py[cod]"),
)
_LEFT = re.compile("|".join(fnmatch.translate(name) for name in NAMES))


def is_leftover(name: str) -> bool:
    """Whether a file or a folder of this name, without its path, is a leftover."""
    return name != KEPT and _LEFT.match(name) is not None


def without_leftovers(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    """Leave out of the paths below a folder what is a leftover, or lies in one."""
    for path in paths:
        if not any(is_leftover(part) for part in path.relative_to(folder).parts):
            yield path
