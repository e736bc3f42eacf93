"""Transfer between two small cities; what the encoders see is made by hand."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from judged_city import EVALUATE, FUSE
from musecl.fusion.representation import Views
from musecl.stages import transfer
from musecl.step.errors import InputError
from musecl.step.job import Job, run_job
from musecl.step.pipeline import Declaration
from test_evaluate import build_regions

CITIES = ("east", "west")
INPUTS = [f"{city}/{table}.parquet" for city in CITIES for table in ("regions", "indicators")]


def lay(root, labels_of_west):
    """Two cities that follow one law; `west` differs in its labels where the caller asks."""
    generator = np.random.default_rng(1)
    regions = build_regions()
    law = generator.normal(size=(3, 12))
    keys, hidden = {}, {}
    for place, city in enumerate(CITIES):
        folder = root / "data" / city
        folder.mkdir(parents=True)
        here = regions.assign(
            region_id=[f"{city} {name}" for name in regions["region_id"]],
            parent=[f"{city} {name}" for name in regions["parent"]],
            geometry=regions.geometry.translate(xoff=place),
        )
        gpd.GeoDataFrame(here, crs=regions.crs).to_parquet(folder / "regions.parquet")
        hidden[city] = generator.normal(size=(len(here), 3))
        keys[city] = here[["region_id"]]
        values = hidden[city][:, 0] if city == "east" else labels_of_west(hidden[city][:, 0])
        table = pd.DataFrame({"region_id": here["region_id"], "indicator": "density"})
        table.assign(value=values).to_parquet(folder / "indicators.parquet")
    (root / "results/east-to-west").mkdir(parents=True)
    ids = keys["east"]["region_id"].to_numpy()
    pairs = pd.DataFrame({"anchor": ids, "positive": np.roll(ids, 1)})
    pairs.to_parquet(root / "data/east/remote_view_pairs.parquet")
    both = pd.concat([keys[city] for city in CITIES], ignore_index=True)
    vectors = (np.vstack([hidden[city] for city in CITIES]) @ law).astype(np.float32)
    part = transfer.Seen(both, vectors)
    names = [f"{view} {kind}" for view in transfer.VIEWS for kind in transfer.KINDS]
    order = both["region_id"].argsort().to_numpy()
    views = Views(
        list(both["region_id"].iloc[order]), dict.fromkeys(transfer.KINDS, vectors[order])
    )
    return dict.fromkeys([*names, "text"], part), dict.fromkeys(transfer.VIEWS, views)


def run(root, monkeypatch, labels_of_west=lambda values: values):
    seen = lay(root, labels_of_west)
    monkeypatch.setattr(transfer, "read_both", lambda job, source, target: seen)
    declared = Declaration(
        stage="transfer",
        city="east-to-west",
        command="",
        inputs=tuple(f"data/{name}" for name in [*INPUTS, "east/remote_view_pairs.parquet"]),
        outputs=("results/east-to-west/r2.csv",),
        parameters=("seed", "fuse", "evaluate"),
    )
    params = f"seed: 1\nfuse: {FUSE}\nevaluate: {EVALUATE}\n"
    (root / "params.yaml").write_text(params, encoding="utf-8")
    run_job(Job(declared, root), transfer)
    return pd.read_csv(root / "results/east-to-west/r2.csv").set_index("method")


def test_one_law_carries_over(tmp_path, monkeypatch):
    table = run(tmp_path, monkeypatch)
    assert set(zip(table["from"], table["to"], strict=True)) == {("east", "west")}
    assert table.loc["mean", "r2"] <= 0
    for method in ("remote_view_pretrained", "text", "concat", "musecl"):
        assert table.loc[method, "r2"] > 0.9
    assert (table["n_from"] == 84).all() and (table["n_to"] == 84).all()


def test_labels_of_the_other_city_are_not_read(tmp_path, monkeypatch):
    """With its labels turned round the predictions stay: their correlation turns round too."""
    plain = run(tmp_path / "plain", monkeypatch)["correlation"].drop("mean")
    turned = run(tmp_path / "turned", monkeypatch, lambda values: -values)["correlation"]
    np.testing.assert_allclose(turned.drop("mean"), -plain, atol=2e-6)


def test_cities_that_overlap_or_share_no_indicator_are_refused():
    here = pd.DataFrame({"region_id": ["a", "b"]}), np.zeros((2, 1), np.float32)
    there = pd.DataFrame({"region_id": ["b", "c"]}), np.zeros((2, 1), np.float32)
    with pytest.raises(InputError, match="share 1 regions, first 'b'"):
        transfer.join(here, there)
    one, other = (
        pd.DataFrame({"region_id": ["a"], "indicator": [name], "value": [1.0]}) for name in "xy"
    )
    with pytest.raises(InputError, match="no indicator in common"):
        list(transfer.shared_labels(one, other, pd.Series(["a"])))
