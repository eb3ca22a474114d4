"""Time Temper's attack engine against TextAttack's own search on the same victim, parts and examples.

    python -m tests.performance.attack_speed --model DIR --data FILE --text sentence --label label --examples 40

DIR is a model folder that `temper run` wrote (runs/store/train/*/model). Examples come in blocks; on each block the
variants run one after the other, so that a busy moment hits all of them, and ratios are taken block by block. Variants:

* engine: ours, as suites use it.
* dynamic: TextAttack's search, constraints and batches, with a wrapper that pads a batch to its longest text.
* stock: the same with TextAttack's own wrapper, which pads every batch to the tokenizer's model_max_length.
* adapter: our `backend = "textattack"`, which queries no text twice.
* floor: all questions that the engine asked, each once, in full fp32 batches as torch multiplies by itself; tagger and
  bookkeeping are free. "packed" is the same with weights laid out once, the best fp32 that is measured here.
"""

import argparse
import dataclasses
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch

from benchmark.attacks import AttackRow, Parts, load_parts, parameters_of, run_attack
from benchmark.attacks.encoder import SentenceEncoder
from benchmark.attacks.engine import oracles
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, DataSpec, LabelSpec, load
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.packed_linear import packed
from benchmark.models.prompt_classifier import load_classifier

Runner = Callable[[Dataset], list[AttackRow]]


class Asked:
    """Notes what the engine's oracles were asked, so that the floor can be timed."""

    def __init__(self) -> None:
        self.victim: dict[tuple[str, ...], None] = {}
        self.encoder: dict[str, None] = {}
        answer = oracles.TieredOracle.answer

        def noted(oracle: oracles.TieredOracle, items: Sequence[Any], tier: int) -> Any:
            if isinstance(oracle.tiers[0], oracles.Cosines):
                self.encoder.update(dict.fromkeys(text for pair in items for text in pair))
            else:
                self.victim.update(dict.fromkeys(items))
            return answer(oracle, items, tier)

        oracles.TieredOracle.answer = noted  # type: ignore[method-assign]

    def forget(self) -> None:
        """Start again."""
        self.victim.clear()
        self.encoder.clear()


def engine(attack: Attack, model: Classifier, parts: Parts, data: Dataset) -> list[AttackRow]:
    """Ours, or the adapter, by the attack's backend."""
    victim = ModelVictim(model) if attack.backend == "engine" else partial(predict_logits, model)
    with tempfile.TemporaryDirectory() as folder:
        return run_attack(attack, data, victim, Path(folder, "journal"), parts=parts)


def textattack(attack: Attack, model: Classifier, parts: Parts, data: Dataset, *, stock: bool) -> list[AttackRow]:
    """TextAttack as its user has it: its wrapper or a dynamic one, its constraint's way of encoding."""
    from benchmark.attacks.textattack.adapter import attack_with
    from benchmark.attacks.textattack.components import LocalSentenceEncoder, VictimWrapper

    class Plain(VictimWrapper):
        """Queries every text, duplicates included, in batches of 32 like TextAttack's goal function."""

        def __call__(self, text_input_list: Sequence[Any]) -> Any:
            for text in text_input_list:
                self.logits.pop((text,) if isinstance(text, str) else tuple(text), None)
            return super().__call__(text_input_list)

    def ask(texts: Sequence[tuple[str, ...]]) -> np.ndarray:  # type: ignore[type-arg]
        found = [_padded(model, texts[i : i + 32], stock=stock) for i in range(0, len(texts), 32)]
        return np.concatenate(found)

    built = parameters_of(attack).build_textattack(parts, Plain(ask), pair=len(data.examples[0].texts) == 2)
    for constraint in built.constraints:
        if isinstance(constraint, LocalSentenceEncoder):
            # What TextAttack does with any encoder: the reference once a candidate, short texts too, nothing kept.
            base = type(constraint).__mro__[1]
            constraint._check_constraint_many = partial(base._check_constraint_many, constraint)
            constraint.encode = lambda sentences: torch.from_numpy(parts.encoder.encode(list(sentences)))
    with tempfile.TemporaryDirectory() as folder:
        return attack_with(built, data, Path(folder, "journal"))


def _padded(model: Classifier, texts: Sequence[tuple[str, ...]], *, stock: bool) -> np.ndarray:  # type: ignore[type-arg]
    encoded = [model.tokenise(text) for text in texts]
    length = model.tokenizer.model_max_length if stock else None
    padding = {"padding": "max_length", "max_length": min(length, 512)} if length else {"padding": True}
    tokens = model.tokenizer.pad([dict(e) for e in encoded], return_tensors="pt", **padding)
    with torch.inference_mode():
        return np.asarray(model.network(**tokens.to(model.device)).logits.float().cpu().numpy())


def timed(work: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    started = clock()
    result = work()
    return clock() - started, result


def differences(rows: Sequence[AttackRow], others: Sequence[AttackRow]) -> int:
    """Examples whose outcome, final text or number of queries differ."""
    return sum(
        (a.outcome, a.perturbed, a.queries) != (b.outcome, b.perturbed, b.queries)
        for a, b in zip(rows, others, strict=True)
    )


def main() -> None:
    """Print ratios over the engine, medians over the blocks."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.clock == "cpu" else time.perf_counter
    attack = Attack(
        id="speed", version=1, title="-", description="-", on="-", subset=arguments.examples, recipe=arguments.attack
    )
    model, parts = load_classifier(arguments.model).eval(), load_parts(parameters_of(attack))
    data, asked = _examples(arguments), Asked()
    adapted = dataclasses.replace(attack, backend="textattack")
    runners: dict[str, Runner] = {
        "engine": partial(engine, attack, model, parts),
        "dynamic": partial(textattack, attack, model, parts, stock=False),
        "adapter": partial(engine, adapted, model, parts),
        "stock": partial(textattack, attack, model, parts, stock=True),
    }
    chosen = ["engine", *(name for name in runners if name in arguments.variants and name != "engine")]
    taken: dict[str, list[float]] = {name: [] for name in [*chosen, "floor", "packed"]}
    unlike = dict.fromkeys(chosen, 0)
    encoder = cast(SentenceEncoder, parts.encoder)
    floors = {"floor": (model, encoder), "packed": (packed(model), encoder._with(packed(encoder._model)))}
    for name in chosen:  # imports and caches
        runners[name](dataclasses.replace(data, examples=data.examples[:1]))
    for start in range(0, len(data.examples), arguments.block):
        block = dataclasses.replace(data, examples=data.examples[start : start + arguments.block])
        asked.forget()
        rows: dict[str, list[AttackRow]] = {}
        for name in chosen:
            seconds, rows[name] = timed(partial(runners[name], block), clock)
            taken[name].append(seconds)
            unlike[name] += differences(rows["engine"], rows[name])
        victims, sentences = list(asked.victim), list(asked.encoder)
        for name, (asked_model, encoder) in floors.items():
            victim, _ = timed(partial(predict_logits, asked_model, victims, tokens_per_batch=1024), clock)
            sentence, _ = timed(partial(encoder.encode, sentences), clock)
            taken[name].append(victim + sentence)
        print(f"{start + len(block.examples)} of {len(data.examples)}: " + _seconds(taken), flush=True)
    print("variant   over the engine   differing examples")
    for name in [*chosen[1:], *floors]:
        ratio = statistics.median(a / b for a, b in zip(taken[name], taken["engine"], strict=True))
        total = sum(taken[name]) / sum(taken["engine"])
        print(f"{name:8s}  {ratio:6.2f} ({total:.2f} in all)   {unlike.get(name, '-')}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _seconds(taken: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {seconds[-1]:.1f} s" for name, seconds in taken.items())


def _examples(arguments: argparse.Namespace) -> Dataset:
    spec = DataSpec(
        source="file",
        path=str(arguments.data),
        format=arguments.data.suffix.lstrip("."),
        text=tuple(arguments.text),
        label=LabelSpec(column=arguments.label, map={str(n): n for n in range(10)}),
        limit=arguments.examples,
    )
    return load(spec)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", action="append", required=True)
    parser.add_argument("--label", default="label")
    parser.add_argument("--attack", default="textfooler")
    parser.add_argument("--examples", type=int, default=40)
    parser.add_argument("--block", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--variants", default="dynamic,stock")
    return parser.parse_args()


if __name__ == "__main__":
    main()
