"""Checks of the disk, the package registry, DVC's cache and remote, and params.yaml."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from musecl.doctor.finding import Finding
from musecl.runtime.errors import MuseclError

# The README says what a run of the sample takes.
NEEDED_GB = 4
# Small, and needed anyway.
ASKED_FOR = "tqdm"
PATIENCE_SECONDS = 60


def check_disk(root: Path) -> Finding:
    """Check what is free where the checkout lies."""
    free = shutil.disk_usage(root).free / 1e9
    if free < NEEDED_GB:
        return Finding(
            "fail", f"{free:.1f} GB free; the sample needs {NEEDED_GB}: make room, or move"
        )
    return Finding("ok", f"{free:.0f} GB free")


def cache_of(root: Path) -> Path:
    """Name the folder of DVC's cache, as it is set up here."""
    try:
        from dvc.repo import Repo

        with Repo(str(root)) as repo:
            return Path(repo.cache.local.path)
    # Without DVC, or with a broken configuration, which other checks tell of.
    except Exception:
        return root / ".dvc/cache/files/md5"


def check_links(cache: Path, data: Path) -> Finding:
    """Check whether a file in DVC's cache can be one with that in `data/`."""
    cache.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.NamedTemporaryFile(dir=cache) as file,
        tempfile.TemporaryDirectory(dir=data) as folder,
    ):
        try:
            os.link(file.name, Path(folder) / "link")
        except OSError as error:
            return Finding(
                "note",
                f"no links from {cache} to {data} ({error.strerror}): DVC copies, and data takes "
                "twice the room; `dvc cache dir` can name a folder on the same disk",
            )
    return Finding("ok", f"{data.name}/ and DVC's cache share files")


def check_registry() -> Finding:
    """Ask the package registry that pip is set up for."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    command += ["--ignore-installed", "--disable-pip-version-check", "--retries=0", ASKED_FOR]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding("fail", f"no registry answers in {PATIENCE_SECONDS} s; {_REGISTRY}")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = said[-1].removeprefix("ERROR: ") if said else "pip gives no reason"
        return Finding("fail", f"the package registry: {reason}; {_REGISTRY}")
    return Finding("ok", "the package registry answers")


_REGISTRY = "see `pip config list`, the proxy and the network"


def check_remote(root: Path) -> Finding:
    """Ask the default remote of DVC, where one is set."""
    try:
        from dvc.repo import Repo
    except ImportError:
        return Finding("note", "DVC is not installed: its remote is not asked")
    try:
        with Repo(str(root)) as repo:
            name = repo.config["core"].get("remote")
            if name is None:
                return Finding(
                    "note",
                    "no DVC remote: results stay here; `dvc remote add -d NAME URL` adds one",
                )
            store = repo.cloud.get_remote_odb(name)
            if store.fs.exists(store.path):
                return Finding("ok", f"the DVC remote {name!r} answers")
            return Finding(
                "fail", f"the DVC remote {name!r} holds no {store.path}; mount or create it"
            )
    # A remote's library raises its own kinds of error.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        return Finding("fail", f"the DVC remote: {reason}; see `dvc remote list`")


def check_params(root: Path) -> Finding:
    """Check params.yaml as a run does."""
    try:
        from musecl.config import load_params

        cities = load_params(root / "params.yaml").cities
    except (MuseclError, ImportError) as error:
        return Finding("fail", " ".join(str(error).split()))
    return Finding("ok", f"params.yaml: {len(cities)} cities ({', '.join(cities)})")
