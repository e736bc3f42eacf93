"""The toy pipeline: tiny stages with the same engine glue, to try the two engines on."""

import hashlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import load_yaml

import fork_server

ROOT = Path(__file__).resolve().parents[1]
TOY = ROOT / "tests" / "toy_pipeline"
CONTENT = runpy.run_path(str(TOY / "workflow/musecl/shared/digest.py"))["content"]
LONGEST = 1700  # seconds; what waits for a server that does not answer fails then
IGNORED = "data/\nresults/\nlogs/\n.snakemake/\n.musecl/\n__pycache__/\ndvc_plots/\n"


class ToyPipeline:
    """A checkout of it with its own git and DVC; its programs are forked, or start anew."""

    def __init__(self, folder: Path, anew: bool = False) -> None:
        self.folder = folder
        self.anew = anew

    @classmethod
    def lay(cls, folder: Path) -> "ToyPipeline":
        """Copy it and the code that the engine glue consists of, and start git and DVC."""
        shutil.copytree(TOY, folder)
        package = ROOT / "workflow" / "musecl"
        for name in ("__init__", "__main__", "cli", "commands"):
            shutil.copy(package / f"{name}.py", folder / "workflow" / "musecl")
        shutil.copy(package / "stages" / "__init__.py", folder / "workflow" / "musecl" / "stages")
        for name in ("engines", "runtime"):
            shutil.copytree(package / name, folder / "workflow" / "musecl" / name)
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        shutil.copy(ROOT / ".dvcignore", folder)
        (folder / ".gitignore").write_text(IGNORED)
        toy = cls(folder)
        toy.run("git", "init", "-q")
        toy.run("dvc", "init", "-q")
        shutil.copy(ROOT / ".dvc/config", folder / ".dvc")
        toy.commit("toy_pipeline")
        return toy

    def copy(self, folder: Path) -> "ToyPipeline":
        """A copy to break; what is one file in two places, here and in the cache, stays so."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return ToyPipeline(folder)

    def entries(self) -> dict[str, Any]:
        """The stages of both dvc.lock by name; none where there is no such file."""
        locks = [self.folder / "dvc.lock", self.folder / "tables/dvc.lock"]
        # By DVC's own reader: of another dialect of YAML, it would be another record.
        read = [load_yaml(str(lock))["stages"] for lock in locks if lock.exists()]
        return {name: entry for stages in read for name, entry in stages.items()}

    def asked(self) -> dict[str, list[str]]:
        """The cities that each table was asked for, by the name of its stage."""
        document = yaml.safe_load((self.folder / "tables/asked.yaml").read_text())
        asked: dict[str, list[str]] = document["cities"]
        return asked

    def ask_by_hand(self, cities: list[str]) -> None:
        """Write for which cities the tables are asked, as who uses DVC alone."""
        asked = {"cities": {stage: list(cities) for stage in self.asked()}}
        (self.folder / "tables/asked.yaml").write_text(yaml.safe_dump(asked))

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program of this environment here; its output, both streams."""
        status, text = run_program(command, self.folder, environment(self.anew))
        if check and status:
            raise AssertionError(f"{' '.join(command)} ended with {status}:\n{text}")
        return text

    def start(
        self, *command: str, fault: str = "none:0:none", anew: bool = False
    ) -> subprocess.Popen[str]:
        """Start a program here in a session of its own, with a fault (tests/faults).

        With `anew`, none of its processes is forked (tests/fork_server.py).
        """
        started_in = environment(anew)
        path = f"{ROOT / 'tests' / 'faults'}{os.pathsep}{started_in['PYTHONPATH']}"
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**started_in, "PYTHONPATH": path, "MUSECL_FAULT": fault},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell that starts the tests in the background has them, and this, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        name = ("-c", "user.name=toy", "-c", "user.email=")
        self.run("git", *name, "commit", "-q", "--allow-empty", "-m", message)

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        return self.run("snakemake", "--cores", "2", *arguments, check=check)

    def snakemake_wants(self, *targets: str) -> set[str]:
        """Stages that `snakemake -n` lists, as DVC addresses them."""
        text = self.run("snakemake", "-n", "--cores", "1", *targets)
        jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, re.MULTILINE)
        named = ((rule, re.search(r"wildcards: city=(\w+)", body)) for rule, body in jobs)
        return {f"{rule}@{city[1]}" if city else rule for rule, city in named} - {"all", "tables"}

    def dvc_wants(self, *targets: str) -> set[str]:
        """Stages that DVC would run for the targets, and those below them."""
        text = self.run("dvc", "repro", "--dry", "--allow-missing", "--force-downstream", *targets)
        return stages_run(text)

    def pull_the_absent(self) -> None:
        """Pull recorded outputs that are not here, and touch no other."""
        outs = [out["path"] for entry in self.entries().values() for out in entry["outs"]]
        absent = [path for path in outs if not (self.folder / path).exists()]
        self.run("dvc", "pull", "--allow-missing", *absent, check=False)


def stages_run(text: str) -> set[str]:
    """Stages whose step DVC says that it runs, those of tables/dvc.yaml without its name."""
    return set(re.findall(r"Running stage '(?:tables/dvc.yaml:)?([^']+)'", text))


def edit_parameter(toy: ToyPipeline, key: str, value: object) -> None:
    path = toy.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    section = params
    *parents, last = key.split(".")
    for part in parents:
        section = section[part]
    section[last] = value
    path.write_text(yaml.safe_dump(params))


def write_parameter(toy: ToyPipeline, key: str, word: str) -> None:
    """Write a parameter as this word stands, and not as PyYAML would write what it means."""
    edit_parameter(toy, key, "as it stands")
    path = toy.folder / "params.yaml"
    path.write_text(path.read_text().replace("as it stands", word))


def run_program(
    command: tuple[str, ...], folder: Path, variables: dict[str, str]
) -> tuple[int, str]:
    """Run a program in a folder; its exit status and both of its streams."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    return done.returncode, done.stdout + done.stderr


def environment(anew: bool = False) -> dict[str, str]:
    """The environment of the interpreter that runs the tests; with MUSECL_REFUSED, no network.

    Its programs are forked (tests/fork_server.py), or with `anew` started by themselves.
    """
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if not anew:
        path.insert(0, str(fork_server.programs()))
    cut_off = "MUSECL_REFUSED" in os.environ
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT / "tests" / "no_network") if cut_off else "",
        # DVC would send a report of every command, from a process of its own.
        "DVC_NO_ANALYTICS": "1",
    }


def assert_true_lock(toy: ToyPipeline) -> None:
    """Every output that dvc.lock records is what the recorded inputs give."""
    for name, entry in toy.entries().items():
        expected = expected_outputs(toy, name, entry)
        assert {out["path"]: out["md5"] for out in entry["outs"]} == expected, name


def lines_told(text: str) -> list[str]:
    """What the project itself told in a program's output, a line each.

    Snakemake writes the end of its own line after the line, so ours may follow on it.
    """
    return re.findall(r"(?<![\w/])musecl: .*", text)


def assert_one_line(text: str, *named: str) -> None:
    """A program told the user in one line, with these words in it."""
    lines = lines_told(text)
    assert len(lines) == 1, text
    assert all(name in lines[0] for name in named), lines[0]
    assert "Traceback" not in text


def damaged(cache: Path) -> list[Path]:
    """Objects of a cache whose content is not what their name says."""
    return [
        path
        for path in (cache / "files/md5").rglob("*")
        if path.is_file()
        and hashlib.md5(path.read_bytes()).hexdigest() != path.parent.name + path.stem
    ]


def expected_outputs(toy: ToyPipeline, name: str, entry: dict[str, Any]) -> dict[str, str] | None:
    """Compute anew what a stage writes from what dvc.lock says that it read.

    Returns
    -------
    dict of str to str, or None
        Hash of each output as DVC records it; None where an input is in no cache any more.
    """
    stage = name.partition("@")[0]
    deps = {dep["path"]: dep["md5"] for dep in entry["deps"]}
    module = f"workflow/musecl/stages/{stage}.py"
    written = (TOY / module).read_text()
    salts = {md5(written.replace("first", salt)): salt for salt in ("first", "second")}
    texts = [text_of(toy, path, deps[path]) for path in in_declared_order(stage, deps)]
    if None in texts:
        return None
    values = next(iter(entry.get("params", {"": {}}).values()))
    state = json.dumps([texts, dict(values), salts[deps[module]]], sort_keys=True)
    digest = hashlib.sha256(state.encode()).hexdigest()
    expected = {}
    for out in entry["outs"]:
        path = out["path"]
        if path.endswith("tiles"):
            texts = {f"{part}.txt": f"{path} {part} {digest}\n" for part in range(2)}
            expected[path] = md5_of_folder(texts)
        else:
            expected[path] = md5(CONTENT(path, digest))
    return expected


def in_declared_order(stage: str, deps: dict[str, str]) -> list[str]:
    """The data of a stage in the order that its dvc.yaml lists it."""
    order = ["source.txt", "tiles", "pois.txt", "fused.txt", "counts.txt", "rival.txt"]
    data = [path for path in deps if not path.startswith("workflow/")]
    return sorted(
        data, key=lambda path: order.index(path.rpartition("/")[2]) if stage != "fetch" else 0
    )


def text_of(toy: ToyPipeline, path: str, recorded: str) -> str | None:
    """What the digest reads of a dependency with this hash: a known source, or from the cache."""
    sources = {md5(text): text for text in ("nyc\n", "bos\n", "one\n", "two\n")}
    if recorded in sources:
        return f"{path.rpartition('/')[2]}={sources[recorded]}"
    content = cached(toy, recorded)
    if content is None or not recorded.endswith(".dir"):
        return content and f"{path.rpartition('/')[2]}={content}"
    parts = [(file["relpath"], cached(toy, file["md5"])) for file in json.loads(content)]
    if any(text is None for _, text in parts):
        return None
    return "".join(f"{name}={text}" for name, text in sorted(parts))


def cached(toy: ToyPipeline, recorded: str) -> str | None:
    path = toy.folder / ".dvc/cache/files/md5" / recorded[:2] / recorded[2:]
    return path.read_text() if path.exists() else None


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def md5_of_folder(texts: dict[str, str]) -> str:
    """The name that DVC gives to a folder of these files, none of them in a folder of its own."""
    files = [{"md5": md5(text), "relpath": name} for name, text in sorted(texts.items())]
    return md5(json.dumps(files, sort_keys=True)) + ".dir"
