"""presets/: each loads, changes what it says and nothing else, and can be undone."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from musecl.config import load_params
from musecl.fusion.settings import FuseSettings
from musecl.presets import apply_preset
from musecl.runtime.errors import ParameterError

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


def values_of(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text(encoding="utf-8"))


def leaves(values: Any, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is no section, by its path."""
    if not isinstance(values, dict):
        return {above: values}
    found: dict[tuple[str, ...], Any] = {}
    for key, value in values.items():
        found |= leaves(value, (*above, key))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(SHIPPED, encoding="utf-8")
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    return tmp_path


def test_both_are_there() -> None:
    assert {"ours", "paper"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_changes_what_it_says_and_nothing_else(root: Path, name: str) -> None:
    changes = apply_preset(root, name)
    load_params(root / "params.yaml")
    before = leaves(yaml.safe_load(SHIPPED))
    after = leaves(yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8")))
    assert after == before | leaves(values_of(name))
    changed = {key for key in after if after[key] != before[key]}
    assert {line.partition(":")[0] for line in changes} == {".".join(key) for key in changed}


def test_line_ends_of_windows_are_not_mixed_with_others(root: Path) -> None:
    path = root / "params.yaml"
    path.write_bytes(SHIPPED.replace("\n", "\r\n").encode())
    apply_preset(root, "paper")
    assert b"\r" not in path.read_bytes()


def test_ours_is_what_is_shipped(root: Path) -> None:
    assert apply_preset(root, "ours") == []
    assert (root / "params.yaml").read_text(encoding="utf-8") == SHIPPED


def test_ours_undoes_every_other_preset(root: Path) -> None:
    for name in NAMES:
        apply_preset(root, name)
    apply_preset(root, "ours")
    assert (root / "params.yaml").read_text(encoding="utf-8") == SHIPPED


def test_ours_names_every_key_of_the_sections_of_the_method() -> None:
    shipped, ours = yaml.safe_load(SHIPPED), values_of("ours")
    method = ("satellite", "street_view", "pairs", "encoders", "fuse", "evaluate")
    learned = ("pretrain_satellite", "pretrain_street_view")
    embedded = ("embed_satellite", "embed_street_view", "embed_text")
    for section in (*method, *learned, *embedded):
        assert leaves(ours[section]) == leaves(shipped[section])


def test_the_paper_is_the_published_fusion() -> None:
    settings = FuseSettings(**{**yaml.safe_load(SHIPPED)["fuse"], **values_of("paper")["fuse"]})
    assert (settings.mode, settings.text_as_input, settings.residual) == (
        "scalar_attention",
        False,
        False,
    )
    assert (settings.text_weight, settings.views_weight, settings.pois_weight) == (1, 0, 0)


def test_comments_and_cities_stay(root: Path) -> None:
    own = SHIPPED.replace("seed: 1", "seed: 7 # mine").replace("extent: null", "extent: null # all")
    (root / "params.yaml").write_text(own, encoding="utf-8")
    apply_preset(root, "paper")
    text = (root / "params.yaml").read_text(encoding="utf-8")
    for line in ("seed: 7 # mine", "    extent: null # all", SHIPPED.splitlines()[0]):
        assert f"{line}\n" in text
    assert "    ignored_categories: []\n" in text
    assert "The paper's layers and rate." in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fuse: {modus: add}\n", "broken.yaml: fuse.modus: unknown key"),
        ("fuse: {mode: sum}\n", "broken.yaml: fuse.mode: Input should be 'cross_attention'"),
        ("fuse: {heads: 3}\n", "broken.yaml: fuse: Value error, 3 heads do not divide"),
        ("fuse: [3\n", "broken.yaml: not readable as YAML"),
        ("", "broken.yaml: holds no keys"),
        ("seed: 1\nseed: 2\n", "broken.yaml: the key seed stands there twice"),
    ],
)
def test_a_preset_that_is_wrong_leaves_the_file_as_it_is(
    root: Path, text: str, message: str
) -> None:
    (root / "presets/broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        apply_preset(root, "broken")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (root / "params.yaml").read_text(encoding="utf-8") == SHIPPED
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml", "presets"]


def test_the_command_prints_what_changes_and_names_the_presets(root: Path) -> None:
    def preset(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "workflow/musecl", "preset", name]
        return subprocess.run(command, cwd=root, capture_output=True, text=True)

    shutil.copytree(ROOT / "workflow", root / "workflow")
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
    done = preset("paper")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fuse.mode: cross_attention -> scalar_attention\n" in done.stdout
    again = preset("paper")
    assert again.stdout == "params.yaml is as presets/paper.yaml has it\n"
    unknown = preset("papers")
    assert unknown.returncode == 1
    assert unknown.stderr == f"musecl: no preset 'papers'; there is {', '.join(NAMES)}\n"
