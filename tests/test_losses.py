"""Losses against loops over pairs."""

import math

import pytest
import torch

from musecl.training.losses import false_negatives, infonce, triplet


def unit(vector: torch.Tensor) -> list[float]:
    length = math.sqrt(sum(float(x) ** 2 for x in vector))
    return [float(x) / length for x in vector]


def infonce_by_loops(anchors, positives, temperature, same=None):
    count = len(anchors)
    score = [
        [
            sum(a * p for a, p in zip(unit(anchor), unit(positive), strict=True)) / temperature
            for positive in positives
        ]
        for anchor in anchors
    ]
    total = 0.0
    for i in range(count):
        others = [j for j in range(count) if j == i or same is None or not same[i][j]]
        total -= score[i][i] - math.log(sum(math.exp(score[i][j]) for j in others))
        others = [j for j in range(count) if j == i or same is None or not same[j][i]]
        total -= score[i][i] - math.log(sum(math.exp(score[j][i]) for j in others))
    return total / (2 * count)


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("size", [2, 16])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("masked", [False, True])
def test_infonce_equals_loops(count, size, temperature, masked):
    generator = torch.Generator().manual_seed(count * size)
    anchors, positives = torch.randn(2, count, size, generator=generator, dtype=torch.float64)
    same = torch.rand(count, count, generator=generator) < 0.4 if masked else None

    loss = infonce(anchors, positives, temperature, same)

    expected = infonce_by_loops(anchors, positives, temperature, same)
    assert float(loss) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_infonce_ignores_the_length_of_embeddings():
    generator = torch.Generator().manual_seed(0)
    anchors, positives = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([[0.5], [1.0], [3.0], [10.0], [0.1]], dtype=torch.float64)
    torch.testing.assert_close(
        infonce(anchors * lengths, positives, 0.2), infonce(anchors, positives, 0.2)
    )


def test_a_masked_pair_has_no_gradient():
    generator = torch.Generator().manual_seed(0)
    anchors = torch.randn(3, 4, generator=generator)
    positives = torch.randn(3, 4, generator=generator, requires_grad=True)
    same = ~torch.eye(3, dtype=torch.bool)

    infonce(anchors, positives, 0.1, same).backward()

    assert torch.equal(positives.grad, torch.zeros(3, 4))


def test_all_rows_masked_but_one_leave_a_finite_loss():
    loss = infonce(torch.eye(4), torch.eye(4), 0.1, torch.ones(4, 4, dtype=torch.bool))
    assert float(loss) == 0.0


@pytest.mark.parametrize("count", [1, 7, 20])
def test_false_negatives_equal_loops(count):
    generator = torch.Generator().manual_seed(count)
    anchors, positives = torch.randint(0, 8, (2, count), generator=generator)

    same = false_negatives(anchors, positives)

    for i in range(count):
        for j in range(count):
            rows = {int(anchors[i]), int(positives[i])} & {int(anchors[j]), int(positives[j])}
            assert bool(same[i, j]) == bool(rows)


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("size", [2, 128])
@pytest.mark.parametrize("margin", [0.5, 5.0])
def test_triplet_equals_loops(count, size, margin):
    generator = torch.Generator().manual_seed(count + size)
    anchor, positive, negative = torch.randn(3, count, size, generator=generator)

    loss = triplet(anchor, positive, negative, margin)

    terms = [
        max(0.0, math.dist(a, p) - math.dist(a, n) + margin)
        for a, p, n in zip(anchor.tolist(), positive.tolist(), negative.tolist(), strict=True)
    ]
    assert float(loss) == pytest.approx(sum(terms) / count, rel=1e-4, abs=1e-4)


def test_triplet_is_zero_beyond_the_margin():
    near, far = torch.zeros(2, 3), torch.full((2, 3), 10.0)
    assert float(triplet(near, near, far, 5.0)) == 0.0
    assert float(triplet(near, far, near, 5.0)) > 5.0
