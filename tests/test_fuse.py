"""The fusion stage on a tiny city in the real file layout."""

import itertools
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from shapely import Point

from judged_city import FUSE
from musecl.fusion import training
from musecl.fusion.inputs import KINDS
from musecl.runtime.errors import InputError, ParameterError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration, declaration
from musecl.runtime.tables import read_vectors, write_vectors
from musecl.stages import fuse

ROOT = Path(__file__).parents[1]
REGIONS = [f"region {number:02d}" for number in range(40)]
TABLES = [
    "regions",
    "satellite_pairs",
    "satellite_embeddings",
    "satellite_image_embeddings",
    "street_view_embeddings",
    "street_view_image_embeddings",
    "text_embeddings",
]
SETTINGS = FUSE | {"k_rings": 0, "batch": 16, "steps": 6}
DECLARED = Declaration(
    "fuse",
    "toy",
    "",
    tuple(f"data/toy/{table}.parquet" for table in TABLES),
    ("data/toy/fusion", "results/toy/embeddings.parquet", "results/toy/fuse_losses.csv"),
    ("seed", "fuse"),
)
# The first lacks every modality, the next one each.
HAVING = {"satellite": REGIONS[2:], "street_view": [*REGIONS[1:2], *REGIONS[3:]]}
HAVING["text"] = [*REGIONS[1:3], *REGIONS[4:]]


@pytest.fixture
def city(tmp_path):
    """Write a city whose modalities share a latent position; return its folder."""
    generator = np.random.default_rng(4)
    latent = pd.DataFrame(generator.normal(size=(40, 3)), index=REGIONS)
    folder = tmp_path / "data/toy"
    folder.mkdir(parents=True)

    def seen(regions, size):
        values = latent.loc[list(regions)].to_numpy() @ generator.normal(size=(3, size))
        return values + 0.1 * generator.normal(size=values.shape)

    for view, most, sizes in [("satellite", 1, (90, 12)), ("street_view", 3, (70, 12))]:
        keys = pd.DataFrame({"region_id": HAVING[view]})
        whole = {kind: seen(keys.region_id, d) for kind, d in zip(KINDS, sizes, strict=True)}
        write_vectors(folder / f"{view}_embeddings.parquet", keys, **whole)
        rows = [(r, view) for r in HAVING[view] for view in range(1 + REGIONS.index(r) % most)]
        keys = pd.DataFrame(rows, columns=["region_id", "viewpoint"])
        single = {kind: seen(keys.region_id, d) for kind, d in zip(KINDS, sizes, strict=True)}
        write_vectors(folder / f"{view}_image_embeddings.parquet", keys, **single)
    keys = pd.DataFrame({"region_id": HAVING["text"]})
    write_vectors(folder / "text_embeddings.parquet", keys, embedding=seen(keys.region_id, 20))

    place = gpd.GeoSeries([Point(0, row) for row in range(40)], crs=4326)
    beside = [REGIONS[max(row - 1, 0) : row] + REGIONS[row + 1 : row + 2] for row in range(40)]
    columns = {"region_id": REGIONS, "neighbours": beside}
    gpd.GeoDataFrame(columns, geometry=place).to_parquet(folder / "regions.parquet")
    pairs = [(REGIONS[i], REGIONS[(i + k) % 40]) for i in range(5, 40) for k in (1, 2)]
    pairs = pd.DataFrame(pairs, columns=["anchor", "positive"])
    pairs.to_parquet(folder / "satellite_pairs.parquet")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"seed": 3, "fuse": SETTINGS}))
    return tmp_path


def run(city):
    run_job(Job(DECLARED, city), fuse)
    return city / "results/toy/embeddings.parquet"


def test_a_row_per_region_that_has_anything(city, capsys):
    path = run(city)
    keys, fused = read_vectors(path, "fused")
    _, embedding = read_vectors(path, "embedding")
    assert list(keys.region_id) == REGIONS[1:]
    assert fused.shape == (39, 16)
    assert embedding.shape[1] == 16 + 38 + 12 + 38 + 12 + 20 + 3
    assert "39 of 40 regions" in capsys.readouterr().out


def test_the_loss_of_every_step_is_kept(city):
    losses = pd.read_csv(run(city).with_name("fuse_losses.csv"))
    assert losses["step"].to_list() == list(range(SETTINGS["steps"]))
    assert (losses["loss"] > 0).all()
    assert losses["loss"].nunique() > 1


def lack(city, modality):
    """Leave every vector of a modality out, as the stages do of a city that lacks it."""
    for name in ("embeddings", "view_embeddings"):
        path = city / f"data/toy/{modality}_{name}.parquet"
        if path.exists():
            pd.read_parquet(path).iloc[:0].to_parquet(path, index=False)


@pytest.mark.parametrize("modality", ["satellite", "street_view", "text"])
def test_a_modality_that_the_city_lacks_is_no_part(city, modality, capsys):
    _, whole = read_vectors(run(city), "embedding")
    lack(city, modality)
    keys, embedding = read_vectors(run(city), "embedding")
    known = {region for other in {*HAVING} - {modality} for region in HAVING[other]}
    assert list(keys.region_id) == sorted(known)
    assert modality not in capsys.readouterr().out.splitlines()[-1]
    width = {"satellite": 38 + 12, "street_view": 38 + 12, "text": 20}[modality] + 1
    assert whole.shape[1] - embedding.shape[1] == width
    # The last columns say which of the two that are left is present.
    assert embedding[:, -2:].any(axis=0).all()
    assert np.isfinite(embedding).all()


def test_a_city_without_any_modality_is_refused(city):
    for modality in HAVING:
        lack(city, modality)
    with pytest.raises(InputError, match="no modality describes any region; give the city one"):
        run(city)


def test_presence_and_filling_are_as_declared(city):
    keys, embedding = read_vectors(run(city), "embedding")
    for column, modality in enumerate(["satellite", "street_view", "text"], start=-3):
        assert np.array_equal(embedding[:, column], keys.region_id.isin(HAVING[modality]))
    text = embedding[:, -23:-3]
    has = embedding[:, -1] == 1
    assert (~has).sum() == 1
    assert text[~has] == pytest.approx(text[has].mean(0, keepdims=True), abs=1e-5)


def test_every_part_weighs_the_same(city):
    _, embedding = read_vectors(run(city), "embedding")
    edges = np.cumsum([0, 16, 38, 12, 38, 12, 20])
    for start, end in itertools.pairwise(edges):
        # One region in 39 may lack the part and lie at its mean.
        assert embedding[:, start:end].var(0).sum() == pytest.approx(1, abs=0.03)


def test_a_part_keeps_the_geometry_of_its_features(city):
    _, vectors = read_vectors(city / "data/toy/text_embeddings.parquet", "embedding")
    keys, embedding = read_vectors(run(city), "embedding")
    part = embedding[keys.region_id.isin(HAVING["text"]).to_numpy(), -23:-3]
    wanted = vectors - vectors.mean(0)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=2)

    ratio = distances(part).sum() / distances(wanted).sum()
    assert distances(part) == pytest.approx(ratio * distances(wanted), abs=1e-3)


def test_order_of_rows_in_every_table_changes_no_byte(city):
    straight = run(city).read_bytes()
    for number, table in enumerate(TABLES):
        path = city / f"data/toy/{table}.parquet"
        read = gpd.read_parquet if table == "regions" else pd.read_parquet
        read(path).sample(frac=1, random_state=number).reset_index(drop=True).to_parquet(path)
    assert run(city).read_bytes() == straight


def test_the_seed_alone_decides(city):
    torch.manual_seed(11)
    straight = run(city).read_bytes()
    torch.manual_seed(12)
    assert run(city).read_bytes() == straight
    (city / "params.yaml").write_text(yaml.safe_dump({"seed": 4, "fuse": SETTINGS}))
    assert run(city).read_bytes() != straight


def test_a_run_that_was_killed_ends_with_the_same_bytes(city, monkeypatch):
    straight = run(city).read_bytes()
    monkeypatch.setattr(training, "STEPS_PER_CHECKPOINT", 2)
    resumed_from = []

    def killed_after_five(regions, size, seed, step):
        resumed_from.append(step)
        if step == 5:
            raise KeyboardInterrupt
        return draw(regions, size, seed, step)

    draw = training.draw_batch
    with monkeypatch.context() as patch:
        patch.setattr(training, "draw_batch", killed_after_five)
        with pytest.raises(BaseException):  # noqa: B017 (an interrupt is no Exception)
            run(city)
    assert resumed_from == [0, 1, 2, 3, 4, 5]

    def recorded(regions, size, seed, step):
        resumed_from.append(step)
        return draw(regions, size, seed, step)

    monkeypatch.setattr(training, "draw_batch", recorded)
    assert run(city).read_bytes() == straight
    assert resumed_from[6] > 0
    assert not (city / ".musecl/scratch/fuse@toy").exists()


def test_a_region_that_the_table_does_not_hold_is_refused(city):
    path = city / "data/toy/text_embeddings.parquet"
    frame = pd.read_parquet(path).replace({"region_id": {REGIONS[9]: "elsewhere"}})
    frame.to_parquet(path)
    with pytest.raises(InputError, match="elsewhere"):
        run(city)


def test_no_file_with_labels_is_read():
    """The stage reads what it declares, and that is no indicator and no count of trips or lots."""
    declared = declaration(ROOT, "fuse", "nyc")
    data = [path for path in declared.inputs if path.startswith("data/")]
    assert data == [path.replace("/toy/", "/nyc/") for path in DECLARED.inputs]
    assert declared.parameters == ("seed", "fuse")


def test_the_published_fusion_writes_the_fused_vector_alone(city):
    published = {
        "mode": "scalar_attention",
        "text_as_input": False,
        "residual": False,
        "alignment": "mse",
        "views_weight": 0.0,
        "pois_weight": 0.0,
    }
    values = {"seed": 3, "fuse": {**SETTINGS, **published}}
    (city / "params.yaml").write_text(yaml.safe_dump(values))
    path = run(city)
    _, fused = read_vectors(path, "fused")
    _, embedding = read_vectors(path, "embedding")
    assert embedding.shape == (39, 16)
    assert np.array_equal(fused, embedding)


def test_what_is_around_a_region_stands_beside_its_own(city):
    _, own = read_vectors(run(city), "embedding")
    around_too = {"seed": 3, "fuse": {**SETTINGS, "k_rings": 1}}
    (city / "params.yaml").write_text(yaml.safe_dump(around_too))
    _, embedding = read_vectors(run(city), "embedding")
    assert np.array_equal(embedding[:, : own.shape[1]], own)
    # The first region of all has no row, so that the second has one neighbour in the table.
    around = np.stack([own[[1]].mean(0), *((own[:-2] + own[2:]) / 2), own[-2]])
    assert embedding[:, own.shape[1] :] == pytest.approx(around, abs=1e-6)


def test_heads_that_do_not_divide_are_refused_in_one_line(city):
    values = {"seed": 3, "fuse": {**SETTINGS, "heads": 3}}
    (city / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParameterError, match=r"3 heads do not divide an embedding_size of 16$"):
        run(city)
