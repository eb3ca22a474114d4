"""Convert a GGUF file, a quantised language model in one file, to a folder that transformers loads."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.resources.checksum import Digest, Progress, Silent, digest_of
from benchmark.schema.errors import IntegrityError

if TYPE_CHECKING:
    from gguf import GGUFReader

_CONTROL = 3
"""GGUF's type of a token that is not text, such as the end of a turn."""

_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTSIDE = {"token_embd": "embed_tokens", "output_norm": "norm"}


def convert_gguf(file: Path, target: Path, progress: Progress) -> dict[str, Digest]:
    """Write config.json, model.safetensors, tokenizer.json and tokenizer_config.json from a GGUF file.

    Weights are dequantised in float32 and stored as float16. Equal inputs give equal bytes: nothing depends on the
    machine, and neither torch nor transformers takes part.

    Args:
        file: A Llama model with tied embeddings and SmolLM's byte-level tokenizer.
        target: An existing empty folder.
        progress: Receives the number of bytes of the converted weights.

    Returns:
        Digest of each written file by its name.

    Raises:
        ImportError: the package gguf is not installed.
        IntegrityError: the file is not such a model.
    """
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    try:
        reader = GGUFReader(file)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        kind = (fields["general.architecture"], fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
        if kind != ("llama", "gpt2", "smollm"):
            raise IntegrityError(f"{file} is a GGUF file of the kind {'/'.join(kind)}, not llama/gpt2/smollm.")
        described = {
            "config.json": _config(fields),
            "tokenizer.json": _tokenizer(fields),
            "tokenizer_config.json": _tokenizer_config(fields),
        }
        weights = _weights(reader, fields, progress)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise IntegrityError(f"{file} cannot be read as a GGUF file: {type(error).__name__} {error}.") from error
    for name, content in described.items():
        text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
        (target / name).write_text(text + "\n", encoding="utf-8", newline="\n")
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    # safetensors restricts the file to its owner, but a group may share the cache.
    (target / "model.safetensors").chmod(0o644)
    return {path.name: digest_of(path, Silent()) for path in sorted(target.iterdir())}


def _weights(reader: "GGUFReader", fields: dict[str, Any], progress: Progress) -> dict[str, NDArray[np.float16]]:
    from gguf.quants import dequantize

    heads = {
        "attn_q": fields["llama.attention.head_count"],
        "attn_k": fields["llama.attention.head_count_kv"],
    }
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            values = _halves_of_heads(values, heads[part])
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if not np.isfinite(halved).all():
            raise ValueError(f"{tensor.name} has values that float16 cannot hold")
        weights[_name(tensor.name)] = halved
        progress.advance(halved.nbytes)
    return weights


def _name(name: str) -> str:
    """Return the name in ``LlamaForCausalLM`` of a tensor such as ``blk.0.attn_q.weight``."""
    *block, part, last = name.split(".")
    inside = f"layers.{block[1]}.{_BLOCK[part]}" if block else _OUTSIDE[part]
    return f"model.{inside}.{last}"


def _halves_of_heads(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder a projection's rows from rotated pairs that are neighbours (GGUF) to ones half a head apart (Llama)."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _config(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.rope.dimension_count"],
        "max_position_embeddings": fields["llama.context_length"],
        "rope_theta": fields["llama.rope.freq_base"],
        # A float32; its shortest decimal form is the number that was meant.
        "rms_norm_eps": float(str(np.float32(fields["llama.attention.layer_norm_rms_epsilon"]))),
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        **{f"{role}_token_id": fields[f"tokenizer.ggml.{key}_token_id"] for role, key in _ROLES.items()},
    }


_ROLES = {"bos": "bos", "eos": "eos", "pad": "padding"}


def _tokenizer(fields: dict[str, Any]) -> dict[str, Any]:
    """Describe a byte-level BPE that splits numbers into digits, in the format of the tokenizers library."""
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    bytes_of_text = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, **flags}
            for number, (token, kind) in enumerate(zip(tokens, types, strict=True))
            if kind == _CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, bytes_of_text],
        },
        "post_processor": None,
        "decoder": bytes_of_text,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in fields["tokenizer.ggml.merges"]],
        },
    }


def _tokenizer_config(fields: dict[str, Any]) -> dict[str, Any]:
    tokens = fields["tokenizer.ggml.tokens"]
    roles = {**_ROLES, "unk": "unknown"}
    return {
        # Each library version reads tokenizer.json as it is only in its general class.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        **{f"{role}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"]] for role, key in roles.items()},
    }
