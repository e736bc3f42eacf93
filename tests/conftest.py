"""What several modules of tests share."""

import os

# Two workers share two cores: more threads than that would wait for each other. Set before NumPy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from toy_checkout import ToyPipeline, edit_parameter

# What `make test-fast` leaves out: the modules that take long, about the longest first.
SLOW = (
    *("test_miniature", "test_interruptions", "test_engines_at_random", "test_engines"),
    *("test_remotes", "test_experiments", "test_regions", "test_caches", "test_evaluate"),
    *("test_baselines", "test_training", "test_fetch", "test_fetch_models", "test_synth"),
    *("test_fusion", "test_upper_bound_of_methods", "test_representation", "test_lockfile"),
    *("test_no_label_in_pixels", "test_latents", "test_inductive", "test_satellite"),
    *("test_indicators", "test_fuse", "test_pretraining", "test_ablations"),
    *("test_interpolation", "test_presets", "test_figures", "test_null_layers", "test_cities"),
    *("test_city_by_name", "test_layers_apart"),
    *("test_report", "test_report_browser"),
    *("test_asked", "test_analysis", "test_model", "test_predict", "test_run_cost"),
    *("test_flows", "test_perspective"),
    *("test_osm_extract", "test_osm_online", "test_chips", "test_street_view", "test_drawing"),
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> ToyPipeline:
    """A toy whose every stage ran once, through Snakemake, and was committed; for copies only."""
    toy = ToyPipeline.lay(tmp_path_factory.mktemp("built") / "toy_pipeline")
    toy.snakemake()
    toy.commit("built")
    return toy


@pytest.fixture(scope="session")
def built_city(tmp_path_factory: pytest.TempPathFactory) -> ToyPipeline:
    """A toy of one city whose every stage ran once; for copies only."""
    toy = ToyPipeline.lay(tmp_path_factory.mktemp("built") / "toy_pipeline")
    edit_parameter(toy, "cities", {"nyc": {"rows": 3}})
    toy.snakemake()
    toy.commit("built")
    return toy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and start it first: then neither worker is left alone at the end."""
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker("slow")
    items.sort(key=lambda item: [*SLOW, item.path.stem].index(item.path.stem))
