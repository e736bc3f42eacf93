import numpy as np
import pandas as pd
import pytest

from musecl.evaluation.methods import RegionFeatures, align, build_methods, prepare
from musecl.runtime.errors import InputError

GENERATOR = np.random.default_rng(4)
REGIONS = pd.Series([f"region-{number:02d}" for number in range(30)])
TRAIN = np.arange(0, 30, 2)


def block(width=6, missing=(3, 4, 10)):
    values = GENERATOR.normal(2, 3, size=(30, width)) * np.arange(1, width + 1)
    present = ~np.isin(np.arange(30), missing)
    values[~present] = 0
    return RegionFeatures(values, present)


def test_vectors_are_joined_by_region_whatever_their_order():
    known = np.array([4, 1, 29, 7])
    vectors = GENERATOR.normal(size=(4, 3))
    keys = pd.DataFrame({"region_id": REGIONS[known].to_numpy()})
    aligned = align(REGIONS, keys, vectors, "here")
    assert np.flatnonzero(aligned.present).tolist() == sorted(known)
    for row, region in enumerate(known):
        np.testing.assert_array_equal(aligned.values[region], vectors[row])


@pytest.mark.parametrize(
    ("keys", "message"),
    [(["elsewhere", "region-01"], "not in the region table"), (["region-01"] * 2, "two rows")],
)
def test_wrong_keys_are_refused(keys, message):
    with pytest.raises(InputError, match=message):
        align(REGIONS, pd.DataFrame({"region_id": keys}), np.ones((2, 3)), "here")


def test_scaling_and_imputation_are_those_of_the_training_rows():
    one = block()
    prepared = prepare((one,), TRAIN)
    known = [row for row in TRAIN if one.present[row]]
    filled = one.values.copy()
    filled[~one.present] = one.values[known].mean(axis=0)
    expected = filled - filled[TRAIN].mean(axis=0)
    expected /= np.sqrt((filled[TRAIN].std(axis=0) ** 2).sum())
    np.testing.assert_allclose(prepared[:, :-1], expected)
    mark = one.present.astype(float)
    mark = (mark - mark[TRAIN].mean()) / mark[TRAIN].std()
    np.testing.assert_allclose(prepared[:, -1], mark / np.sqrt(6))


def test_test_rows_change_nothing_that_is_fitted():
    one = block()
    other = RegionFeatures(one.values.copy(), one.present.copy())
    test = np.setdiff1d(np.arange(30), TRAIN)
    other.values[test] = 1e6
    other.present[test] = True
    np.testing.assert_array_equal(prepare((one,), TRAIN)[TRAIN], prepare((other,), TRAIN)[TRAIN])


def test_blocks_weigh_the_same_however_wide():
    prepared = prepare((block(width=3, missing=(4,)), block(width=20, missing=(6, 8))), TRAIN)
    variance = prepared[TRAIN].var(axis=0)
    assert variance[:3].sum() == pytest.approx(1)
    assert variance[4:-1].sum() == pytest.approx(1)


def test_a_block_keeps_the_relation_of_its_columns():
    one = block(missing=(4,))
    variance = prepare((one,), TRAIN)[TRAIN].var(axis=0)[:-1]
    present = [row for row in TRAIN if row != 4]
    original = one.values[present].var(axis=0)
    np.testing.assert_allclose(variance / variance[0], original / original[0])


def test_a_column_that_is_constant_in_training_is_silent():
    one = block(missing=())
    one.values[TRAIN, 0] = 5
    prepared = prepare((one,), TRAIN)
    assert (prepared[TRAIN, 0] == 0).all()
    assert np.isfinite(prepared).all()


def test_a_column_that_is_almost_constant_does_not_drown_the_others():
    one = block(missing=())
    one.values[:, 0] *= 1e-6
    variance = prepare((one,), TRAIN)[TRAIN].var(axis=0)
    assert variance[0] < 1e-9


def test_a_modality_that_no_training_region_has_is_silent_but_marked():
    prepared = prepare((block(missing=tuple(TRAIN)),), TRAIN)
    assert np.isfinite(prepared).all()
    assert (prepared[TRAIN] == 0).all()


@pytest.mark.parametrize("lots", [None, np.arange(30)])
def test_concat_has_every_input_and_lots_only_where_they_are_drawn(lots):
    names = ["satellite_pretrained", "street_view_pretrained", "satellite", "street_view"]
    blocks = {name: block() for name in [*names, "text", "musecl"]}
    asked = ["street_view", "concat", "musecl"]
    methods = {method.name: method for method in build_methods(blocks, lots, asked)}
    assert methods["concat"].blocks == tuple(blocks[name] for name in [*names, "text"])
    assert methods["musecl"].blocks == (blocks["musecl"],)
    assert ("lot_count" in methods) == (lots is not None)
    assert [method.name for method in methods.values() if method.perceptron] == asked


@pytest.mark.parametrize("width", [6, 30, 31, 200])
def test_a_compact_block_keeps_the_inner_products_that_a_fold_sees(width):
    one = block(width)
    compact = one.compact()
    assert compact.values.dtype == np.float32
    assert compact.values.shape[1] <= 30
    expected, found = prepare((one,), TRAIN), prepare((compact,), TRAIN)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_a_compact_block_can_be_narrowed_again():
    once = block(200).compact()
    again = once.take(np.arange(20)).compact()
    assert again.width == 200
    assert again.values.shape[1] <= 20
