"""Checks of Python, the packages, the engines and PyTorch."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import Marker

from musecl.doctor.finding import Finding

OLDEST = (3, 11)
ENGINES = ("snakemake", "dvc")
SHOWN_PACKAGES = 5
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+))?", re.M)
INSTALL = "run `make environment`"


def check_python() -> Finding:
    """Check the version of Python."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        return Finding("fail", f"Python {found}; install 3.11 or later")
    return Finding("ok", f"Python {found}")


def check_packages(lock: Path) -> Finding:
    """Compare the packages with those that requirements.lock pins for this machine."""
    if not lock.exists():
        return Finding("note", f"no {lock.name} here: packages are not compared")
    differ, count = [], 0
    for name, pinned, marker in PINNED.findall(lock.read_text(encoding="utf-8")):
        if marker and not Marker(marker.strip()).evaluate():
            continue
        count += 1
        found = installed(name)
        if found != pinned:
            differ.append(f"{name} {found or 'absent'}, not {pinned}")
    if differ:
        more = f" and {len(differ) - SHOWN_PACKAGES} more" if len(differ) > SHOWN_PACKAGES else ""
        named = ", ".join(differ[:SHOWN_PACKAGES])
        return Finding("fail", f"packages differ from {lock.name}: {named}{more}; {INSTALL}")
    return Finding("ok", f"{count} packages as {lock.name} pins them")


def check_engines() -> Iterator[Finding]:
    """Name the versions of the engines."""
    for engine in ENGINES:
        found = installed(engine)
        if found is None:
            yield Finding("fail", f"{engine} is not installed; {INSTALL}")
        else:
            yield Finding("ok", f"{engine} {found}")


def check_torch() -> Finding:
    """Look for PyTorch, and for a GPU that it can use."""
    try:
        import torch
    except ImportError as error:
        return Finding("fail", f"PyTorch cannot be imported ({error}); {INSTALL}")
    if torch.cuda.is_available():
        return Finding("ok", f"PyTorch {torch.__version__}, GPU {torch.cuda.get_device_name()}")
    if torch.version.cuda:
        text = f"PyTorch {torch.__version__} sees no GPU; where there is one, update its driver"
    else:
        text = (
            f"PyTorch {torch.__version__} is built for processors: no GPU is used; where there is "
            "one, `make environment TORCH=torch` in a new checkout"
        )
    return Finding("note", text)


def installed(package: str) -> str | None:
    """Name the version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
