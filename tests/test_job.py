"""What a job may read, and that its outputs appear together, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from bare_pipeline import contents
from musecl.runtime.errors import DeclarationError, InputError, MuseclError, ParameterError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.section import Section

PARAMS = """
seed: 1
threads: 2
cities:
  toy: {extent: {west: 1.5}, sources: {pois: sample}}
fuse: {steps: 10, rate: 0.1}
other: {steps: 3}
"""
DECLARED = Declaration(
    stage="fuse",
    city="toy",
    command="exec python workflow/musecl fuse toy",
    inputs=("data/toy/regions.parquet", "data/toy/source", "workflow/musecl/stages/fuse.py"),
    outputs=("data/toy/table.parquet", "data/toy/images", "results/toy/metrics.json"),
    parameters=("seed", "fuse", "cities.toy.extent"),
)
BEFORE = {
    "data/toy/table.parquet": b"earlier table",
    "data/toy/images/part-000.parquet": b"earlier image",
    "data/toy/images/part-001.parquet": b"earlier image too",
    "results/toy/metrics.json": b"earlier metrics",
}
AFTER = {
    "data/toy/table.parquet": b"table",
    "data/toy/images/part-000.parquet": b"image",
    "results/toy/metrics.json": b"metrics",
}


class FuseSettings(Section):
    steps: int = Field(ge=1)
    rate: float


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline with inputs, and outputs of an earlier run."""
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    inputs = {
        "data/toy/regions.parquet": b"regions",
        "data/toy/source/a/b.csv": b"source",
        "data/toy/undeclared.parquet": b"secret",
        "workflow/musecl/stages/fuse.py": b"code",
    }
    for name, data in (inputs | BEFORE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def write_all(job: Job) -> None:
    """Write each output, the folder among them."""
    job.output("table.parquet").write_bytes(AFTER["data/toy/table.parquet"])
    folder = job.output("images")
    folder.mkdir()
    (folder / "part-000.parquet").write_bytes(AFTER["data/toy/images/part-000.parquet"])
    job.output("metrics.json").write_bytes(AFTER["results/toy/metrics.json"])


def run(root: Path, stage: Callable[[Job], None]) -> None:
    run_job(Job(DECLARED, root), SimpleNamespace(run=stage))


def outputs(root: Path) -> dict[str, bytes]:
    """Every file where outputs stand, partial ones included, less the inputs."""
    inputs = ("data/toy/regions", "data/toy/source", "data/toy/undeclared")
    return {
        name: data
        for name, data in contents(root).items()
        if name.startswith(("data/", "results/")) and not name.startswith(inputs)
    }


def test_outputs_replace_those_of_an_earlier_run(root) -> None:
    assert outputs(root) == BEFORE
    run(root, write_all)
    assert outputs(root) == AFTER


def test_an_output_that_is_linked_elsewhere_is_not_written_through(root) -> None:
    (root / "cache").mkdir()
    for number, name in enumerate(BEFORE):
        (root / name).chmod(0o444)
        (root / "cache" / str(number)).hardlink_to(root / name)
    run(root, write_all)
    assert outputs(root) == AFTER
    assert list(contents(root / "cache").values()) == list(BEFORE.values())


def test_outputs_appear_where_there_were_none(root) -> None:
    for name in BEFORE:
        (root / name).unlink()
    (root / "data/toy/images").rmdir()
    (root / "results/toy").rmdir()
    (root / "results").rmdir()
    run(root, write_all)
    assert outputs(root) == AFTER


def test_a_folder_takes_the_place_of_a_file(root) -> None:
    for path in (root / "data/toy/images").iterdir():
        path.unlink()
    (root / "data/toy/images").rmdir()
    (root / "data/toy/images").write_bytes(b"a file of another version")
    run(root, write_all)
    assert outputs(root) == AFTER


def test_nothing_is_in_place_before_the_stage_has_ended(root) -> None:
    def look(job: Job) -> None:
        write_all(job)
        now = outputs(root)
        assert BEFORE.items() <= now.items()
        assert len(now) == len(BEFORE) + len(AFTER)

    run(root, look)


def test_an_output_keeps_its_ending_and_stands_beside_its_place(root) -> None:
    path = Job(DECLARED, root).output("table.parquet")
    assert path.suffix == ".parquet"
    assert path.parent == root / "data/toy"
    assert path.name != "table.parquet"


@pytest.mark.parametrize("left_out", ["table.parquet", "images", "metrics.json"])
@pytest.mark.parametrize("asked", [True, False])
def test_every_declared_output_must_be_written(root, left_out: str, asked: bool) -> None:
    def forget(job: Job) -> None:
        for name in ("table.parquet", "images", "metrics.json"):
            if name != left_out:
                job.output(name).write_bytes(b"new")
            elif asked:
                job.output(name)

    with pytest.raises(DeclarationError, match=rf"fuse@toy did not write .*/{left_out}, which dvc"):
        run(root, forget)
    assert outputs(root) == BEFORE


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.integers(0, 3),
    error=st.sampled_from([ValueError, InputError, KeyboardInterrupt, SystemExit, MemoryError]),
)
def test_a_failure_at_any_point_leaves_what_was_there(root, written: int, error: type) -> None:
    def fail(job: Job) -> None:
        for name in ("table.parquet", "metrics.json", "images")[:written]:
            if name == "images":
                job.output(name).mkdir()
                (job.output(name) / "half").write_bytes(b"half an image")
            else:
                job.output(name).write_bytes(b"half")
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        run(root, fail)
    assert outputs(root) == BEFORE


def test_partial_files_of_a_killed_run_are_removed(root) -> None:
    for name in ("data/toy/.partial-1-table.parquet", "results/toy/.partial-99-metrics.json"):
        (root / name).write_bytes(b"half")
    (root / "data/toy/.partial-1-images").mkdir()
    (root / "data/toy/.partial-1-images/part-000.parquet").write_bytes(b"half")
    other = root / "data/toy/.partial-1-other.parquet"
    other.write_bytes(b"of another stage that runs now")

    def look(job: Job) -> None:
        assert sorted(root.glob("**/.partial-*")) == [other]
        write_all(job)

    run(root, look)
    assert outputs(root) == AFTER | {"data/toy/.partial-1-other.parquet": other.read_bytes()}


def change_params(root: Path) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(text.replace("steps: 10", "steps: 11"), encoding="utf-8")


def change_city(root: Path) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(text.replace("west: 1.5", "west: 2"), encoding="utf-8")


def change_input(root: Path) -> None:
    (root / "data/toy/regions.parquet").write_bytes(b"other regions")


def touch_input(root: Path) -> None:
    os.utime(root / "data/toy/regions.parquet", ns=(1, 1))


def change_in_folder(root: Path) -> None:
    (root / "data/toy/source/a/b.csv").write_bytes(b"other source")


def add_to_folder(root: Path) -> None:
    (root / "data/toy/source/a/c.csv").write_bytes(b"more")


def remove_from_folder(root: Path) -> None:
    (root / "data/toy/source/a/b.csv").unlink()


def change_code(root: Path) -> None:
    (root / "workflow/musecl/stages/fuse.py").write_bytes(b"edit")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_params, "fuse"),
        (change_city, "cities.toy.extent"),
        (change_input, "data/toy/regions.parquet"),
        (touch_input, "data/toy/regions.parquet"),
        (change_in_folder, "data/toy/source"),
        (add_to_folder, "data/toy/source"),
        (remove_from_folder, "data/toy/source"),
        (change_code, "workflow/musecl/stages/fuse.py"),
    ],
)
def test_what_changes_in_mid_run_is_named_and_nothing_is_published(
    root, change: Callable[[Path], None], named: str
) -> None:
    def stage(job: Job) -> None:
        write_all(job)
        change(root)

    with pytest.raises(InputError, match=rf"^fuse@toy: {named} changed while it ran; nothing was"):
        run(root, stage)
    assert outputs(root) == BEFORE
    run(root, write_all)
    assert outputs(root) == AFTER


def test_what_an_editor_leaves_in_mid_run_is_no_change(root) -> None:
    def stage(job: Job) -> None:
        write_all(job)
        for name in ("data/toy/source/a/.b.csv.swp", "data/toy/source/.DS_Store"):
            (root / name).write_bytes(b"left")
        (root / "data/toy/source/a/.#b.csv").symlink_to("somebody@a-machine.123:456")

    run(root, stage)
    assert outputs(root) == AFTER


def test_a_link_that_points_nowhere_is_named_before_the_stage_runs(root) -> None:
    (root / "data/toy/source/a/c.csv").symlink_to("/disk/that/is/not/mounted.csv")
    with pytest.raises(InputError, match=r"^data/toy/source/a/c.csv: a link to /disk/that/is/not/"):
        Job(DECLARED, root)
    assert outputs(root) == BEFORE


def test_what_the_job_does_not_read_may_change(root) -> None:
    def stage(job: Job) -> None:
        write_all(job)
        (root / "data/toy/undeclared.parquet").write_bytes(b"changed")
        text = (root / "params.yaml").read_text(encoding="utf-8")
        (root / "params.yaml").write_text(text.replace("steps: 3", "steps: 4"), encoding="utf-8")

    run(root, stage)
    assert outputs(root) == AFTER


def test_declared_inputs_and_parameters_can_be_read(root) -> None:
    job = Job(DECLARED, root)
    assert job.city == "toy"
    assert job.input("regions.parquet").read_bytes() == b"regions"
    assert job.input("toy/source").is_dir()
    assert job.value("seed") == 1
    assert job.value("cities.{city}.extent") == {"west": 1.5}
    assert job.settings("fuse", FuseSettings) == FuseSettings(steps=10, rate=0.1)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda job: job.input("undeclared.parquet"), "asks for the input 'undeclared.parquet'"),
        (lambda job: job.input("parquet"), "asks for the input 'parquet'; dvc.yaml declares data"),
        (lambda job: job.input("ions.parquet"), "asks for the input 'ions.parquet'"),
        (lambda job: job.input("table.parquet"), "asks for the input 'table.parquet'"),
        (lambda job: job.output("regions.parquet"), "asks for the output 'regions.parquet'"),
        (lambda job: job.output("other.parquet"), "asks for the output 'other.parquet'"),
        (lambda job: job.value("threads"), "reads parameter 'threads', which dvc.yaml does not"),
        (lambda job: job.value("fuse.steps"), "reads parameter 'fuse.steps'"),
        (lambda job: job.value("cities"), "it declares seed, fuse, cities.toy.extent"),
        (lambda job: job.value("cities.{city}.sources"), "parameter 'cities.toy.sources'"),
        (lambda job: job.settings("other", FuseSettings), "reads parameter 'other'"),
    ],
)
def test_what_dvc_yaml_does_not_declare_cannot_be_used(
    root, use: Callable[[Job], object], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message) as caught:
        use(Job(DECLARED, root))
    assert "\n" not in str(caught.value)


def test_a_name_that_two_inputs_end_with_is_refused(root) -> None:
    declared = Declaration("s", "toy", "", ("data/toy/a/x.csv", "data/toy/b/x.csv"), (), ())
    (root / "data/toy/a").mkdir()
    (root / "data/toy/a/x.csv").write_bytes(b"")
    with pytest.raises(DeclarationError, match=r"declares data/toy/a/x.csv, data/toy/b/x.csv"):
        Job(declared, root).input("x.csv")
    assert Job(declared, root).input("a/x.csv").exists()


def test_an_absent_input_is_named(root) -> None:
    (root / "data/toy/regions.parquet").unlink()
    with pytest.raises(InputError, match=r"^data/toy/regions.parquet: absent; run `dvc repro` or"):
        Job(DECLARED, root).input("regions.parquet")


def test_a_stage_for_all_cities_has_no_city(root) -> None:
    job = Job(Declaration("models", None, "", (), (), ()), root)
    with pytest.raises(DeclarationError, match="models runs without a city"):
        _ = job.city


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 10", "steps: 0", "fuse.steps: Input should be greater than or equal to 1"),
        ("steps: 10", "steps: ten", "fuse.steps: Input should be a valid integer"),
        ("steps: 10,", "", "fuse.steps: missing; add it"),
        ("rate: 0.1", "rate: 0.1, more: 1", "fuse.more: unknown key; there is steps, rate"),
        ("steps: 10", "step: 10", "fuse.step: unknown key; did you mean steps?"),
        ("\nfuse:", "\nfuses:", "fuse: missing; add it"),
        ("toy:", "boston:", "cities.toy.extent: missing; add it"),
        ("extent: {west: 1.5}", "extents: 1", "cities.toy.extent: missing; add it"),
    ],
)
def test_a_wrong_parameter_is_named(root, old: str, new: str, message: str) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (root / "params.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        Job(DECLARED, root).settings("fuse", FuseSettings)
    assert str(caught.value).startswith(f"params.yaml: {message}")
    assert "\n" not in str(caught.value)


def test_numbers_are_read_as_dvc_records_them(root) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("seed: 1", "seed: 010").replace("steps: 10", "steps: 040")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    job = Job(DECLARED, root)
    recorded = load_yaml(str(root / "params.yaml"))
    assert (job.value("seed"), job.value("fuse")) == (recorded["seed"], recorded["fuse"])
    assert (job.value("seed"), job.settings("fuse", FuseSettings).steps) == (10, 40)


def note(job: Job, seen: list[str]) -> None:
    """Leave a checkpoint, and say what was there before it."""
    with job.scratch() as folder:
        seen += [path.read_text(encoding="utf-8") for path in folder.iterdir()]
        (folder / "checkpoint").write_text("of an earlier run", encoding="utf-8")
        raise MuseclError("killed")


def test_scratch_outlives_a_failure_and_is_found_again(root) -> None:
    seen: list[str] = []
    for _ in range(2):
        with pytest.raises(MuseclError, match="killed"):
            run(root, lambda job: note(job, seen))
    assert seen == ["of an earlier run"]

    def finish(job: Job) -> None:
        with job.scratch() as folder:
            seen.append((folder / "checkpoint").read_text(encoding="utf-8"))
        assert not folder.exists()
        write_all(job)

    run(root, finish)
    assert seen == ["of an earlier run"] * 2
    assert not list((root / ".musecl").rglob("*checkpoint*"))


@pytest.mark.parametrize(
    "change", [change_params, change_city, change_input, add_to_folder, change_code]
)
def test_scratch_of_another_state_is_not_found(root, change: Callable[[Path], None]) -> None:
    seen: list[str] = []
    with pytest.raises(MuseclError, match="killed"):
        run(root, lambda job: note(job, seen))
    change(root)
    with pytest.raises(MuseclError, match="killed"):
        run(root, lambda job: note(job, seen))
    assert seen == []
    assert len(list((root / ".musecl").rglob("checkpoint"))) == 1


def test_what_is_edited_before_the_stage_runs_is_seen(root) -> None:
    """Its libraries take seconds to import; what the job has read is from before them."""
    job = Job(DECLARED, root)
    change_params(root)
    with pytest.raises(InputError, match="fuse changed while it ran"):
        run_job(job, SimpleNamespace(run=write_all))
    assert outputs(root) == BEFORE


def test_scratch_is_of_the_state_that_the_job_has_read(root) -> None:
    before, job = (root / "params.yaml").read_text(encoding="utf-8"), Job(DECLARED, root)
    change_params(root)
    seen: list[str] = []
    with pytest.raises(MuseclError, match="killed"):
        note(job, seen)
    (root / "params.yaml").write_text(before, encoding="utf-8")
    with pytest.raises(MuseclError, match="killed"):
        note(Job(DECLARED, root), seen)
    assert seen == ["of an earlier run"]


def test_scratch_lies_apart_from_data_and_other_stages(root) -> None:
    folders = []
    for stage in ("fuse", "other"):
        job = Job(Declaration(stage, "toy", "", (), (), ("seed",)), root)
        with pytest.raises(MuseclError, match="killed"):
            note(job, [])
        folders += (root / ".musecl/scratch" / f"{stage}@toy").rglob("checkpoint")
    assert len(folders) == 2
    assert outputs(root) == BEFORE
