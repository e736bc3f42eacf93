"""The text stage: a real transformers folder in, a row per region with POIs out."""

import numpy as np
import pandas as pd
import pytest
import yaml

from musecl import region_texts
from musecl.runtime.errors import InputError
from musecl.runtime.job import Job, run_job
from musecl.runtime.pipeline import Declaration
from musecl.runtime.tables import read_vectors
from musecl.stages import embed_text
from musecl.text import load_text_encoder
from test_text import WORDS, encoder, one_at_a_time  # noqa: F401

POIS = pd.DataFrame(
    [
        ("b", "the park", 0.25),
        ("a", "north bridge", 1.0),
        ("b", "museum", 1.0),
        ("b", "the park", 0.5),
        ("a", "a station", 3.0),
        ("c", "museum", 0.1),
    ],
    columns=["region_id", "text", "weight"],
)


@pytest.fixture
def example(tmp_path, encoder):  # noqa: F811
    """A folder with a model and the POIs table, and the job that works on it."""
    tokenizer, model = encoder
    folder = tmp_path / "data/models/text"
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    (tmp_path / "data/toy").mkdir()
    declared = Declaration(
        "embed_text",
        "toy",
        "",
        ("data/toy/pois.parquet", "data/models/text"),
        ("data/toy/text_embeddings.parquet",),
        ("embed_text",),
    )

    def run(pois, method="transformer"):
        params = {"embed_text": {"method": method}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        pois.to_parquet(tmp_path / "data/toy/pois.parquet")
        run_job(Job(declared, tmp_path), embed_text)
        return tmp_path / "data/toy/text_embeddings.parquet"

    return run


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_region_is_the_passage_of_its_texts(example, encoder):  # noqa: F811
    keys, vectors = read_vectors(example(POIS), "embedding")
    passages = ["a station; north bridge", "museum; the park", "museum"]
    assert list(keys.region_id) == ["a", "b", "c"]
    assert vectors == pytest.approx(one_at_a_time(passages, *encoder), abs=1e-5)


def test_a_region_of_many_texts_is_the_weighted_mean_of_passages(
    example,
    encoder,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setattr(region_texts, "PASSAGE_CHARACTERS", 1)
    _, vectors = read_vectors(example(POIS), "embedding")
    means = []
    for region in ["a", "b", "c"]:
        rows = POIS[POIS.region_id == region]
        means.append(np.average(one_at_a_time(rows.text, *encoder), axis=0, weights=rows.weight))
    assert vectors == pytest.approx(unit(np.stack(means)), abs=1e-5)


def test_passages_against_a_loop():
    generator = np.random.default_rng(6)
    pois = pd.DataFrame(
        {
            "region_id": generator.choice(list("abcde"), 300),
            "text": [" ".join(generator.choice(WORDS, 6)) for _ in range(300)],
            "weight": generator.integers(1, 4, 300) / 4,
        }
    )
    expected = []
    for region, rows in pois.groupby("region_id"):
        total = rows.groupby("text").weight.sum()
        chunks, characters = {}, 0
        for text in sorted(total.index, key=lambda text: (-total[text], text)):
            chunks.setdefault(characters // 800, []).append(text)
            characters += len(text)
        for texts in chunks.values():
            expected.append((region, "; ".join(texts), sum(total[text] for text in texts)))
    assert len(expected) > 5
    assert list(region_texts.join_texts(pois).itertuples(index=False, name=None)) == expected


def test_a_region_of_words_is_the_weighted_mean_of_its_pois(example, encoder):  # noqa: F811
    tokenizer, model = encoder
    table = model.get_input_embeddings().weight.detach().numpy()
    pois = pd.concat([POIS, POIS.iloc[:2].assign(text=["--", "the, the park"])])
    keys, vectors = read_vectors(example(pois, "word_average"), "embedding")
    expected = {}
    for row in pois[pois.text != "--"].itertuples():
        words = row.text.replace(",", "").split()
        mean = np.mean([table[tokenizer.convert_tokens_to_ids(word)] for word in words], axis=0)
        expected[row.region_id] = expected.get(row.region_id, 0) + row.weight * mean
    assert list(keys.region_id) == ["a", "b", "c"]
    assert vectors == pytest.approx(unit(np.stack([expected[r] for r in "abc"])), abs=1e-5)


@pytest.mark.parametrize("method", ["transformer", "word_average"])
def test_order_of_rows_changes_no_byte(example, method):
    straight = example(POIS, method).read_bytes()
    assert example(POIS.sample(frac=1, random_state=4), method).read_bytes() == straight


def test_texts_without_a_word_are_refused(example):
    with pytest.raises(InputError, match="no text holds a word"):
        example(POIS.assign(text="--"), "word_average")


def test_order_of_rows_changes_no_bit_of_a_sum():
    weights = np.random.default_rng(0).random(60)
    pois = pd.DataFrame({"region_id": "a", "text": "the park", "weight": weights})
    straight = region_texts.join_texts(pois).weight
    shuffled = [region_texts.join_texts(pois.sample(frac=1, random_state=k)) for k in range(5)]
    assert all(np.array_equal(straight, other.weight) for other in shuffled)


@pytest.mark.parametrize(
    ("pois", "message"),
    [
        (POIS.assign(weight=[1.0, 1, 1, 1, 0, 1]), "no weight above 0"),
        (POIS.assign(weight=[1.0, 1, 1, 1, np.nan, 1]), "no weight above 0"),
    ],
)
def test_pois_that_cannot_be_averaged_are_refused(example, pois, message):
    with pytest.raises(InputError, match=message):
        example(pois)


@pytest.mark.parametrize("method", ["transformer", "word_average"])
def test_a_city_without_pois_has_no_text(example, method, capsys):
    keys, vectors = read_vectors(example(POIS.iloc[:0], method), "embedding")
    assert list(keys.columns) == ["region_id"]
    assert (len(keys), vectors.shape) == (0, (0, 0))
    assert "text: this city has no POIs" in capsys.readouterr().out


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="run fetch_models again"):
        load_text_encoder(tmp_path)


def test_a_pickled_model_is_refused(tmp_path, encoder):  # noqa: F811
    import torch

    tokenizer, model = encoder
    model.config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="no text model"):
        load_text_encoder(tmp_path)
