"""The relay: a pipeline of tiny stages with the same bridge, to try the two engines on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RELAY = ROOT / "tests" / "relay"
IGNORED = "data/\nresults/\n.snakemake/\n.musecl/\n__pycache__/\n"


class Relay:
    """A checkout of the relay with its own git and DVC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def lay(cls, folder: Path) -> "Relay":
        """Copy the relay and the code that the bridge consists of, and start git and DVC."""
        shutil.copytree(RELAY, folder)
        package = ROOT / "workflow" / "musecl"
        for name in ("__init__", "__main__", "cli", "engine", "errors", "job", "pipeline"):
            shutil.copy(package / f"{name}.py", folder / "workflow" / "musecl")
        shutil.copy(package / "stages" / "__init__.py", folder / "workflow" / "musecl" / "stages")
        settings = folder / "workflow" / "musecl" / "settings"
        settings.mkdir()
        for name in ("__init__", "base"):
            shutil.copy(package / "settings" / f"{name}.py", settings)
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        shutil.copy(ROOT / ".dvcignore", folder)
        (folder / ".gitignore").write_text(IGNORED)
        relay = cls(folder)
        relay.run("git", "init", "-q")
        relay.run("dvc", "init", "-q")
        relay.run("git", "add", "-A")
        relay.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "relay")
        return relay

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program of this environment here; its output, both streams."""
        done = subprocess.run(
            command, cwd=self.folder, env=environment(), capture_output=True, text=True
        )
        text = done.stdout + done.stderr
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{text}")
        return text

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        return self.run("snakemake", "--cores", "2", *arguments, check=check)

    def snakemake_wants(self, *targets: str) -> set[str]:
        """Stages that `snakemake -n` lists, as DVC addresses them."""
        text = self.run("snakemake", "-n", "--cores", "1", *targets)
        jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE)
        named = ((rule, re.search(r"wildcards: city=(\w+)", body)) for rule, body in jobs)
        return {f"{rule}@{city[1]}" if city else rule for rule, city in named} - {"all"}

    def dvc_wants(self, *targets: str) -> set[str]:
        """Stages that DVC would run for the targets, and those below them."""
        text = self.run("dvc", "repro", "--dry", "--allow-missing", "--force-downstream", *targets)
        return set(re.findall(r"Running stage '([^']+)'", text))


def environment() -> dict[str, str]:
    """The environment of the interpreter that runs the tests, without what a caller may have set."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": ""}
