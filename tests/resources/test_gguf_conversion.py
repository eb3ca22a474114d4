"""Tests of the conversion of a GGUF file, next to transformers' own reader of such files."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.resources import Silent, fetch, load_manifest, locate
from benchmark.resources.gguf_conversion import convert_gguf
from benchmark.schema.errors import IntegrityError

pytestmark = pytest.mark.needs("gguf")

WIDTH, INNER, HEADS, KEYS, BLOCKS = 64, 96, 4, 2, 2
FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
TEXTS = ["a film from 1984", "the <|im_end|> plot", "Ünïcode 電影 😀\n  and  more", ""]


def write_gguf(path: Path, *, pre: str = "smollm", norm: float = 2.0) -> Path:
    """Write a tiny Llama, quantised like the packaged one, with the alphabet of bytes and a few merges."""
    import gguf
    from tokenizers.pre_tokenizers import ByteLevel

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = ["Ġ a", "i l", "f il", "fil m"]
    tokens = [*special, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in merges)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(BLOCKS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_rope_freq_base(100000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    kinds, draw = gguf.GGMLQuantizationType, np.random.default_rng(0)
    narrow = WIDTH * KEYS // HEADS
    shapes = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (narrow, WIDTH), "attn_v": (narrow, WIDTH), "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER),
    }  # fmt: skip
    quantised = {"token_embd.weight": ((len(tokens), WIDTH), kinds.Q8_0)}
    quantised |= {
        f"blk.{n}.{name}.weight": (shape, kinds.Q4_1) for n in range(BLOCKS) for name, shape in shapes.items()
    }
    for name, (shape, kind) in quantised.items():
        values = gguf.quants.quantize(draw.normal(0, 0.2, shape).astype(np.float32), kind)
        writer.add_tensor(name, values, raw_dtype=kind)
    norms = ["output_norm", *(f"blk.{n}.{name}" for n in range(BLOCKS) for name in ("attn_norm", "ffn_norm"))]
    for name in norms:
        writer.add_tensor(f"{name}.weight", draw.uniform(0.5, norm, WIDTH).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def converted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted")
    convert_gguf(source, folder, Silent())
    return folder


def test_weights_are_those_that_transformers_reads_in_half_precision(source: Path, converted: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32).eval()
    ours, loading = AutoModelForCausalLM.from_pretrained(
        converted, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    expected = {name: value.half().float() for name, value in theirs.state_dict().items()}
    state = ours.state_dict()
    assert expected.keys() == state.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    theirs.load_state_dict(expected)
    ids = torch.arange(3, 40).view(1, -1)
    with torch.inference_mode():
        logits = ours.eval()(ids).logits
        torch.testing.assert_close(logits, theirs(ids).logits, rtol=1e-4, atol=1e-4)
    assert logits.std() > 0.1


def test_tokens_are_those_of_the_file_with_numbers_split_into_digits(converted: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert tokenizer.tokenize("a film 12") == ["a", "Ġ", "film", "Ġ", "1", "2"]
    assert tokenizer.tokenize("film a") == ["film", "Ġa"]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id) == (2, 2, 1)
    for text in TEXTS:
        encoded = tokenizer(text)
        assert set(encoded) == {"input_ids", "attention_mask"}
        assert tokenizer.decode(encoded["input_ids"]) == text
    assert tokenizer(TEXTS[1])["input_ids"].count(2) == 1


def test_conversion_writes_the_same_bytes_again(source: Path, converted: Path, tmp_path: Path) -> None:
    digests = convert_gguf(source, tmp_path, Silent())
    assert list(digests) == FILES
    assert all((tmp_path / name).read_bytes() == (converted / name).read_bytes() for name in FILES)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_bytes(b"GGUF"), "cannot be read as a GGUF file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-50_000]), "cannot be read as a GGUF file"),
        (lambda path: write_gguf(path, pre="llama-bpe"), "of the kind llama/gpt2/llama-bpe, not llama/gpt2/smollm"),
        (lambda path: write_gguf(path, norm=1e6), "has values that float16 cannot hold"),
    ],
)
def test_another_file_is_refused(source: Path, tmp_path: Path, spoil, sentence: str) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(source.read_bytes())
    spoil(path)
    (tmp_path / "target").mkdir()
    with pytest.raises(IntegrityError, match=sentence):
        convert_gguf(path, tmp_path / "target", Silent())


def pin(shelf, wheel, source: Path, converted: Path, **fields: object) -> None:
    archive = wheel(shelf.folder / "toy-1.0-py3-none-any.whl", {"pkg/tiny.gguf": source.read_bytes()})
    files = {name: (converted / name).read_bytes() for name in FILES}
    shelf.pin("toy", archive, files, gguf="tiny.gguf", members=FILES, **fields)


def test_fetched_file_is_converted_once(shelf, wheel, recorder, source: Path, converted: Path) -> None:
    pin(shelf, wheel, source, converted)
    folder = fetch(["toy"], progress=recorder, transport=shelf.transport)["toy"]
    assert sorted(path.name for path in locate("toy").iterdir() if path.suffix != ".gguf")[1:] == FILES
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert [task[0].split()[0] for task in recorder.tasks] == ["checking", "unpacking", "converting"]
    assert recorder.tasks[-1][2] > 100_000
    assert shelf.leftovers() == []
    fetch(["toy"], progress=recorder, transport=shelf.transport)
    assert len(recorder.tasks) == 3


def test_changed_conversion_is_refused(shelf, wheel, source: Path, converted: Path) -> None:
    pin(shelf, wheel, source, converted, content="sha256:" + "0" * 64)
    with pytest.raises(IntegrityError, match="have the content sha256:"):
        fetch(["toy"], transport=shelf.transport)


def test_without_the_library_a_converted_folder_can_be_copied(
    shelf, wheel, source: Path, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(shelf, wheel, source, converted)
    fetch(["toy"], transport=shelf.transport)
    first = shelf.cache
    assert (first / "archives" / "toy-1.0-py3-none-any.whl").is_file()
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path / "other"))
    monkeypatch.setitem(sys.modules, "gguf", None)
    folder = fetch(["toy"], source_folder=first, transport=shelf.transport)["toy"]
    assert (folder / "model.safetensors").read_bytes() == (converted / "model.safetensors").read_bytes()


@pytest.mark.needs("smollm2")
def test_packaged_model_predicts_english() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = locate("smollm2")
    assert sorted(load_manifest()["smollm2"].members) == FILES
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def perplexity(text: str) -> float:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]])
        with torch.inference_mode():
            return float(model(ids, labels=ids).loss.exp())

    assert perplexity("The movie was surprisingly good and I enjoyed every minute of it.") < 60
    assert perplexity("minute good The of it every movie was enjoyed I surprisingly and.") > 5000
