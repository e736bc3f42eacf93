"""Snakemake and DVC on the relay: the same view of what is stale, whatever happened before."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from relay_race import Relay, environment

EVERYTHING = {
    f"{stage}@{city}"
    for stage in ("fetch", "tile", "places", "fuse", "evaluate")
    for city in ("nyc", "bos")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Relay:
    """A relay whose every stage ran once, through Snakemake."""
    relay = Relay.lay(tmp_path_factory.mktemp("built") / "relay")
    relay.snakemake()
    return relay


@pytest.fixture
def relay(built: Relay, tmp_path: Path) -> Relay:
    """A copy of the built relay to break."""
    shutil.copytree(built.folder, tmp_path / "relay", symlinks=True)
    return Relay(tmp_path / "relay")


def assert_agreement(relay: Relay, wanted: set[str]) -> None:
    assert relay.dvc_wants() == wanted
    assert relay.snakemake_wants() == wanted


def edit_parameter(relay: Relay, key: str, value: object) -> None:
    path = relay.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    section = params
    *parents, last = key.split(".")
    for part in parents:
        section = section[part]
    section[last] = value
    path.write_text(yaml.safe_dump(params))


def edit_code(relay: Relay, stage: str, salt: str) -> None:
    path = relay.folder / "workflow" / "musecl" / "stages" / f"{stage}.py"
    path.write_text(re.sub(r'SALT = ".*"', f'SALT = "{salt}"', path.read_text()))


def data_of(relay: Relay) -> dict[Path, bytes]:
    files = (relay.folder / "data").rglob("[!.]*")
    return {path: path.read_bytes() for path in files if path.is_file()}


def results(relay: Relay) -> dict[str, str]:
    return {str(p): p.read_text() for p in sorted((relay.folder / "results").rglob("*.csv"))}


def test_nothing_is_wanted_before_and_everything_after(tmp_path: Path, built: Relay) -> None:
    assert_agreement(Relay.lay(tmp_path / "new"), EVERYTHING)
    assert_agreement(built, set())


@pytest.mark.parametrize(
    ("engine", "edit", "wanted"),
    [
        ("snakemake", lambda r: edit_parameter(r, "fuse.dim", 64), {"fuse", "evaluate"}),
        ("dvc", lambda r: edit_parameter(r, "tile.pixels", 7), {"tile", "fuse", "evaluate"}),
        ("snakemake", lambda r: edit_code(r, "places", "second"), {"places", "fuse", "evaluate"}),
        ("dvc", lambda r: (r.folder / "results/nyc/r2.csv").write_text("x"), {"evaluate@nyc"}),
        ("snakemake", lambda r: (r.folder / "data/nyc/histogram.txt").unlink(), set()),
        (
            "dvc",
            lambda r: edit_parameter(r, "cities.nyc.rows", 9),
            {f"{s}@nyc" for s in ("fetch", "tile", "places", "fuse", "evaluate")},
        ),
    ],
    ids=["parameter", "upstream", "code", "edited output", "deleted output", "one city"],
)
def test_an_edit_is_seen_alike_and_done_once(relay, engine, edit, wanted) -> None:
    edit(relay)
    cities = {f"{w}@{c}" if "@" not in w else w for w in wanted for c in ("nyc", "bos")}
    assert_agreement(relay, cities)
    if engine == "snakemake":
        relay.snakemake()
    else:
        relay.run("dvc", "repro")
    assert_agreement(relay, set())


def test_both_engines_write_the_same(relay: Relay) -> None:
    edit_parameter(relay, "tile.pixels", 5)
    relay.snakemake()
    by_snakemake = results(relay)
    shutil.rmtree(relay.folder / ".dvc" / "cache")
    shutil.rmtree(relay.folder / "data")
    shutil.rmtree(relay.folder / "results")
    (relay.folder / "dvc.lock").unlink()
    relay.run("dvc", "repro")
    assert results(relay) == by_snakemake


def test_there_and_back_is_not_computed_twice(relay: Relay) -> None:
    first = results(relay)
    edit_parameter(relay, "fuse.dim", 64)
    relay.snakemake()
    assert results(relay) != first
    edit_parameter(relay, "fuse.dim", 32)
    # A step that ran again would fail: only the cache can answer.
    edit_digest = relay.folder / "workflow/musecl/job.py"
    edit_digest.write_text("raise RuntimeError('computed again')\n")
    relay.snakemake()
    assert results(relay) == first


def test_a_failing_step_leaves_every_earlier_file(relay: Relay) -> None:
    before = data_of(relay)
    path = relay.folder / "workflow/musecl/stages/tile.py"
    path.write_text("def run(job):\n    job.output('tiles').mkdir()\n    raise SystemExit(3)\n")
    relay.snakemake(check=False)
    assert data_of(relay) == before
    assert {"tile@nyc", "tile@bos"} <= relay.dvc_wants()
    # DVC by itself deletes a stage's outputs before it runs it; they stay in its cache.
    relay.run("dvc", "repro", check=False)
    relay.run("dvc", "checkout")
    assert data_of(relay) == before


class Slow:
    """Makes a stage stop when it starts, until it is let go: two pipes, and nobody polls."""

    def __init__(self, relay: Relay, stage: str) -> None:
        self.started, self.go = relay.folder / "started", relay.folder / "go"
        os.mkfifo(self.started)
        os.mkfifo(self.go)
        path = relay.folder / "workflow/musecl/stages" / f"{stage}.py"
        waiting = (
            "    from pathlib import Path\n"
            "    if Path('started').exists():\n"
            "        Path('started').write_text(job.declared.name)\n"
            "        Path('go').read_text()\n"
        )
        path.write_text(path.read_text().replace("def run(job):\n", f"def run(job):\n{waiting}"))

    def wait_for_start(self) -> str:
        """Block until the stage has started; its name."""
        return self.started.read_text()

    def let_go(self) -> None:
        """Let the stage go on, and others of its kind pass."""
        self.started.unlink()
        self.go.write_text("")


def start(relay: Relay, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=relay.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", "data/nyc/fused.txt"], ["dvc", "repro", "fuse@nyc"]]
)
def test_parameters_edited_in_mid_run_are_not_recorded(relay: Relay, engine: list[str]) -> None:
    slow = Slow(relay, "fuse")
    running = start(relay, *engine)
    slow.wait_for_start()
    edit_parameter(relay, "fuse.dim", 99)
    slow.let_go()
    assert running.wait() != 0
    assert "fuse@nyc" in relay.dvc_wants()
    relay.snakemake()
    assert_agreement(relay, set())


@pytest.mark.parametrize("engine", [["snakemake", "--cores", "1"], ["dvc", "repro"]])
def test_a_killed_run_is_taken_up_by_the_next(relay: Relay, engine: list[str]) -> None:
    slow = Slow(relay, "fuse")
    edit_parameter(relay, "fuse.dim", 7)
    running = start(relay, *engine)
    slow.wait_for_start()
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    slow.started.unlink()
    relay.run("snakemake", "--unlock", "--cores", "1")
    relay.snakemake()
    assert_agreement(relay, set())
    assert not list(relay.folder.rglob(".partial-*"))


def test_a_step_ends_with_the_engine_that_started_it(relay: Relay) -> None:
    slow = Slow(relay, "fuse")
    running = start(relay, "dvc", "repro", "fuse@nyc")
    slow.wait_for_start()
    running.kill()
    running.wait()
    # Its end of the pipe closes when the step is gone, and only then can it be opened no more.
    with pytest.raises(OSError, match="No such device"):
        while True:
            os.close(os.open(slow.go, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--config", "fuse=1"], "params.yaml"),
        (["--rerun-triggers", "mtime", "params"], "--rerun-triggers mtime"),
        (["--workflow-profile", "none"], "profiles/default"),
        (["--max-checksum-file-size", "100"], "profiles/default"),
    ],
)
def test_settings_that_would_part_the_engines_are_refused(relay, arguments, named) -> None:
    text = relay.snakemake(*arguments, check=False)
    line = [line for line in text.splitlines() if line.startswith("musecl: ")]
    assert len(line) == 1
    assert named in line[0]
    assert "Traceback" not in text
