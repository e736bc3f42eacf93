"""The fusion: masks, symmetry, the terms of its loss against loops, and that it learns."""

import math

import numpy as np
import pytest
import torch

from musecl.fusion.batches import Batch, Regions, disturb, draw_batch
from musecl.fusion.models import MODES, Alignments, Tokens, rows_of
from musecl.fusion.settings import FuseSettings
from musecl.fusion.training import FusionTraining, fuse_regions
from musecl.training.loop import train

KINDS = {"satellite": [5, 3], "street_view": [7], "text": [6]}
TARGET_SIZE = 10
SETTINGS = FuseSettings(
    mode="cross_attention",
    text_as_input=True,
    residual=True,
    k_rings=0,
    embedding_size=16,
    heads=2,
    alignment="infonce",
    temperature=0.1,
    text_weight=1.0,
    views_weight=0.5,
    pois_weight=1.0,
    batch=24,
    steps=80,
    learning_rate=0.003,
)


def toy_tokens(regions=30, seed=0, latent=None):
    """Tokens that share a latent position; some viewpoints, views and texts are absent."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(regions, 3)) if latent is None else latent

    def seen(size, *shape):
        signal = latent.reshape(regions, *[1] * len(shape), 3) @ generator.normal(size=(3, size))
        values = signal + 0.1 * generator.normal(size=(regions, *shape, size))
        return torch.from_numpy(values.astype(np.float32))

    everywhere = torch.ones(regions, 1, dtype=torch.bool)
    tokens = {
        "satellite": Tokens(seen(8, 1), everywhere.clone()),
        "street_view": Tokens(seen(7, 4), torch.from_numpy(generator.random((regions, 4)) < 0.7)),
        "text": Tokens(seen(6, 1), everywhere.clone()),
    }
    tokens["satellite"].present[0:2] = False
    tokens["street_view"].present[1:3] = False
    tokens["text"].present[2:4] = False
    return tokens


def changed(tokens, name, **parts):
    """The same tokens with other `values` or `present` of a modality."""
    return {**tokens, name: tokens[name]._replace(**parts)}


def vectors_of(fused):
    return [fused.fused, *fused.alone.values()]


def toy_regions(regions=30):
    latent = np.random.default_rng(8).normal(size=(regions, 3))
    distance = ((latent[:, None] - latent[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    positives = torch.from_numpy(distance.argsort(1)[:, :3].copy())
    positives[4] = -1
    positives[5, 1:] = -1
    text = np.random.default_rng(9).normal(size=(3, 10))
    target = torch.from_numpy((latent @ text).astype(np.float32))
    tokens = toy_tokens(regions, latent=latent)
    return Regions(tokens, target, tokens["text"].present[:, 0].clone(), positives)


def new_fusion(mode="cross_attention"):
    torch.manual_seed(1)
    return MODES[mode](KINDS, SETTINGS)


def new_training(fusion, settings=SETTINGS):
    return FusionTraining(
        fusion, Alignments(16, TARGET_SIZE, ["satellite", "street_view"]), settings
    )


every_mode = pytest.mark.parametrize("mode", MODES)


@every_mode
def test_shapes(mode):
    tokens = toy_tokens()
    fused = new_fusion(mode)(tokens)
    assert [part.shape for part in vectors_of(fused)] == [(30, 16)] * 4
    assert list(fused.alone) == list(KINDS)


@every_mode
@pytest.mark.parametrize("content", [0.0, 1e4, math.nan, math.inf])
def test_what_a_hidden_token_holds_changes_nothing(content, mode):
    tokens, fusion = toy_tokens(), new_fusion(mode).eval()
    before = fusion(tokens)
    for values, present in tokens.values():
        values[~present] = content
    after = fusion(tokens)
    both = zip(vectors_of(before), vectors_of(after), strict=True)
    assert all(torch.equal(one, other) for one, other in both)


@every_mode
@pytest.mark.parametrize("modality", KINDS)
def test_hiding_a_modality_changes_the_vector(modality, mode):
    tokens, fusion = toy_tokens(), new_fusion(mode).eval()
    present = tokens[modality].present
    hidden = changed(tokens, modality, present=torch.zeros_like(present))
    differs = (fusion(tokens).fused - fusion(hidden).fused).abs().amax(1) > 1e-4
    assert torch.equal(differs, present.any(1))


@every_mode
def test_a_hidden_viewpoint_is_as_good_as_none(mode):
    """Hidden columns that are there against a table without them: attention and means ignore."""
    tokens, fusion = toy_tokens(), new_fusion(mode).eval()
    values, present = tokens["street_view"]
    present[:, 2:] = False
    narrow = changed(tokens, "street_view", values=values[:, :2], present=present[:, :2])
    both = zip(vectors_of(fusion(tokens)), vectors_of(fusion(narrow)), strict=True)
    for one, other in both:
        assert torch.allclose(one, other, atol=1e-5)


@every_mode
@pytest.mark.parametrize("training", [True, False])
def test_a_region_with_nothing_else_is_finite_and_its_gradients_too(training, mode):
    """Regions 1 and 2 have no token at all, the others the street alone."""
    tokens = toy_tokens()
    for name in ("satellite", "text"):
        tokens[name].present[:] = False
    assert not tokens["street_view"].present[1:3].any()
    fusion = new_fusion(mode).train(training)
    fused = fusion(tokens).fused
    fused.sum().backward()
    gradients = [value.grad for value in fusion.parameters() if value.grad is not None]
    assert torch.isfinite(fused).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@every_mode
def test_order_of_viewpoints_changes_nothing(mode):
    tokens, fusion = toy_tokens(), new_fusion(mode).eval()
    order = torch.tensor([2, 0, 3, 1])
    values, present = tokens["street_view"]
    permuted = changed(tokens, "street_view", values=values[:, order], present=present[:, order])
    both = zip(vectors_of(fusion(tokens)), vectors_of(fusion(permuted)), strict=True)
    for one, other in both:
        assert torch.allclose(one, other, atol=1e-5)


@every_mode
def test_a_region_depends_neither_on_its_row_nor_on_the_others(mode):
    tokens, fusion = toy_tokens(), new_fusion(mode)
    rows = torch.tensor([7, 2, 0, 29])
    alone, among = fuse_regions(fusion, rows_of(tokens, rows)), fuse_regions(fusion, tokens)
    assert alone == pytest.approx(among[rows], abs=1e-5)


def test_scalar_attention_against_the_formula_of_the_published_code():
    """A region at a time: u = tanh(W e + b), score u.v, softmax over what is there, the sum."""
    tokens, fusion = toy_tokens(), new_fusion("scalar_attention").eval()
    fused = numpy(fusion(tokens).fused)
    projected = fusion.project(tokens)
    transform, bias = numpy(fusion.transform.weight), numpy(fusion.transform.bias)
    for row in range(6):
        vectors = [
            numpy(part[row][present[row]]).mean(0)
            for part, present in projected.values()
            if present[row].any()
        ]
        scores = [
            numpy(fusion.context.weight)[0] @ np.tanh(transform @ one + bias) for one in vectors
        ]
        weights = np.exp(scores) / np.exp(scores).sum()
        expected = sum(weight * one for weight, one in zip(weights, vectors, strict=True))
        assert fused[row] == pytest.approx(expected, abs=1e-5)


def test_add_is_the_sum_and_concat_a_linear_layer_over_what_is_side_by_side():
    tokens = toy_tokens()
    add, concat = new_fusion("add").eval(), new_fusion("concat").eval()
    concat.absent.data.normal_()
    fused, alone = add(tokens)
    assert torch.allclose(fused, sum(alone.values()), atol=1e-6)
    text, present = add.project(tokens)["text"]
    assert torch.allclose(alone["text"], (text * present.unsqueeze(2)).squeeze(1), atol=1e-6)
    fused, alone = concat(tokens)
    satellite, street, text = (part.clone() for part in alone.values())
    assert torch.equal(satellite[:2], torch.zeros(2, 16))
    satellite[:2], street[1:3], text[2:4] = concat.absent
    beside = torch.cat([satellite, street, text], 1)
    assert torch.allclose(fused, concat.combine(beside), atol=1e-6)


def cosine_infonce(anchors, positives, same, temperature=0.1):
    """Slow reference: InfoNCE in both directions, a pair at a time."""

    def unit(vector):
        return vector / np.sqrt((vector**2).sum())

    total = 0.0
    for left, right, mask in [(anchors, positives, same), (positives, anchors, same.T)]:
        for i, vector in enumerate(left):
            logits = [
                unit(vector) @ unit(other) / temperature
                for j, other in enumerate(right)
                if j == i or not mask[i, j]
            ]
            own = unit(vector) @ unit(right[i]) / temperature
            total += np.log(np.exp(logits).sum()) - own
    return total / (2 * len(anchors))


def undisturbed_batch(regions, rows):
    """All of `rows` with their first positive; the text of every other one is hidden."""
    rows = torch.tensor(rows)
    positive = regions.positives[rows, 0]
    anchor = rows_of(regions.tokens, rows)
    known = anchor["text"].present[:, 0].clone()
    anchor["text"].present[::2] = False
    return Batch(
        anchor=anchor,
        positive=rows_of(regions.tokens, torch.where(positive >= 0, positive, rows)),
        anchor_row=rows,
        positive_row=positive,
        text=regions.text[rows],
        text_known=known,
    )


def numpy(tensor):
    return tensor.detach().double().numpy()


def test_text_term_takes_the_texts_that_were_hidden_and_spares_near_duplicates():
    regions, fusion = toy_regions(), new_fusion().eval()
    training = new_training(fusion)
    regions.text[12] = regions.text[10] * 1.5 + 0.01
    batch = undisturbed_batch(regions, range(20))
    used = [row for row in range(0, 20, 2) if row != 2]
    text = numpy(batch.text)[used]
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    same = np.array([[one @ other > 0.95 for other in unit] for one in unit])
    assert same.sum() > len(used)

    anchor = fusion(batch.anchor)
    expected = cosine_infonce(
        numpy(training.align.fused(anchor.fused[used])),
        numpy(training.align.text(batch.text[used])),
        same,
    )
    term = training.text_term(batch, anchor)
    assert term.item() == pytest.approx(expected, rel=1e-4)


def test_text_term_of_the_published_code_is_the_squared_error():
    regions, fusion = toy_regions(), new_fusion().eval()
    training = new_training(fusion, SETTINGS.model_copy(update={"alignment": "mse"}))
    batch = undisturbed_batch(regions, range(20))
    used = [row for row in range(0, 20, 2) if row != 2]
    anchor = fusion(batch.anchor)
    predicted, text = (
        numpy(training.align.regress_text(anchor.fused))[used],
        numpy(batch.text)[used],
    )
    term = training.text_term(batch, anchor)
    assert term.item() == pytest.approx(((predicted - text) ** 2).sum(1).mean(), rel=1e-4)


def test_views_term_leaves_out_regions_that_lack_a_view():
    regions, fusion = toy_regions(), new_fusion().eval()
    training = new_training(fusion)
    batch = undisturbed_batch(regions, range(20))
    tokens = regions.tokens
    used = [
        row
        for row in range(20)
        if tokens["satellite"].present[row].any() and tokens["street_view"].present[row].any()
    ]
    assert 0 < len(used) < 20
    anchor = fusion(batch.anchor)
    expected = cosine_infonce(
        numpy(training.align.alone["satellite"](anchor.alone["satellite"][used])),
        numpy(training.align.alone["street_view"](anchor.alone["street_view"][used])),
        np.zeros((len(used), len(used)), bool),
    )
    term = training.views_term(batch, anchor)
    assert term.item() == pytest.approx(expected, rel=1e-4)


def test_pois_term_leaves_out_regions_without_a_positive():
    regions, fusion = toy_regions(), new_fusion().eval()
    training = new_training(fusion)
    batch = undisturbed_batch(regions, range(20))
    pairs = [(row, int(regions.positives[row, 0])) for row in range(20) if row != 4]
    same = np.array([[bool(set(one) & set(other)) for other in pairs] for one in pairs])
    fused = training.align.fused(fusion(regions.tokens).fused)
    anchor = fusion(batch.anchor)
    expected = cosine_infonce(
        numpy(training.align.fused(anchor.fused))[[one for one, _ in pairs]],
        numpy(fused)[[other for _, other in pairs]],
        same,
    )
    term = training.pois_term(batch, anchor)
    assert term.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alignment", ["infonce", "mse"])
def test_terms_without_a_region_are_zero(alignment):
    regions, fusion = toy_regions(), new_fusion()
    regions.positives[:] = -1
    regions.tokens["street_view"].present[:] = False
    regions.text_known[:] = False
    settings = SETTINGS.model_copy(update={"alignment": alignment})
    training = new_training(fusion, settings)
    assert training.loss(draw_batch(regions, 24, 1, 0)).item() == 0


def test_a_batch_holds_distinct_regions_beside_their_own_positives():
    regions = toy_regions()
    for step in range(20):
        batch = draw_batch(regions, 24, seed=1, step=step)
        assert len(set(batch.anchor_row.tolist())) == 24
        for anchor, positive in zip(batch.anchor_row, batch.positive_row, strict=True):
            own = [row for row in regions.positives[anchor].tolist() if row >= 0]
            assert positive.item() in (own or [-1])
    assert len(draw_batch(regions, 500, seed=1, step=0).anchor_row) == 30


def test_a_draw_depends_on_seed_and_step_alone():
    regions = toy_regions()
    first, again = draw_batch(regions, 24, 1, 5), draw_batch(regions, 24, 1, 5)
    assert torch.equal(first.anchor["street_view"].values, again.anchor["street_view"].values)
    assert not torch.equal(first.anchor_row, draw_batch(regions, 24, 1, 6).anchor_row)
    assert not torch.equal(first.anchor_row, draw_batch(regions, 24, 2, 5).anchor_row)


def test_disturbing_hides_but_never_shows_and_keeps_a_viewpoint():
    tokens = toy_tokens(2000)
    shown = disturb(tokens, np.random.default_rng(0))
    before, after = ({name: of[name].present for name in KINDS} for of in (tokens, shown))
    assert not any((after[name] & ~before[name]).any() for name in KINDS)
    assert torch.equal(after["street_view"].any(1), before["street_view"].any(1))
    assert 0.4 < after["text"].sum() / before["text"].sum() < 0.6
    assert torch.equal(after["satellite"], before["satellite"])


def trained(tmp_path, regions, mode="cross_attention", **changes):
    settings = SETTINGS.model_copy(update={"mode": mode, **changes})
    fusion = new_fusion(mode)
    history = train(
        new_training(fusion, settings),
        lambda step: draw_batch(regions, settings.batch, 1, step),
        settings.steps,
        1,
        tmp_path,
        1000,
        "toy",
    )
    return history, fuse_regions(fusion, regions.tokens)


@every_mode
def test_training_finds_what_the_modalities_share(tmp_path, mode):
    regions = toy_regions(60)
    history, fused = trained(tmp_path, regions, mode)
    assert history.loss.iloc[-10:].mean() < 0.7 * history.loss.iloc[:10].mean()

    unit = fused[6:] / np.linalg.norm(fused[6:], axis=1, keepdims=True)
    text = numpy(regions.text)[6:]
    text = text / np.linalg.norm(text, axis=1, keepdims=True)
    alike = np.corrcoef((unit @ unit.T).ravel(), (text @ text.T).ravel())[0, 1]
    untrained = fuse_regions(new_fusion(mode), regions.tokens)[6:]
    untrained = untrained / np.linalg.norm(untrained, axis=1, keepdims=True)
    assert alike > np.corrcoef((untrained @ untrained.T).ravel(), (text @ text.T).ravel())[0, 1]
    assert alike > 0.7


@every_mode
@pytest.mark.parametrize("alignment", ["infonce", "mse"])
def test_a_text_that_is_never_shown_is_still_aligned_to(tmp_path, mode, alignment):
    """As published: the text is the target, and no input."""
    regions = toy_regions(60)
    regions.tokens["text"].present[:] = False
    terms = {"views_weight": 0.0, "pois_weight": 0.0}
    history, fused = trained(tmp_path, regions, mode, alignment=alignment, steps=25, **terms)
    assert np.isfinite(fused).all()
    assert history.loss.iloc[-5:].mean() < 0.9 * history.loss.iloc[:5].mean()


def test_same_seed_same_bytes(tmp_path):
    regions = toy_regions()
    _, first = trained(tmp_path / "first", regions, steps=5)
    _, again = trained(tmp_path / "again", regions, steps=5)
    assert first.tobytes() == again.tobytes()


@every_mode
@pytest.mark.parametrize("names", [["text"], ["street_view"], ["satellite", "text"]])
def test_a_city_may_have_any_modalities(tmp_path, mode, names):
    """One alone has no others to look at; the terms that need what is absent are zero."""
    regions = toy_regions()
    tokens = {name: regions.tokens[name] for name in names}
    regions = regions._replace(tokens=tokens)
    torch.manual_seed(1)
    fusion = MODES[mode]({name: KINDS[name] for name in names}, SETTINGS)
    aligned = Alignments(16, TARGET_SIZE, [name for name in names if name != "text"])
    training = FusionTraining(fusion, aligned, SETTINGS)
    history = train(
        training, lambda step: draw_batch(regions, 24, 1, step), 3, 1, tmp_path, 100, "toy"
    )
    assert np.isfinite(history.loss).all()
    assert np.isfinite(fuse_regions(fusion, tokens)).all()


def test_a_further_modality_needs_no_code():
    """Vectors from elsewhere: named, sized, and aligned to the views like these to each other."""
    tokens = toy_tokens()
    tokens["elsewhere"] = Tokens(torch.randn(30, 1, 9), torch.ones(30, 1, dtype=torch.bool))
    fusion = MODES["cross_attention"]({**KINDS, "elsewhere": [9]}, SETTINGS).eval()
    fused = fusion(tokens)
    other = changed(tokens, "elsewhere", values=tokens["elsewhere"].values + 1)
    assert not torch.allclose(fusion(other).fused, fused.fused)
    assert list(fused.alone)[-1] == "elsewhere"
