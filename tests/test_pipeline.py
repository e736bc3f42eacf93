"""Looking stages up in a dvc.yaml: cities filled in, and what is asked for wrongly refused."""

from pathlib import Path

import pytest
import yaml

from musecl.runtime.errors import DeclarationError, ParameterError
from musecl.runtime.pipeline import Declaration, check_target, declaration, read_stages

ROOT = Path(__file__).parents[1]
NAMED = {"cities": {"nyc": {}, "synth": {}}, "upper_bounds": ["synth"], "transfers": {}}
DOCUMENT = """
stages:
  models:
    desc: weights
    cmd: exec python workflow/musecl models
    outs: [data/models/text]
  regions:
    foreach: ${cities}
    do:
      desc: cells
      cmd: exec python workflow/musecl regions ${key}
      deps: ["data/${key}/source", workflow/musecl/runtime/job.py]
      params: ["cities.${key}.extent", regions, seed]
      outs: ["data/${key}/regions.parquet", "data/${key}/${key}.tif": {cache: false}]
      metrics: ["results/${key}/metrics.json": {cache: true}]
      plots: ["results/${key}/r2.png"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(DOCUMENT, encoding="utf-8")
    return tmp_path


def test_a_stage_of_a_city(root) -> None:
    found = declaration(root, "regions", "bos")
    assert found == Declaration(
        stage="regions",
        city="bos",
        command="exec python workflow/musecl regions bos",
        inputs=("data/bos/source", "workflow/musecl/runtime/job.py"),
        outputs=(
            "data/bos/regions.parquet",
            "data/bos/bos.tif",
            "results/bos/metrics.json",
            "results/bos/r2.png",
        ),
        parameters=("cities.bos.extent", "regions", "seed"),
    )
    assert found.name == "regions@bos"


def test_a_stage_for_all_cities(root) -> None:
    found = declaration(root, "models")
    assert found.name == "models"
    assert (found.city, found.inputs, found.parameters) == (None, (), ())
    assert found.outputs == ("data/models/text",)


@pytest.mark.parametrize(
    ("stage", "city", "message"),
    [
        ("region", "bos", "dvc.yaml has no stage 'region'; it has models, regions"),
        ("regions", None, "regions: name a city"),
        ("models", "bos", "models: runs without a city"),
    ],
)
def test_what_is_no_stage(root, stage: str, city: str | None, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declaration(root, stage, city)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("stage", "city", "said"),
    [
        ("evaluate", "ncy", "cities has no 'ncy'; did you mean nyc?"),
        ("evaluate", "delft", "cities has no 'delft'; there is nyc, synth"),
        ("upper_bound", "nyc", "upper_bounds has no 'nyc'; there is synth"),
        ("transfer", "nyc-to-nyc", "transfers has no 'nyc-to-nyc'; there is none"),
    ],
)
def test_what_params_yaml_does_not_name(stage: str, city: str, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_target(NAMED, read_stages(ROOT), stage, city)
    assert str(caught.value) == f"params.yaml: {said}"


def test_a_transfer_that_there_is_not_comes_with_the_line_that_adds_it() -> None:
    with pytest.raises(ParameterError, match="transfers has no 'nyc-to-synth'") as caught:
        check_target(NAMED, read_stages(ROOT), "transfer", "nyc-to-synth")
    *_, line, end = str(caught.value).split("`")
    added = {**NAMED, "transfers": yaml.safe_load(line)}
    assert (added["transfers"], end) == ({"nyc-to-synth": {"train": "nyc", "predict": "synth"}}, "")
    check_target(added, read_stages(ROOT), "transfer", "nyc-to-synth")


def test_every_stage_of_this_repository_can_be_looked_up() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    outputs = []
    for stage, entry in read_stages(ROOT).items():
        over = entry.get("foreach", "").strip("${}").partition(".")[0]
        cities = list(params[over]) if over else [None]
        for city in cities:
            found = declaration(ROOT, stage, city)
            outputs += found.outputs
            assert found.outputs
            assert not any("$" in text for text in (found.command, *found.inputs, *found.outputs))
            for key in found.parameters:
                value = params
                for part in key.split("."):
                    value = value[part]
    assert len(set(outputs)) == len(outputs)
