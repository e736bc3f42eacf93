"""What a notebook does with results: read, map, compare, judge."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import musecl
from judged_city import EVALUATE
from made_results import SPLITS, lay_results, vectors_by_region
from pages import ROOT, pages, tracked


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    return lay_results(tmp_path_factory.mktemp("analysis"))


@pytest.fixture(scope="module")
def results(laid):
    return musecl.load_results(laid[0])


def test_results_are_keyed_by_region(results):
    assert results.city == "toy"
    assert results.regions.index.name == results.embeddings.index.name == "region_id"
    assert len(results.regions) == len(results.embeddings) == len(results.fused) == 84
    assert (results.embeddings.shape[1], results.fused.shape[1]) == (20, 8)
    assert results.units == dict.fromkeys(
        ["bachelor_share", "noise", "population_density"], "people per km2"
    )
    assert results.imagery == "rendered"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_lines_of_a_page_run_as_they_stand(page, laid, tmp_path, monkeypatch):
    for folder, name in zip(laid, ("results", "data"), strict=True):
        shutil.copytree(folder, tmp_path / name / "nyc")
    monkeypatch.chdir(tmp_path)
    once = partial(musecl.evaluate_vectors, seeds=1)  # of five: a minute less
    monkeypatch.setattr(musecl, "evaluate_vectors", once)
    (found,) = (one for one in pages() if one.name == page)
    names = {}
    for block in found.blocks("python"):
        exec(block, names)
    assert isinstance(names["results"], musecl.Results)
    assert list(tmp_path.glob("*.png"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that holds the package as pip installs it, from a copy: a build leaves files."""
    pytest.importorskip("setuptools", "77")
    root = tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root / name)
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow/musecl", root / "workflow/musecl", ignore=compiled)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--quiet"]
    building = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", "wheels", "."]
    subprocess.run(building, cwd=root, check=True)
    (wheel,) = root.glob("wheels/*.whl")
    subprocess.run([*pip, "install", *offline, "--target", root / "target", wheel], check=True)
    return root / "target"


def test_the_lines_of_the_readme_run_on_the_installed_package(installed, laid, tmp_path):
    for folder, name in zip(laid, ("results", "data"), strict=True):
        shutil.copytree(folder, tmp_path / name / "nyc")
    (found,) = (one for one in pages() if one.name == "README.md")
    lines = [
        "import functools, musecl",
        "musecl.evaluate_vectors = functools.partial(musecl.evaluate_vectors, seeds=1)",
        *found.blocks("python"),
        "print(musecl.__file__)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(installed)
    assert (tmp_path / "map.png").exists()
    command = [installed / "bin/musecl", "--help"]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(installed)}, check=True)


def test_the_installed_package_holds_every_file_of_the_package(installed):
    named = [name.removeprefix("workflow/") for name in tracked()]
    held = [name for name in named if name.startswith("musecl/")]
    assert [name for name in held if not (installed / name).exists()] == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["photographic+rendered"], "rendered"),
        (["photographic"], "photographic"),
        (["none"], "no"),
        ([], "unknown"),
    ],
)
def test_imagery_is_called_what_it_is(results, said, expected):
    scores = pd.DataFrame({"imagery": said})
    assert replace(results, scores=scores).imagery == expected


@pytest.mark.parametrize("name", ["map.parquet", "embeddings.parquet", "r2.csv"])
def test_a_folder_without_a_file_is_refused(laid, tmp_path, name):
    shutil.copytree(laid[0], tmp_path / "toy")
    (tmp_path / "toy" / name).unlink()
    with pytest.raises(musecl.InputError, match=rf"toy/{name}: absent"):
        musecl.load_results(tmp_path / "toy")


def test_a_map_has_the_unit_and_marks_regions_without_a_value(results):
    axes = musecl.plot_map(results, "bachelor_share", "observed")
    figure = axes.figure
    assert [other.get_ylabel() for other in figure.axes if other is not axes] == ["people per km2"]
    assert "rendered imagery" in axes.get_title()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no value"]
    plt.close(figure)


def test_errors_are_coloured_about_zero(results):
    regions = results.regions.assign(noise_error=np.linspace(-1, 3, 84))
    axes = musecl.plot_map(replace(results, regions=regions), "noise", "error")
    low, high = axes.collections[0].get_clim()
    assert low == -high < -2.5
    plt.close(axes.figure)


def test_a_map_of_nothing_is_refused(results):
    with pytest.raises(musecl.InputError, match="no indicator 'prices'; there are"):
        musecl.plot_map(results, "prices")
    with pytest.raises(musecl.InputError, match="what='guess' is no kind of map"):
        musecl.plot_map(results, "noise", "guess")


def test_similar_regions_are_those_of_the_largest_cosine_beyond_the_rings(results):
    region = results.fused.index[40]
    near = musecl.similar_regions(results, region, count=5, leave_out_k_rings=2)
    centred = results.fused.to_numpy() - results.fused.to_numpy().mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosine = pd.Series(centred @ centred[40], index=results.fused.index)
    import h3

    beyond = cosine.drop([cell for cell in h3.grid_disk(region, 2) if cell in cosine.index])
    assert len(beyond) < 83
    expected = beyond.nlargest(5)
    assert near["region_id"].to_list() == expected.index.to_list()
    np.testing.assert_allclose(near["similarity"], expected, atol=1e-5)
    assert set(near["district"]) <= {"north", "south"}
    assert len(musecl.similar_regions(results, region, 100, leave_out_k_rings=0)) == 83
    with pytest.raises(musecl.InputError, match="no region 'nowhere' in toy"):
        musecl.similar_regions(results, "nowhere")


def test_vectors_are_judged_as_the_pipeline_judges_its_own(laid, results):
    """Its own vectors get its own numbers, and so do the baselines beside them."""
    found = musecl.evaluate_vectors(
        results.embeddings.sample(frac=1, random_state=0),
        laid[1],
        splits=SPLITS,
        folds=EVALUATE["folds"],
        seeds=EVALUATE["seeds"],
        method="musecl",
    )
    own = results.scores[results.scores["method"].isin(["dummy_mean", "coordinates", "musecl"])]
    assert list(found.columns) == [name for name in own.columns if name != "imagery"]
    order = ["indicator", "split", "method"]
    found, own = (table.sort_values(order).reset_index(drop=True) for table in (found, own))
    pd.testing.assert_frame_equal(
        found, own.drop(columns="imagery"), check_dtype=False, rtol=0, atol=1e-4
    )


def test_only_numbers_of_the_citys_regions_are_judged(laid, results):
    vectors = results.embeddings
    elsewhere = vectors.rename(index={vectors.index[0]: "elsewhere"})
    with pytest.raises(musecl.InputError, match="1 regions are not in the region table"):
        musecl.evaluate_vectors(elsewhere, laid[1])
    with pytest.raises(musecl.InputError, match="hold something that is no number"):
        musecl.evaluate_vectors(vectors.assign(name="text"), laid[1])
    with pytest.raises(musecl.InputError, match="hold empty cells"):
        musecl.evaluate_vectors(vectors.where(vectors > 0), laid[1])


def test_random_vectors_do_not_predict(laid, results):
    noise = pd.DataFrame(
        np.random.default_rng(0).normal(size=(84, 5)), index=results.embeddings.index
    ).rename_axis("region_id")
    table = musecl.evaluate_vectors(noise.reset_index(), laid[1], ["random"], folds=3, seeds=2)
    scores = table.set_index(["indicator", "method"])["r2_mean"]
    assert scores["population_density", "vectors"] < 0.2
    assert vectors_by_region(laid[0] / "embeddings.parquet").equals(results.embeddings)


def test_a_city_without_indicators_judges_nothing(laid, results, tmp_path):
    shutil.copyfile(laid[1] / "regions.parquet", tmp_path / "regions.parquet")
    nothing = pd.read_parquet(laid[1] / "indicators.parquet").iloc[:0]
    nothing.to_parquet(tmp_path / "indicators.parquet")
    with pytest.raises(musecl.InputError, match="the city has no indicator"):
        musecl.evaluate_vectors(results.embeddings, tmp_path)


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"seeds": 0}, {"splits": ["blocks"]}])
def test_a_wrong_argument_of_judging_is_one_line(laid, results, wrong):
    with pytest.raises(musecl.InputError, match=next(iter(wrong))) as caught:
        musecl.evaluate_vectors(results.embeddings, laid[1], **wrong)
    assert "\n" not in str(caught.value)
