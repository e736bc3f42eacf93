"""The whole method in the miniature: end to end, without a network, after a kill, twice."""

import hashlib
import importlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from miniature import ROOT, lay_miniature
from musecl.runtime.job import Job
from musecl.runtime.pipeline import declaration, read_stages
from musecl.runtime.workers import GIVEN
from registry import only, serve
from toy_checkout import ToyPipeline, environment, lines_told

TARGET = "results/nyc/r2.csv"
EVERYTHING = ("all", "tables")
PIPELINES = ("dvc.yaml", "tables/dvc.yaml")
LAYERS = ("boundary", "roads", "pois", "mobility", "satellite", "street_view", "indicators")
FETCHED = [*(f"data/nyc/raw/{layer}" for layer in LAYERS), "data/models/satellite"]
COLUMNS = [
    *("city", "indicator", "method", "predictor", "split"),
    *("r2_mean", "r2_std", "rmse_mean", "rmse_std", "mae_mean", "n_regions", "n_seeds"),
    *("label_provenance", "imagery"),
]
METHODS = {
    *("dummy_mean", "coordinates", "lot_count", "satellite_pretrained", "street_view_pretrained"),
    *("satellite", "street_view", "text", "concat", "musecl"),
}
WITH_MLP = {"concat", "musecl"}
VIEWS = ("satellite", "street_view")
INDICATORS = {
    *("population_density", "number_of_pois", "no_vehicle_share", "bachelor_share"),
    *("mobility_count", "median_household_income", "poverty_share", "unemployment_share"),
    "rent_burden_share",
}

# Every stage that spreads work over its cores, but `transfer`: this miniature has one city.
COMPUTING = sorted(
    {"satellite", "street_view", "embed_text", "evaluate", "model", "predict"}
    | {f"{work}_{view}" for work in ("encode", "pretrain", "embed") for view in VIEWS}
)
# These work with the same functions, and take as long as all others together.
LONG = ("pretrain_baselines", "baselines", "ablations", "inductive")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Cut the network: what tries to leave the machine fails, and is written here."""
    path = tmp_path_factory.mktemp("network") / "refused.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSECL_REFUSED", str(path))
        yield path


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory, refused: Path) -> ToyPipeline:
    """A miniature whose packages came from a registry on loopback, and which then ran without it.

    All that ran started anew, as it does for a user; what the tests then ask is forked.
    """
    packages = ROOT / ".packages"
    assert list(packages.glob("*.whl")), "no packages to serve: run `make test`"
    folder = tmp_path_factory.mktemp("miniature") / "miniature"
    lay_miniature(folder)
    miniature = ToyPipeline(folder, anew=True)
    with serve(packages) as index, only(index):
        miniature.snakemake(*FETCHED)
    with only("http://127.0.0.1:9/simple"):
        miniature.snakemake(TARGET)
        miniature.snakemake(*EVERYTHING)
    return ToyPipeline(folder)


@pytest.fixture(scope="module")
def table(miniature: ToyPipeline) -> pd.DataFrame:
    return pd.read_csv(miniature.folder / TARGET, keep_default_na=False, na_values=["nan", "inf"])


def test_every_indicator_method_and_split_has_a_finite_row(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert set(table["method"]) == METHODS
    assert set(table["indicator"]) == INDICATORS
    assert set(table["split"]) == {"random", "spatial"}
    assert set(table["imagery"]) == {"rendered"}
    numbers = table.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()
    assert not table.duplicated(["indicator", "method", "predictor", "split"]).any()
    with_mlp = set(table.loc[table["predictor"] == "mlp", "method"])
    assert with_mlp == WITH_MLP
    expected = len(INDICATORS) * 2 * (len(METHODS) + len(WITH_MLP))
    assert len(table) == expected


def test_outputs_stand_where_they_are_declared(miniature: ToyPipeline) -> None:
    for name in ("r2.csv", "r2.png", "coverage.csv", "metrics.json", "embeddings.parquet"):
        assert (miniature.folder / "results/nyc" / name).stat().st_size > 0
    # Of a generated city, and between two, alone.
    ran = set(read_stages(miniature.folder)) - {"upper_bound", "transfer"}
    assert {name.partition("@")[0] for name in miniature.entries()} == ran
    for rule in sorted(ran):
        assert list((miniature.folder / "logs").rglob(f"{rule}.log")), rule
        assert list((miniature.folder / "logs").rglob(f"{rule}.tsv")), rule
    assert not list(miniature.folder.rglob(".partial-*"))


def content(path: Path) -> dict[str, str]:
    """The hash of a file, or of every file of a folder, by its path below it."""
    inside = (file for file in path.rglob("*") if file.name != ".snakemake_timestamp")
    files = [path] if path.is_file() else [file for file in inside if file.is_file()]
    return {str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize("stage", [*COMPUTING, *LONG])
def test_any_number_of_workers_writes_the_same_bytes(
    miniature: ToyPipeline, stage: str, monkeypatch
) -> None:
    """Snakemake ran each stage with up to 2; it runs again with 1, 3 and 8, a long one with 3."""
    declared = declaration(miniature.folder, stage, "nyc")
    built = {name: content(miniature.folder / name) for name in declared.outputs}
    module = importlib.import_module(f"musecl.stages.{stage}")
    for workers in (3,) if stage in LONG else (1, 3, 8):
        monkeypatch.setenv(GIVEN, str(workers))
        job = Job(declared, miniature.folder)
        try:
            module.run(job)
            again = {name: content(job.output(name)) for name in declared.outputs}
        finally:
            job.discard()
        assert again == built, workers


def test_nothing_left_the_machine_after_the_fetch(miniature: ToyPipeline, refused: Path) -> None:
    assert not refused.exists(), refused.read_text()


def test_either_engine_then_has_nothing_to_do(miniature: ToyPipeline) -> None:
    assert miniature.snakemake_wants(*EVERYTHING) == miniature.snakemake_wants(TARGET) == set()
    assert miniature.dvc_wants(*PIPELINES) == set()
    assert "up to date" in miniature.run("dvc", "repro")


def test_a_parameter_makes_its_own_stages_stale(miniature: ToyPipeline) -> None:
    path = miniature.folder / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("heads: 4", "heads: 2"))
    assert miniature.snakemake_wants(TARGET) == {"fuse@nyc", "evaluate@nyc"}
    wanted = {"fuse@nyc", "evaluate@nyc", "predict@nyc", "report@nyc", "model@nyc"}
    assert miniature.snakemake_wants() == miniature.dvc_wants() == wanted
    wanted |= {f"{table}@nyc" for table in ("baselines", "ablations", "inductive", "report_tables")}
    assert miniature.snakemake_wants(*EVERYTHING) == miniature.dvc_wants(*PIPELINES) == wanted
    path.write_text(before)
    assert miniature.snakemake_wants(TARGET) == set()


def test_a_wrong_parameter_is_one_line(miniature: ToyPipeline) -> None:
    path = miniature.folder / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("resolution: 8", "resolution: 11"))
    text = miniature.snakemake("-n", TARGET, check=False)
    path.write_text(before)
    lines = lines_told(text)
    assert len(lines) == 1
    assert "regions.resolution" in lines[0]
    assert "Traceback" not in text


def test_a_killed_run_and_a_second_one_give_the_same_bytes(miniature: ToyPipeline) -> None:
    """Forget what was recorded, kill the run in the middle of a training, run again.

    What one view's chain runs is what the other's runs: the street view's stays, and the text.
    """
    first = {
        name: (miniature.folder / name).read_bytes() for name in (TARGET, "results/nyc/r2.png")
    }
    lock = miniature.folder / "dvc.lock"
    recorded = yaml.safe_load(lock.read_text())
    for name in list(recorded["stages"]):
        if not re.match("fetch|regions|embed_text|.*street_view", name):
            del recorded["stages"][name]
    lock.write_text(yaml.safe_dump(recorded))
    miniature.run("rm", "-rf", ".dvc/cache/runs", "results", "data/nyc/satellite_encoder")
    kill_during(miniature, "pretrain_satellite")
    miniature.run("snakemake", "--unlock", "--cores", "1")
    miniature.snakemake(TARGET)
    for name, content in first.items():
        assert (miniature.folder / name).read_bytes() == content, name
    assert not (miniature.folder / ".musecl/scratch").exists() or not list(
        (miniature.folder / ".musecl/scratch").iterdir()
    )


def kill_during(miniature: ToyPipeline, rule: str) -> None:
    """Start a run and kill everything in it as soon as a rule's job has started."""
    running = subprocess.Popen(
        ["snakemake", "--cores", "2", TARGET],
        cwd=miniature.folder,
        env=environment(anew=True),  # a forked one is not in its group of processes
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert running.stdout
    for line in running.stdout:
        if re.search(rf"> exec python workflow/musecl {rule} ", line):
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
