"""What several modules of tests share."""

import os

# Two workers share two cores: more threads than that would wait for each other. Set before NumPy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from relay_race import Relay, edit_parameter


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Relay:
    """A relay whose every stage ran once, through Snakemake, and was committed; for copies only."""
    relay = Relay.lay(tmp_path_factory.mktemp("built") / "relay")
    relay.snakemake()
    relay.commit("built")
    return relay


@pytest.fixture(scope="session")
def built_city(tmp_path_factory: pytest.TempPathFactory) -> Relay:
    """A relay of one city whose every stage ran once; for copies only."""
    relay = Relay.lay(tmp_path_factory.mktemp("built") / "relay")
    edit_parameter(relay, "cities", {"nyc": {"rows": 3}})
    relay.snakemake()
    relay.commit("built")
    return relay


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first, so that none is left alone at the end."""
    longest = ("test_interruptions.py", "test_engines_at_random.py", "test_world.py")
    items.sort(key=lambda item: item.path.name not in longest)
