import numpy as np
import pytest
import torch

from musecl.evaluation.network import Member, fit_and_predict
from musecl.evaluation.settings import MlpSettings
from musecl.evaluation.splits import draw_folds

SETTINGS = MlpSettings(
    methods=[],
    seeds=1,
    components=5,
    hidden=[16, 8],
    learning_rate=0.01,
    batch=16,
    epochs=30,
    patience=4,
)


@pytest.fixture
def members():
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(123, 5)).astype(np.float32)
    label = 3 * np.abs(inputs[:, 0]) + inputs[:, 1] + 40
    folds = draw_folds(None, 123, 4, generator)
    made = []
    for place, fold in enumerate(folds):
        for kind, noise in enumerate((0.1, 3.0)):
            labels = label + noise * generator.normal(size=123)
            made.append(Member(inputs, labels, fold, (place, kind)))
    return made


def test_a_stack_fits_what_one_at_a_time_fits(members):
    settings = SETTINGS.model_copy(update={"epochs": 12, "patience": 2})
    together = fit_and_predict(members, settings, batches=4)
    for member, answer in zip(members, together, strict=True):
        (alone,) = fit_and_predict([member], settings, batches=4)
        np.testing.assert_allclose(answer, alone, rtol=1e-4, atol=1e-3)


def test_one_network_is_the_plain_torch_network(members):
    """The same weights and batches in torch's own layers, without an early stop."""
    member, batches = members[0], 4
    settings = SETTINGS.model_copy(update={"epochs": 5, "patience": 5})
    (answer,) = fit_and_predict([member], settings, batches)

    generator = np.random.default_rng(member.key)
    layers = [torch.nn.Linear(a, b) for a, b in ((5, 16), (16, 8), (8, 1))]
    for layer in layers:
        width = layer.in_features
        for parameter, shape in (
            (layer.weight, (width, layer.out_features)),
            (layer.bias, (1, layer.out_features)),
        ):
            drawn = (generator.uniform(-1, 1, shape) / np.sqrt(width)).astype(np.float32)
            parameter.data = torch.from_numpy(drawn.T if parameter is layer.weight else drawn[0])
    relu = torch.nn.ReLU()
    network = torch.nn.Sequential(layers[0], relu, layers[1], relu, layers[2])
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    fold = member.fold
    centre, spread = member.labels[fold.fitting].mean(), member.labels[fold.fitting].std()
    inputs = torch.from_numpy(member.inputs)
    labels = torch.from_numpy((member.labels - centre) / spread).float()
    best, lowest = None, np.inf
    for _ in range(settings.epochs):
        rows = generator.permutation(fold.fitting)[: batches * settings.batch]
        for batch in rows.reshape(batches, settings.batch):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(network(inputs[batch])[:, 0], labels[batch])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            wrong = network(inputs[fold.validation])[:, 0] - labels[fold.validation]
            if (error := float((wrong**2).mean())) < lowest:
                lowest, best = error, network(inputs[fold.test])[:, 0].double().numpy()
    np.testing.assert_allclose(answer, best * spread + centre, rtol=1e-4, atol=1e-3)


def test_it_learns_what_is_not_linear(members):
    answer = fit_and_predict(members[:1], SETTINGS, batches=4)[0]
    truth = members[0].labels[members[0].fold.test]
    assert 1 - ((answer - truth) ** 2).mean() / truth.var() > 0.7


def test_members_stop_at_different_epochs(members, monkeypatch):
    """So that the comparison above covers members that leave the stack before others."""
    import musecl.evaluation.network as predictor

    sizes = []
    keep = predictor._keep
    monkeypatch.setattr(
        predictor, "_keep", lambda *parts: sizes.append(int(parts[2].sum())) or keep(*parts)
    )
    fit_and_predict(members, SETTINGS.model_copy(update={"epochs": 12, "patience": 2}), batches=4)
    assert sizes
    assert 0 < sizes[0] < len(members)


def test_labels_of_the_test_rows_are_not_read(members):
    member = members[0]
    labels = member.labels.copy()
    labels[member.fold.test] = 1e9
    blind = Member(member.inputs, labels, member.fold, member.key)
    first, second = (fit_and_predict([one], SETTINGS, batches=4)[0] for one in (member, blind))
    np.testing.assert_array_equal(first, second)
