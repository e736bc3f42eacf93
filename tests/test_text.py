"""The text encoder against one that takes each text alone, in the order given."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from musecl import text as text_module
from musecl.runtime.errors import InputError
from musecl.text import (
    check_text_model,
    embed_texts,
    embed_words,
    load_text_encoder,
    longest_input,
    mean_of_tokens,
)

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


def byte_tokenizer(**tokens):
    """A tokenizer that knows every text, byte by byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<s>", "</s>", "<pad>", "<unk>", *alphabet]
    inner = Tokenizer(models.BPE({name: place for place, name in enumerate(names)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, **tokens), len(names)


PADDED = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def roberta(size):
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=size, max_position_embeddings=66, pad_token_id=2, intermediate_size=16, **SMALL
    )
    return RobertaModel(config)


def mpnet(size):
    from transformers import MPNetConfig, MPNetModel

    return MPNetModel(MPNetConfig(vocab_size=size, max_position_embeddings=66, **SMALL))


def gpt2(size):
    from transformers import GPT2Config, GPT2Model

    return GPT2Model(GPT2Config(vocab_size=size, n_positions=64, n_embd=16, n_layer=2, n_head=2))


def t5(size):
    from transformers import T5Config, T5Model

    return T5Model(
        T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2)
    )


def clip(size):
    from transformers import CLIPConfig, CLIPModel

    seen = {"image_size": 32, "patch_size": 16, "intermediate_size": 16}
    read = {"vocab_size": size, "max_position_embeddings": 64, "intermediate_size": 16}
    return CLIPModel(CLIPConfig(text_config=SMALL | read, vision_config=SMALL | seen))


@pytest.mark.parametrize("build", [roberta, mpnet, gpt2, t5, clip])
@pytest.mark.parametrize("tokens", [PADDED, {"eos_token": "</s>"}], ids=["padding", "none"])
def test_any_text_model_reads_texts_of_any_length(tmp_path, build, tokens):
    torch.manual_seed(1)
    tokenizer, size = byte_tokenizer(**tokens)
    build(size).eval().half().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    check_text_model(tmp_path, "w")
    tokenizer, model = load_text_encoder(tmp_path)
    texts = ["museum", "the park " * 400, "a bridge of the north"]
    together = embed_texts(texts, tokenizer, model)
    assert together.dtype == np.float32
    for text, found in zip(texts, together, strict=True):
        np.testing.assert_allclose(found, embed_texts([text], tokenizer, model)[0], atol=1e-4)
    assert np.ptp(together, axis=0).max() > 1e-3


@pytest.mark.parametrize(("build", "most"), [(roberta, 63), (gpt2, 64), (t5, 1024)])
def test_the_longest_input_is_what_the_model_reads(build, most):
    tokenizer, size = byte_tokenizer(**PADDED)
    model = build(size).eval()
    assert longest_input(tokenizer, model.get_encoder() if build is t5 else model) == most


@pytest.mark.parametrize("build", [roberta, BertModel])
def test_a_model_whose_tokenizer_knows_no_word_is_refused(tmp_path, build):
    made = build(300) if build is roberta else build(BertConfig(intermediate_size=16, **SMALL))
    made.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"^w: its tokenizer knows no word; save it") as caught:
        check_text_model(tmp_path, "w")
    assert "\n" not in str(caught.value)


def test_a_text_model_that_hears_no_text_is_refused(tmp_path, encoder):
    tokenizer, model = encoder
    deaf = BertModel(model.config).eval()
    torch.nn.init.zeros_(deaf.embeddings.word_embeddings.weight)
    torch.nn.init.zeros_(deaf.embeddings.position_embeddings.weight)
    deaf.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"^w: gives two texts the same vector; choose"):
        check_text_model(tmp_path, "w")


def test_a_vision_model_is_no_text_model(tmp_path, encoder):
    from transformers import ViTConfig, ViTModel

    ViTModel(ViTConfig(image_size=32, intermediate_size=16, **SMALL)).save_pretrained(tmp_path)
    encoder[0].save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"^w: does not give vectors of texts|no text model"):
        check_text_model(tmp_path, "w")


def test_a_text_model_of_half_the_weights_is_refused(tmp_path, encoder):
    from safetensors.torch import load_file, save_file

    tokenizer, model = encoder
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"holds no weights of encoder.layer.1.output"):
        check_text_model(tmp_path, "w")
