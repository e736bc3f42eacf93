"""The text encoder against one that takes each text alone, in the order given."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from musecl import text as text_module
from musecl.text import embed_texts, embed_words, mean_of_tokens

WORDS = ["park", "station", "street", "avenue", "bridge", "museum", "the", "of", "north", "a"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A random two-layer BERT that knows ten words, and its tokenizer."""
    vocabulary = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=15,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    return BertTokenizerFast(vocab=str(vocabulary)), BertModel(config).eval()


def random_texts(number):
    generator = np.random.default_rng(5)
    return [" ".join(generator.choice(WORDS, generator.integers(1, 10))) for _ in range(number)]


def one_at_a_time(texts, tokenizer, model):
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=12, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**tokens).last_hidden_state[0].numpy()
        mean = hidden.mean(axis=0)
        rows.append(mean / np.sqrt((mean**2).sum()))
    return np.stack(rows)


def test_the_tiny_tokenizer_knows_its_words(encoder):
    tokenizer, _ = encoder
    assert tokenizer.tokenize("the park of a") == ["the", "park", "of", "a"]


def test_batches_by_length_equal_one_text_at_a_time(encoder, monkeypatch):
    monkeypatch.setattr(text_module, "TEXTS_PER_BATCH", 7)
    texts = random_texts(40)
    texts += texts[:9]
    assert embed_texts(texts, *encoder) == pytest.approx(one_at_a_time(texts, *encoder), abs=1e-5)


def test_order_of_texts_changes_no_bit(encoder, monkeypatch):
    monkeypatch.setattr(text_module, "TEXTS_PER_BATCH", 7)
    texts = random_texts(40)
    order = np.random.default_rng(2).permutation(len(texts))
    straight = embed_texts(texts, *encoder)
    shuffled = embed_texts([texts[row] for row in order], *encoder)
    assert np.array_equal(shuffled, straight[order])


def test_each_distinct_text_is_encoded_once_shortest_first(encoder):
    tokenizer, model = encoder
    texts = [f"{first} {second}" for first in WORDS for second in WORDS] * 2
    encoded = []

    def recording(batch, **options):
        encoded.extend(batch)
        return tokenizer(batch, **options)

    recording.model_max_length = tokenizer.model_max_length
    embed_texts(texts, recording, model)
    # Within a length by the alphabet: a set's order differs from process to process.
    assert encoded == sorted(sorted(set(texts)), key=len)


def test_a_text_longer_than_the_model_reads_is_cut(encoder):
    long, cut = " ".join(["park"] * 50), " ".join(["park"] * 10)
    vectors = embed_texts([long, cut], *encoder)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_padding_never_enters_the_mean():
    hidden = torch.tensor([[[3.0, 4.0], [3.0, 4.0], [1e6, -1.0]]])
    mean = mean_of_tokens(hidden, torch.tensor([[1, 1, 0]]))
    assert mean.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


def test_a_word_is_the_mean_of_its_pieces_as_the_model_takes_them(tmp_path, encoder):
    _, model = encoder
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[:8], "##s", "##way"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    table = model.get_input_embeddings().weight.detach().numpy()
    found = embed_words(["Parks", "the", "\u200d", "parkways", "quite"], tokenizer, model)
    park, plural, way = (vocabulary.index(piece) for piece in ("park", "##s", "##way"))
    expected = [
        table[[park, plural]].mean(axis=0),
        table[vocabulary.index("the")],
        np.zeros(16),
        table[[park, way, plural]].mean(axis=0),
        table[vocabulary.index("[UNK]")],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)
