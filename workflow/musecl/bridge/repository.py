"""DVC's repository as every process of musecl opens it."""

from pathlib import Path

from dvc.repo import Repo

import musecl.bridge.lockfile  # noqa: F401  (DVC's repository then reads dvc.lock by entry)


def open_repository(root: Path) -> Repo:
    """Open the repository in `root`; whoever takes its lock waits for it."""
    return Repo(str(root), _wait_for_lock=True)
