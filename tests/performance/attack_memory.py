"""Peak memory of an attack above what its models take, with many examples in flight.

    python -m tests.performance.attack_memory --data FILE --text text --in-flight 1000 [--model DIR]

Without a model the answers are made up, so that what is measured is the engine alone, and long texts take minutes. A
budget of queries for each example keeps it short: memory is highest while all examples are in flight.
"""

import argparse
import os
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from benchmark.attacks import load_parts, parameters_of, run_attack
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import DataSpec, LabelSpec, load
from benchmark.models.prompt_classifier import load_classifier


def main() -> None:
    """Print the peak before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", action="append", required=True)
    parser.add_argument("--attack", default="textfooler")
    parser.add_argument("--in-flight", type=int, default=1000)
    parser.add_argument("--budget", type=int, default=40)
    given = parser.parse_args()
    attack = Attack("memory", 1, "-", "-", "-", given.in_flight, given.attack)
    attack = replace(attack, parameters={"query_budget": given.budget})
    spec = DataSpec(
        source="file",
        path=str(given.data),
        format=given.data.suffix.lstrip("."),
        text=tuple(given.text),
        label=LabelSpec(column="label", map={str(n): n for n in range(10)}),
        limit=given.in_flight,
    )
    data, parts = load(spec), load_parts(parameters_of(attack))
    if given.model is None:
        parts = replace(parts, encoder=MadeUp())
        data = replace(data, examples=tuple(replace(example, label=1) for example in data.examples))
    victim = made_up if given.model is None else ModelVictim(load_classifier(given.model).eval())
    with tempfile.TemporaryDirectory() as folder:
        few = replace(data, examples=data.examples[:4])
        run_attack(attack, few, victim, Path(folder, "few"), parts=parts)
        before = _peak()
        run_attack(attack, data, victim, Path(folder, "all"), parts=parts, in_flight=given.in_flight)
    print(f"{len(data.examples)} examples in flight: {_peak() - before:.2f} GiB above {before:.2f} GiB for four")


class MadeUp:
    """An encoder to which all sentences are alike."""

    def encode(self, sentences: Sequence[str]) -> np.ndarray:  # type: ignore[type-arg]
        """The same vector for each."""
        return np.ones((len(sentences), 1), dtype=np.float32)


def made_up(texts: Sequence[tuple[str, ...]]) -> np.ndarray:  # type: ignore[type-arg]
    """Logits by a text's checksum, of which about one in a hundred thousand flips."""
    doubt = np.array([crc32(" ".join(text).encode()) / 2**32 for text in texts], dtype=np.float32)
    return np.stack([doubt - 0.99999, 0.99999 - doubt], axis=1)


def _peak() -> float:
    """Largest resident memory so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
