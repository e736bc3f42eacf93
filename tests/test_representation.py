"""The fusion as a library: what may change when inputs, protocol or settings do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from musecl.fusion.batches import positive_rows
from musecl.fusion.inputs import FusionInputs, ImageVectors, RegionVectors
from musecl.fusion.models import MODES
from musecl.fusion.reduction import fit_reduction
from musecl.fusion.representation import represent
from musecl.fusion.settings import FuseSettings
from musecl.fusion.tokens import lay_out
from musecl.runtime.errors import InputError

REGIONS = [f"region {number:02d}" for number in range(30)]
# The first two lack the street, the last two the text; all have a chip.
HAVING = {"satellite": REGIONS, "street_view": REGIONS[2:], "text": REGIONS[:-2]}
# In a row; the last has none.
NEIGHBOURS = {
    region: REGIONS[max(row - 1, 0) : row] + REGIONS[row + 1 : min(row + 2, 29)]
    for row, region in enumerate(REGIONS[:-1])
} | {REGIONS[-1]: []}
SIZES = {"pretrained": 20, "embedding": 12}
SETTINGS = FuseSettings(
    mode="cross_attention",
    text_as_input=True,
    residual=True,
    k_rings=0,
    embedding_size=8,
    heads=2,
    alignment="infonce",
    temperature=0.1,
    text_weight=1.0,
    views_weight=0.5,
    pois_weight=1.0,
    batch=16,
    steps=3,
    learning_rate=0.01,
)
FIT = np.arange(0, 30, 2)
HELD_OUT = np.arange(1, 30, 2)


def toy_inputs() -> FusionInputs:
    """A city whose modalities share a latent position."""
    generator = np.random.default_rng(4)
    latent = pd.DataFrame(generator.normal(size=(30, 3)), index=REGIONS)

    def seen(regions, size):
        values = latent.loc[regions].to_numpy() @ generator.normal(size=(3, size))
        return (values + 0.1 * generator.normal(size=values.shape)).astype(np.float32)

    parts, views = {}, {}
    for view, most in (("satellite", 1), ("street_view", 3)):
        regions = HAVING[view]
        single = [region for region in regions for _ in range(1 + REGIONS.index(region) % most)]
        kinds = {kind: seen(single, size) for kind, size in SIZES.items()}
        views[view] = ImageVectors(single, kinds)
        for kind, size in SIZES.items():
            parts[f"{view} {kind}"] = RegionVectors(regions, seen(regions, size))
    parts["text"] = RegionVectors(HAVING["text"], seen(HAVING["text"], 10))
    pairs = [(REGIONS[i], REGIONS[(i + k) % 30]) for i in range(3, 30) for k in (1, 2)]
    positives = pd.DataFrame(pairs, columns=["anchor", "positive"])
    return FusionInputs(REGIONS, parts, views, positives, NEIGHBOURS)


def changed(inputs: FusionInputs, modality: str, regions: list[str]) -> FusionInputs:
    """Other values of a modality in some regions."""

    def other(part_regions, vectors):
        rows = np.isin(part_regions, regions)
        return np.where(rows[:, None], vectors[::-1] * 3 + 1, vectors)

    parts = {
        name: RegionVectors(part.region_ids, other(*part)) if name.split()[0] == modality else part
        for name, part in inputs.parts.items()
    }
    views = {
        view: ImageVectors(ids, {kind: other(ids, values) for kind, values in kinds.items()})
        if view == modality
        else ImageVectors(ids, kinds)
        for view, (ids, kinds) in inputs.views.items()
    }
    return replace(inputs, parts=parts, views=views)


def run(tmp_path_factory, inputs, fit_rows=None, **changes):
    settings = SETTINGS.model_copy(update=changes)
    return represent(inputs, settings, 1, tmp_path_factory.mktemp("scratch"), fit_rows)


def same(one, other, rows=slice(None)):
    return all(a[rows].tobytes() == b[rows].tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_represents_every_region(tmp_path_factory, mode):
    fused, embedding = run(tmp_path_factory, toy_inputs(), mode=mode)
    assert fused.shape == (30, 8)
    assert embedding.shape == (30, 8 + 20 + 12 + 20 + 12 + 10 + 3)
    assert fused.dtype == embedding.dtype == np.float32
    assert np.isfinite(fused).all()
    assert np.isfinite(embedding).all()


def test_modes_differ(tmp_path_factory):
    vectors = [run(tmp_path_factory, toy_inputs(), mode=mode)[0].tobytes() for mode in MODES]
    assert len(set(vectors)) == len(MODES)


@pytest.mark.parametrize("modality", HAVING)
def test_what_was_left_out_cannot_matter(tmp_path_factory, modality):
    inputs = toy_inputs()
    other = changed(inputs, modality, REGIONS)
    straight = run(tmp_path_factory, inputs)
    assert not same(straight, run(tmp_path_factory, other))
    without = run(tmp_path_factory, inputs.without(modality))
    assert same(without, run(tmp_path_factory, other.without(modality)))
    assert without[0].shape == straight[0].shape
    # Its vectors, and the column that says where it is present.
    width = 11 if modality == "text" else 33
    assert without[1].shape[1] == straight[1].shape[1] - width


def test_a_single_modality_is_left(tmp_path_factory):
    inputs = toy_inputs().without("street_view").without("text")
    fused, embedding = run(tmp_path_factory, inputs)
    assert np.isfinite(fused).all()
    assert embedding[:, -1:].tolist() == [[1]] * 30


def test_what_is_no_modality_is_refused():
    with pytest.raises(InputError, match="no modality 'street'; there are satellite, street"):
        toy_inputs().without("street")


def test_vectors_are_replaced_by_region_and_in_every_view():
    inputs = toy_inputs()
    vectors = np.random.default_rng(1).normal(size=(28, 5)).astype(np.float32)
    replaced = inputs.replacing("street_view embedding", RegionVectors(REGIONS[2:], vectors))
    views = replaced.views["street_view"]
    for region, values in zip(views.region_ids, views.kinds["embedding"], strict=True):
        assert np.array_equal(values, vectors[REGIONS.index(region) - 2])
    assert views.kinds["pretrained"] is inputs.views["street_view"].kinds["pretrained"]
    assert replaced.parts["street_view embedding"].vectors is vectors
    assert inputs.views["street_view"].kinds["embedding"].shape[1] == 12


def test_replaced_vectors_are_what_is_fused(tmp_path_factory):
    inputs = toy_inputs()
    text = RegionVectors(HAVING["text"], inputs.parts["text"].vectors[::-1].copy())
    assert not same(
        run(tmp_path_factory, inputs), run(tmp_path_factory, inputs.replacing("text", text))
    )


@pytest.mark.parametrize(
    ("name", "regions", "message"),
    [("street", REGIONS, "no part 'street'"), ("text", REGIONS, "text: .* other regions")],
)
def test_vectors_that_cannot_replace_are_refused(name, regions, message):
    with pytest.raises(InputError, match=message):
        toy_inputs().replacing(name, RegionVectors(regions, np.zeros((30, 4), np.float32)))


@pytest.mark.parametrize("modality", HAVING)
@pytest.mark.parametrize("k_rings", [0, 2])
def test_held_out_regions_change_nothing_of_the_others(tmp_path_factory, modality, k_rings):
    """Inductive: the fit does not see them; transductive: it does."""
    inputs = toy_inputs()
    other = changed(inputs, modality, [REGIONS[row] for row in HELD_OUT])
    one, two = (run(tmp_path_factory, those, FIT, k_rings=k_rings) for those in (inputs, other))
    assert same(one, two, FIT)
    assert not same(one, two, HELD_OUT)
    assert not same(run(tmp_path_factory, inputs), run(tmp_path_factory, other), FIT)


def test_a_held_out_region_is_embedded_by_its_own_vectors_alone(tmp_path_factory):
    inputs = toy_inputs()
    other = changed(inputs, "satellite", [REGIONS[7]])
    one, two = run(tmp_path_factory, inputs, FIT), run(tmp_path_factory, other, FIT)
    assert not same(one, two, [7])
    assert same(one, two, [row for row in range(30) if row != 7])


def test_a_region_sees_its_neighbours_and_the_fit_only_its_own(tmp_path_factory):
    inputs = toy_inputs()
    fit = np.arange(20)
    _, own = run(tmp_path_factory, inputs, fit)
    _, embedding = run(tmp_path_factory, inputs, fit, k_rings=2)
    beside, first, second = np.split(embedding, 3, axis=1)
    assert np.array_equal(beside, own)
    for row, near, far in [
        (5, [4, 6], [3, 7]),
        (0, [1], [2]),
        (18, [17, 19], [16]),
        (19, [18], [17]),
        (20, [19, 21], [18, 22]),
    ]:
        assert first[row] == pytest.approx(own[near].mean(0), abs=1e-6)
        assert second[row] == pytest.approx(own[far].mean(0), abs=1e-6)
    assert not first[29].any()
    assert not second[29].any()


def test_inductive_is_as_if_only_the_regions_of_the_fit_were_there(tmp_path_factory):
    inputs = toy_inputs()
    kept = [REGIONS[row] for row in FIT]
    parts = {
        name: RegionVectors(
            [region for region in part.region_ids if region in kept],
            part.vectors[np.isin(part.region_ids, kept)],
        )
        for name, part in inputs.parts.items()
    }
    views = {}
    for view, (ids, kinds) in inputs.views.items():
        rows = np.isin(ids, kept)
        views[view] = ImageVectors(
            [region for region in ids if region in kept],
            {kind: values[rows] for kind, values in kinds.items()},
        )
    alone = run(tmp_path_factory, FusionInputs(kept, parts, views, inputs.positives, NEIGHBOURS))
    among = run(tmp_path_factory, inputs, FIT[::-1])
    for one, other in zip(alone, among, strict=True):
        assert one == pytest.approx(other[FIT], abs=1e-5)


def test_a_fit_to_every_region_is_the_transductive_one(tmp_path_factory):
    inputs = toy_inputs()
    assert same(run(tmp_path_factory, inputs), run(tmp_path_factory, inputs, np.arange(30)))


def test_a_fit_that_lacks_a_modality_is_refused(tmp_path_factory):
    with pytest.raises(InputError, match="street_view pretrained: none of the 2 regions to fit to"):
        run(tmp_path_factory, toy_inputs(), np.array([0, 1]))


def test_a_text_that_is_hidden_is_no_input_but_the_target(tmp_path_factory):
    """Once trained, other texts change no fused vector; in training they do."""
    inputs = toy_inputs()
    held_out = changed(inputs, "text", [REGIONS[row] for row in HELD_OUT])
    trained_on = changed(inputs, "text", REGIONS)
    one = run(tmp_path_factory, inputs, FIT, text_as_input=False)
    assert same(one[:1], run(tmp_path_factory, held_out, FIT, text_as_input=False)[:1])
    assert not same(one[:1], run(tmp_path_factory, trained_on, FIT, text_as_input=False)[:1])
    shown = run(tmp_path_factory, inputs, FIT)
    assert not same(shown[:1], run(tmp_path_factory, held_out, FIT)[:1])


def test_without_a_residual_the_embedding_is_the_fused_vector(tmp_path_factory):
    fused, embedding = run(tmp_path_factory, toy_inputs(), residual=False)
    assert embedding.tobytes() == fused.tobytes()


def test_positives_against_a_loop():
    pairs = pd.DataFrame(
        [("b", "a"), ("a", "c"), ("a", "b"), ("c", "x"), ("x", "a"), ("a", "c")],
        columns=["anchor", "positive"],
    )
    assert positive_rows(pairs, ["a", "b", "c"]).tolist() == [
        [1, 2],
        [0, -1],
        [-1, -1],
    ]


def test_viewpoints_are_laid_out_by_region():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    laid, present = lay_out(pd.Series(["b", "b", "c"]), values, ["a", "b", "c"])
    assert laid.tolist() == [[[0, 0], [0, 0]], [[0, 1], [2, 3]], [[4, 5], [0, 0]]]
    assert present.tolist() == [[False, False], [True, True], [True, False]]


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (5, 2)])
def test_parts_are_centred_and_of_unit_variance(shape):
    vectors = np.random.default_rng(1).normal(3, 5, size=shape).astype(np.float32)
    vectors[:, 0] = 7
    scaled = fit_reduction(vectors, 6, np.ones(shape[0], bool)).apply(vectors)
    assert scaled.shape == (shape[0], min(6, *shape))
    assert scaled.mean(0) == pytest.approx(0, abs=1e-5)
    assert scaled.std() == pytest.approx(1, abs=1e-5)
