"""`musecl doctor`: every check, a line each."""

from collections.abc import Iterator
from pathlib import Path

from musecl.doctor.environment import check_engines, check_packages, check_python, check_torch
from musecl.doctor.finding import Finding
from musecl.doctor.places import (
    cache_of,
    check_disk,
    check_links,
    check_params,
    check_registry,
    check_remote,
)


def examine(root: Path) -> Iterator[Finding]:
    """Check everything, the quickest first; what concerns a checkout only where there is one."""
    yield check_python()
    yield check_packages(root / "requirements.lock")
    yield from check_engines()
    yield check_torch()
    yield check_disk(root)
    if (root / "dvc.yaml").exists():
        yield check_params(root)
        yield check_links(cache_of(root), root / "data")
        yield check_remote(root)
    else:
        yield Finding("note", "no dvc.yaml here: the pipeline runs in a checkout only")
    yield check_registry()


def run_doctor(root: Path) -> bool:
    """Print every finding as it comes; whether nothing fails."""
    failed = 0
    for finding in examine(root):
        failed += finding.state == "fail"
        print(f"{finding.state:4}  {finding.text}", flush=True)
    print(f"{failed} to mend" if failed else "ready")
    return not failed
