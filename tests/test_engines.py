"""Snakemake and DVC on the toy pipeline agree on what is stale, whatever happened before."""

import os
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from musecl.timing import read_timings
from toy_checkout import (
    ToyPipeline,
    assert_one_line,
    assert_true_lock,
    edit_parameter,
    environment,
    run_program,
)

EVERYTHING = {
    f"{stage}@{city}"
    for stage in ("fetch", "tile", "pois", "fuse", "evaluate")
    for city in ("nyc", "bos")
}
# Each of another kind (tests/test_leftovers.py has them all).
LEFT = (".digest.py.swp", "digest.py~", ".DS_Store", "._digest.py", ".nfs0001", "Thumbs.db")


@pytest.fixture
def toy(built: ToyPipeline, tmp_path: Path) -> ToyPipeline:
    """A copy of the built toy to break."""
    return built.copy(tmp_path / "toy_pipeline")


def assert_agreement(toy: ToyPipeline, wanted: set[str]) -> None:
    assert toy.dvc_wants() == wanted
    assert toy.snakemake_wants() == wanted


def add_city(toy: ToyPipeline, city: str) -> None:
    (toy.folder / "sources" / f"{city}.txt").write_text("two\n")
    edit_parameter(toy, f"cities.{city}", {"rows": 5})


def put_source(toy: ToyPipeline, text: str) -> None:
    (toy.folder / "sources/nyc.txt").write_text(text)


def edit_code(toy: ToyPipeline, stage: str, salt: str) -> None:
    path = toy.folder / "workflow" / "musecl" / "stages" / f"{stage}.py"
    path.write_text(re.sub(r'SALT = ".*"', f'SALT = "{salt}"', path.read_text()))


def edit_shared_code(toy: ToyPipeline) -> None:
    with (toy.folder / "workflow/musecl/shared/digest.py").open("a") as file:
        file.write("# edited\n")


def results(toy: ToyPipeline) -> dict[str, str]:
    return {str(p): p.read_text() for p in sorted((toy.folder / "results").rglob("*.csv"))}


def stages_run_by(toy: ToyPipeline, engine: str) -> set[str]:
    """Let an engine bring everything up to date; the stages whose step it ran."""
    command = ["snakemake", "--cores", "2"] if engine == "snakemake" else ["dvc", "repro"]
    return set(re.findall(r"Running stage '([^']+)'", toy.run(*command)))


def test_nothing_is_wanted_before_and_everything_after(tmp_path: Path, built: ToyPipeline) -> None:
    assert_agreement(ToyPipeline.lay(tmp_path / "new"), EVERYTHING)
    assert_agreement(built, set())


@pytest.mark.parametrize(
    "command",
    [
        ("snakemake", "-n", "--cores", "1"),
        ("dvc", "repro", "--dry", "--allow-missing", "--force-downstream"),
        ("dvc", "repro", "nothing"),
    ],
)
def test_a_forked_program_answers_as_one_started_anew(
    toy: ToyPipeline, command: tuple[str]
) -> None:
    edit_parameter(toy, "fuse.dim", 64)
    answers = [run_program(command, toy.folder, environment(anew)) for anew in (False, True)]
    assert len({status for status, _ in answers}) == 1
    told, again = (
        # In what order a set is told is another matter.
        sorted(
            sorted(re.findall(r"[^\s,]+", line))
            for line in text.splitlines()
            if re.search("Running stage|rule|reason:|ERROR", line)
        )
        for _, text in answers
    )
    assert told
    assert told == again


@pytest.mark.parametrize(
    ("engine", "edit", "wanted"),
    [
        ("snakemake", lambda r: edit_parameter(r, "fuse.dim", 64), {"fuse", "evaluate"}),
        ("dvc", lambda r: edit_parameter(r, "tile.pixels", 7), {"tile", "fuse", "evaluate"}),
        ("snakemake", lambda r: edit_code(r, "pois", "second"), {"pois", "fuse", "evaluate"}),
        ("dvc", edit_shared_code, EVERYTHING),
        ("snakemake", lambda r: (r.folder / "data/nyc/counts.txt").unlink(), set()),
        (
            "dvc",
            lambda r: edit_parameter(r, "cities.nyc.rows", 9),
            {f"{s}@nyc" for s in ("fetch", "tile", "pois", "fuse", "evaluate")},
        ),
        (
            "snakemake",
            lambda r: put_source(r, "one\n"),
            {f"{s}@nyc" for s in ("fetch", "tile", "pois", "fuse", "evaluate")},
        ),
        ("dvc", lambda r: edit_parameter(r, "cities", {"nyc": {"rows": 3}}), set()),
        (
            "snakemake",
            lambda r: add_city(r, "par"),
            {f"{s}@par" for s in ("fetch", "tile", "pois", "fuse", "evaluate")},
        ),
    ],
    ids=[
        "parameter",
        "upstream",
        "code",
        "code that all share",
        "deleted output",
        "one city",
        "input file",
        "city taken away",
        "new city",
    ],
)
def test_an_edit_is_seen_alike_and_done_once(toy, engine, edit, wanted) -> None:
    edit(toy)
    cities = {f"{w}@{c}" if "@" not in w else w for w in wanted for c in ("nyc", "bos")}
    assert_agreement(toy, cities)
    assert stages_run_by(toy, engine) == cities
    assert_agreement(toy, set())


def test_a_further_dependency_makes_its_stage_stale_and_no_other_that_reads_it(
    toy: ToyPipeline,
) -> None:
    path = toy.folder / "dvc.yaml"
    line = "        - workflow/musecl/stages/pois.py\n"
    path.write_text(path.read_text().replace(line, line + line.replace("pois", "tile")))
    below = {f"{s}@{c}" for s in ("pois", "fuse", "evaluate") for c in ("nyc", "bos")}
    assert_agreement(toy, below)
    # What comes out is the same, so that it ends there.
    assert stages_run_by(toy, "snakemake") == {"pois@nyc", "pois@bos"}
    assert_agreement(toy, set())


def test_what_editors_and_disks_leave_makes_nothing_stale(toy: ToyPipeline) -> None:
    for folder in ("workflow/musecl/shared", "data/nyc/tiles"):
        for name in LEFT:
            (toy.folder / folder / name).write_text("left")
        (toy.folder / folder / ".#digest.py").symlink_to("somebody@a-machine.123:456")
        (toy.folder / folder / ".ipynb_checkpoints").mkdir()
        (toy.folder / folder / ".ipynb_checkpoints/digest.py").write_text("left")
    assert_agreement(toy, set())
    edit_parameter(toy, "fuse.dim", 64)
    assert stages_run_by(toy, "snakemake") == {
        f"{stage}@{city}" for stage in ("fuse", "evaluate") for city in ("nyc", "bos")
    }
    assert_agreement(toy, set())


def test_a_link_that_points_nowhere_is_one_line(toy: ToyPipeline) -> None:
    (toy.folder / "data/nyc/tiles/9.txt").symlink_to("/disk/that/is/not/mounted.txt")
    assert_one_line(toy.snakemake("-n", check=False), "tiles/9.txt", "/disk/that/is/not")


def test_an_edited_output_is_restored_and_not_computed(toy: ToyPipeline) -> None:
    (toy.folder / "results/nyc/r2.csv").write_text("x")
    assert_agreement(toy, {"evaluate@nyc"})
    assert stages_run_by(toy, "dvc") == set()
    assert_agreement(toy, set())


@pytest.mark.parametrize(
    ("there", "back", "edit", "undo"),
    [
        (
            "snakemake",
            "dvc",
            lambda r: edit_parameter(r, "fuse.dim", 64),
            lambda r: edit_parameter(r, "fuse.dim", 32),
        ),
        (
            "dvc",
            "snakemake",
            lambda r: edit_code(r, "pois", "second"),
            lambda r: edit_code(r, "pois", "first"),
        ),
        ("snakemake", "dvc", lambda r: put_source(r, "one\n"), lambda r: put_source(r, "nyc\n")),
        (
            "dvc",
            "snakemake",
            lambda r: add_city(r, "par"),
            lambda r: r.run("git", "checkout", "params.yaml"),
        ),
    ],
    ids=["parameter", "code", "input file", "city list"],
)
def test_there_and_back_is_not_computed_twice(toy: ToyPipeline, there, back, edit, undo) -> None:
    first = results(toy)
    edit(toy)
    assert stages_run_by(toy, there)
    assert results(toy) != first
    undo(toy)
    assert stages_run_by(toy, back) == set()
    assert {name: results(toy)[name] for name in first} == first
    assert_agreement(toy, set())


def test_both_engines_write_the_same(toy: ToyPipeline) -> None:
    edit_parameter(toy, "tile.pixels", 5)
    toy.snakemake()
    by_snakemake = results(toy)
    shutil.rmtree(toy.folder / ".dvc" / "cache")
    shutil.rmtree(toy.folder / "data")
    shutil.rmtree(toy.folder / "results")
    (toy.folder / "dvc.lock").unlink()
    toy.run("dvc", "repro")
    assert results(toy) == by_snakemake


def test_jobs_side_by_side_lose_no_entry(toy: ToyPipeline) -> None:
    for city in ("par", "ber"):
        add_city(toy, city)
    edit_parameter(toy, "tile.pixels", 5)
    toy.run("snakemake", "--cores", "8")
    assert len(toy.entries()) == 20
    assert_true_lock(toy)
    assert_agreement(toy, set())


def test_a_job_on_a_node_pulls_what_the_plan_left_out(toy: ToyPipeline, tmp_path: Path) -> None:
    """As Slurm's job does: another Snakemake, for one rule, where the inputs are absent."""
    toy.run("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    toy.run("dvc", "remote", "modify", "shared", "verify", "true")
    toy.run("dvc", "push")
    edit_parameter(toy, "evaluate.folds", 3)
    shutil.rmtree(toy.folder / "data")
    shutil.rmtree(toy.folder / ".dvc" / "cache")
    on_node = ["--mode", "remote", "--force", "--nolock", "--allowed-rules", "evaluate", "--"]
    toy.snakemake(*on_node, "results/nyc/r2.csv")
    assert toy.snakemake_wants("results/nyc/r2.csv") == set()
    assert not (toy.folder / "data/nyc/source.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--config", "fuse=1"], "params.yaml"),
        (["--rerun-triggers", "mtime", "params"], "rerun-triggers: [mtime]"),
        (["--workflow-profile", "none"], "profiles/default"),
        (["--consider-ancient", "evaluate=fused"], "--consider-ancient"),
        (["--max-checksum-file-size", "100"], "profiles/default"),
        (["--cores", "0"], "--cores 0: nothing could run"),
    ],
)
def test_settings_that_would_part_the_engines_are_refused(toy, arguments, named) -> None:
    text = toy.snakemake(*arguments, check=False)
    assert_one_line(text, named)


def test_another_checkout_is_not_built_by_this_ones_records(
    toy: ToyPipeline, tmp_path: Path
) -> None:
    other = ToyPipeline.lay(tmp_path / "other")
    text = toy.snakemake("--directory", str(other.folder), check=False)
    assert_one_line(text, f"run Snakemake in {toy.folder}")
    assert not (other.folder / "results").exists()


@pytest.mark.parametrize("text", ["stages: [\n", "", "vars: []\n"])
def test_a_broken_dvc_yaml_is_one_line(toy: ToyPipeline, text: str) -> None:
    (toy.folder / "dvc.yaml").write_text(text)
    said = toy.snakemake("-n", check=False)
    assert_one_line(said)


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("results/ncy/r2.csv", "cities has no 'ncy'; did you mean nyc?"),
        ("data/delft/tiles", "cities has no 'delft'; there is nyc, bos"),
        ("results/NYC/compare.csv", "cities has no 'NYC'"),
    ],
)
def test_a_city_that_there_is_not_is_one_line(toy: ToyPipeline, target: str, named: str) -> None:
    assert_one_line(toy.snakemake("-n", target, check=False), f"params.yaml: {named}")


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("evaluate@ncy", "params.yaml: cities has no 'ncy'; did you mean nyc?"),
        ("evaluates@nyc", "dvc.yaml has no stage 'evaluates'; it has fetch, tile"),
        ("evaluate", "evaluate: name a city"),
    ],
)
def test_a_stage_that_there_is_not_is_one_line(toy: ToyPipeline, stage: str, named: str) -> None:
    assert_one_line(toy.run("python", "workflow/musecl", "stage", stage, check=False), named)


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_a_misspelt_section_is_one_line_in_both_engines(toy: ToyPipeline, engine: str) -> None:
    with (toy.folder / "params.yaml").open("a") as file:
        file.write("fuze: {dim: 64}\n")
    edit_parameter(toy, "fuse.dim", 64)
    command = ["snakemake", "--cores", "1"] if engine == "snakemake" else ["dvc", "repro"]
    text = toy.run(*command, check=False)
    assert "musecl: params.yaml: fuze: unknown key; did you mean fuse?" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_a_misspelt_key_stops_the_stages_that_do_not_read_it(toy: ToyPipeline, engine: str) -> None:
    edit_parameter(toy, "fuse.dims", 64)
    edit_parameter(toy, "tile.pixels", 5)
    command = ["snakemake", "--cores", "1"] if engine == "snakemake" else ["dvc", "repro"]
    text = toy.run(*command, check=False)
    assert "musecl: params.yaml: fuse.dims: unknown key; did you mean fuse.dim?" in text
    assert "Traceback" not in text
    assert {"tile@nyc", "tile@bos"} <= toy.dvc_wants()


def test_a_snakemake_that_lacks_a_library_says_how_to_get_it(toy: ToyPipeline) -> None:
    """As one of another environment does; `None` in sys.modules is Python's mark of no module."""
    without = toy.folder.parent / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['dvc'] = None\n")
    variables = {**environment(anew=True), "PYTHONPATH": str(without)}
    status, text = run_program(("snakemake", "-n", "--cores", "1"), toy.folder, variables)
    assert status == 1
    assert_one_line(text, "which runs Snakemake, lacks dvc", "`source .venv/bin/activate`")


def test_a_key_that_stands_twice_is_one_line(toy: ToyPipeline) -> None:
    with (toy.folder / "params.yaml").open("a") as file:
        file.write("fuse:\n  dim: 64\n")
    job = ("python", "workflow/musecl", "stage", "fuse@nyc")
    assert_one_line(toy.run(*job, check=False), "the key fuse stands there twice")


def test_what_is_run_is_what_is_recorded_however_a_number_is_written(toy: ToyPipeline) -> None:
    path = toy.folder / "params.yaml"
    path.write_text(path.read_text().replace("dim: 32", "dim: 040"))
    toy.snakemake()
    assert_true_lock(toy)
    assert toy.entries()["fuse@nyc"]["params"]["params.yaml"] == {"fuse": {"dim": 40}}
    assert_agreement(toy, set())


def test_outputs_from_the_future_hide_no_edit(toy: ToyPipeline) -> None:
    later = time.time() + 2 * 86400
    outputs = [path for top in ("data", "results") for path in (toy.folder / top).rglob("*")]
    for path in outputs:
        os.utime(path, (later, later))
    edit_parameter(toy, "fuse.dim", 64)
    below = {f"{stage}@{city}" for stage in ("fuse", "evaluate") for city in ("nyc", "bos")}
    assert_agreement(toy, below)
    assert stages_run_by(toy, "snakemake") == below
    assert_agreement(toy, set())


def test_programs_of_an_environment_that_is_not_active_run_its_python(toy: ToyPipeline) -> None:
    edit_parameter(toy, "fuse.dim", 64)
    without = {**environment(anew=True), "PATH": "/usr/bin:/bin"}
    program = str(Path(sys.executable).parent / "snakemake")
    status, text = run_program((program, "--cores", "1"), toy.folder, without)
    assert status == 0, text
    edit_parameter(toy, "fuse.dim", 65)
    job = (sys.executable, "workflow/musecl", "stage", "fuse@nyc")
    status, text = run_program(job, toy.folder, without)
    assert status == 0, text


def test_a_login_shell_that_lets_nobody_in_runs_a_job_all_the_same(toy: ToyPipeline) -> None:
    edit_parameter(toy, "fuse.dim", 64)
    variables = {**environment(), "SHELL": "/usr/sbin/nologin"}
    status, text = run_program(("snakemake", "--cores", "1"), toy.folder, variables)
    assert status == 0, text


def test_the_folder_may_be_reached_by_a_link(toy: ToyPipeline, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(toy.folder)
    through = ("-s", str(tmp_path / "link/Snakefile"), "-d", str(tmp_path / "link"))
    edit_parameter(toy, "evaluate.folds", 3)
    text = toy.snakemake(*through)
    assert set(re.findall(r"Running stage '([^']+)'", text)) == {"evaluate@nyc", "evaluate@bos"}
    assert_agreement(toy, set())


@pytest.mark.parametrize("linked", ["data", "results", "data/nyc"])
def test_a_folder_of_outputs_that_is_a_link_is_one_line_at_planning(
    toy: ToyPipeline, tmp_path: Path, linked: str
) -> None:
    (toy.folder / linked).rename(tmp_path / "elsewhere")
    (toy.folder / linked).symlink_to(tmp_path / "elsewhere")
    edit_parameter(toy, "fuse.dim", 64)
    way_out = ("dvc config --local cache.dir PATH", "cache.type symlink")
    assert_one_line(toy.snakemake("-n", check=False), f"{linked} is a link to", *way_out)
    job = ("python", "workflow/musecl", "stage", "fuse@nyc")
    assert_one_line(toy.run(*job, check=False), f"{linked} is a link to")


def test_the_content_may_lie_on_another_disk(toy: ToyPipeline, tmp_path: Path) -> None:
    toy.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "disk/cache"))
    toy.run("dvc", "config", "--local", "cache.type", "symlink")
    edit_parameter(toy, "fuse.dim", 64)
    toy.snakemake()
    assert (toy.folder / "data/nyc/fused.txt").readlink().is_relative_to(tmp_path / "disk")
    assert_agreement(toy, set())


@pytest.mark.parametrize("target", [".git", ".dvc"])
def test_a_folder_without_git_or_dvc_says_how_to_go_on(toy: ToyPipeline, target: str) -> None:
    shutil.rmtree(toy.folder / target)
    way_out = {".git": "git init", ".dvc": "git checkout .dvc"}[target]
    assert_one_line(toy.snakemake("-n", check=False), way_out)


def test_a_forced_run_says_that_it_restored_and_what_computes(toy: ToyPipeline) -> None:
    text = toy.snakemake("-f", "data/nyc/fused.txt")
    said = re.findall(r"note: fuse@nyc: not computed, .*`(.*)`", text)
    assert said == ["dvc repro -f -s fuse@nyc"]
    assert "Running stage" in toy.run(*said[0].split())
    edit_parameter(toy, "fuse.dim", 64)
    assert "not computed" not in toy.snakemake("data/nyc/fused.txt")


def test_log_and_timing_of_the_run_that_built_a_stage_stay(toy: ToyPipeline) -> None:
    logs = toy.folder / "logs"
    shutil.rmtree(logs)
    toy.snakemake("-f", "data/nyc/fused.txt")  # built before, nobody knows in what time
    assert read_timings(logs).empty
    edit_parameter(toy, "fuse.dim", 64)
    toy.snakemake("data/nyc/fused.txt")
    built, timing = (logs / "nyc/fuse.log").read_text(), read_timings(logs)
    assert "Running stage 'fuse@nyc'" in built
    assert list(timing["rule"]) == ["fuse@nyc"]
    for _ in range(2):
        assert "not computed" in toy.snakemake("-f", "data/nyc/fused.txt")
        assert (logs / "nyc/fuse.built.log").read_text() == built
        assert read_timings(logs).equals(timing)
    edit_code(toy, "fuse", "second")
    toy.snakemake("data/nyc/fused.txt")
    assert not read_timings(logs).equals(timing)


@pytest.mark.parametrize("edited", ["results/nyc/r2.csv", "data/nyc/fused.txt"])
def test_what_was_edited_by_hand_is_named_before_it_is_replaced(
    toy: ToyPipeline, edited: str
) -> None:
    before, built = results(toy), (toy.folder / edited).read_text()
    (toy.folder / edited).unlink()
    (toy.folder / edited).write_text("mine\n")
    said = f"note: {edited} is not as it was built; a run replaces it"
    assert said in toy.snakemake("-n")
    text = toy.snakemake()
    assert said in text
    assert "Running stage" not in text
    assert (toy.folder / edited).read_text() == built
    assert results(toy) == before


def test_a_cache_that_cannot_be_written_is_known_before_the_step(
    toy: ToyPipeline, tmp_path: Path
) -> None:
    """Root may write everywhere: what cannot hold a cache, for anybody, is a file."""
    (tmp_path / "file").write_text("")
    toy.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "file/cache"))
    edit_parameter(toy, "fuse.dim", 64)
    text = toy.run("python", "workflow/musecl", "stage", "fuse@nyc", check=False)
    assert_one_line(text, "the cache", "cannot be written", "dvc cache dir --local PATH")
    assert "Running stage" not in text
