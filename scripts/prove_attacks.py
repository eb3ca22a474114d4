"""Prove that the engine finds what TextAttack's own search finds: outcome, final text and query count of each example.

    python -m scripts.prove_attacks textfooler bert_attack pwws --sets sst2,reviews,nli --out runs/proof

`imperceptible`, which TextAttack does not search in this way, is compared with scipy's differential evolution: by the
number of successes and of generations, since the two draw other random numbers.

Victims are MiniLM (its first two layers for the reviews), trained here for a few minutes and kept. TextAttack's search
works with the same parts, which it asks about one text at a time on one thread: then what a model says about a text
does not depend on its company, and neither search can differ by the last bits of a sum. Attacks with random edits get
the same random numbers in both. The same command resumes everything.

TEMPER_MIRROR names a mirror of the Hub's data sets; without it the Hub is asked.
"""

import argparse
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.attacks import AttackRow, Parts, Victim, job, load_parts, parameters_of, run_attack
from benchmark.attacks.attack_recipe import textattack_recipes
from benchmark.attacks.encoder import Encoder, Vectors
from benchmark.attacks.engine import Search
from benchmark.attacks.recipes.imperceptible import Genome, Imperceptible, edited, places
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, DataSpec, Example, LabelSpec, load
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import UsageError, nearest
from benchmark.suites import Recipe, SplitSpec, TrainingTask
from benchmark.training.loop import Trainer
from methods.vanilla import Vanilla

SENTIMENT, ENTAILMENT = ("negative", "positive"), ("entailment", "neutral", "contradiction")
_SST2 = partial(DataSpec, source="hub", repository="nyu-mll/glue", configuration="sst2", text=("sentence",))
_PAIR = ("premise", "hypothesis")
_LABEL = LabelSpec("label")


@dataclass(frozen=True)
class Proof:
    """Examples and their victim.

    Attributes:
        train: What the victim learns from.
        attacked: Where the examples come from.
        classes: Names of the classes.
        max_length: Longest input of the victim, in tokens.
        examples: How many are attacked.
        words: Fewest and most words of an attacked text.
        layers: How many of the backbone's layers the victim keeps; None for all.
    """

    train: DataSpec
    attacked: DataSpec
    classes: tuple[str, ...]
    max_length: int
    examples: int
    words: tuple[int, int] = (0, 1 << 30)
    layers: int | None = None


SETS = {
    "sst2": Proof(
        train=_SST2(split="train", label=_LABEL, rows=67_349, limit=2000),
        attacked=_SST2(split="validation", label=_LABEL, rows=872),
        classes=SENTIMENT,
        max_length=64,
        examples=200,
    ),
    "reviews": Proof(
        train=_SST2(split="train", label=_LABEL, rows=67_349, limit=2000),
        attacked=DataSpec("hub", ("text",), repository="stanfordnlp/imdb", split="test", label=_LABEL, rows=1000),
        classes=SENTIMENT,
        max_length=256,
        examples=50,
        words=(130, 260),
        # A review needs about a thousand queries, one text at a time: all six layers would take hours.
        layers=2,
    ),
    "nli": Proof(
        train=DataSpec(
            "hub", _PAIR, repository="tasksource/counterfactually-augmented-snli", split="train", label=_LABEL,
            rows=8330, limit=3000,
        ),
        attacked=DataSpec("hub", _PAIR, repository="stanfordnlp/snli", split="test", label=_LABEL, rows=1000),
        classes=ENTAILMENT,
        max_length=64,
        examples=100,
    ),
}  # fmt: skip


PARAMETERS: Mapping[str, Mapping[str, Any]] = {"keyboard_typos": {"insertions": "all"}}
"""Parameters of the attacks that are not compared with their defaults.

TextAttack draws the letters of keyboard typos in the order of a set, which no random numbers can follow.
"""


@contextmanager
def same_draws() -> Iterator[None]:
    """Make both backends draw an example's random numbers from one generator, seeded by the example's id."""
    from benchmark.attacks.textattack import adapter

    drawn, new_attempt = random.Random(), job.new_attempt

    def generator(seed: str) -> random.Random:
        return random.Random(seed.rpartition("/")[2])

    @contextmanager
    def seeded(seed: str) -> Iterator[None]:
        drawn.setstate(generator(seed).getstate())
        with patch.object(np.random, "randint", drawn.randrange), patch.object(random, "choice", drawn.choice):
            yield

    def attempt(example: Example, search: Search, seed: str, budget: int | None) -> job.Attempt:
        fresh = new_attempt(example, search, seed, budget)
        fresh.case.rng = generator(seed)
        return fresh

    with patch.object(adapter, "_seeded", seeded), patch.object(job, "new_attempt", attempt):
        yield


@dataclass(frozen=True)
class OneAtATimeEncoder:
    """An encoder that is asked about one text at a time."""

    encoder: Encoder

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """Encode sentences as vectors of length 1, shape (sentences, dimensions)."""
        return np.concatenate([self.encoder.encode([sentence]) for sentence in sentences])


@dataclass(frozen=True)
class Comparison:
    """Results of two searches on the same examples.

    Attributes:
        rows: The engine's and TextAttack's row of each example.
    """

    rows: Sequence[tuple[AttackRow, AttackRow]]

    def equal(self, name: str) -> int:
        """Count the examples on which a field is equal."""
        return sum(getattr(ours, name) == getattr(theirs, name) for ours, theirs in self.rows)

    @property
    def different(self) -> list[tuple[AttackRow, AttackRow]]:
        """Rows that differ in outcome, final text or query count."""
        kept = ("outcome", "perturbed", "queries")
        return [pair for pair in self.rows if any(getattr(pair[0], k) != getattr(pair[1], k) for k in kept)]


def compare(attack: Attack, examples: Dataset, model: Classifier, parts: Parts, folder: Path) -> Comparison:
    """Run an attack on the engine and through TextAttack, with the same random numbers; journals go into a folder."""
    victims: dict[str, Victim] = {
        "engine": ModelVictim(model),
        "textattack": partial(predict_logits, model, tokens_per_batch=1),
    }
    resources = {"engine": parts, "textattack": replace(parts, encoder=OneAtATimeEncoder(parts.encoder))}
    with same_draws():
        results = [
            run_attack(
                replace(attack, backend=backend),
                examples,
                victims[backend],
                folder / f"{attack.id}-{backend}.jsonl",
                _progress(f"{attack.id} {backend}"),
                parts=resources[backend],
            )
            for backend in ("engine", "textattack")
        ]
    return Comparison(list(zip(*results, strict=True)))


def generation_of_scipy(recipe: Imperceptible, victim: Victim, example: Example, seed: int) -> int | None:
    """Return the generation, from 1, in which scipy's differential evolution misleads a victim; None if none does."""
    from scipy.optimize import differential_evolution

    *frozen, original = example.texts
    genome = Genome(places(original, recipe.characters), recipe.perturbations)
    misled: list[bool] = []

    def lead(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = victim([(*frozen, edited(original, genome.edits(list(vector)))) for vector in vectors.T])
        misled.append(bool((logits.argmax(axis=1) != example.label).any()))
        others = np.delete(logits, example.label or 0, axis=1).max(axis=1)
        return np.asarray(logits[:, example.label or 0] - others, dtype=np.float64)

    differential_evolution(
        lead, [(0, 1)] * genome.length, maxiter=recipe.generations, popsize=recipe.population, tol=-1, polish=False,
        updating="deferred", vectorized=True, seed=seed, callback=lambda *_, **__: any(misled),
    )  # fmt: skip
    return misled.index(True) + 1 if any(misled) else None


def _show_evolution(label: str, attack: Attack, examples: Dataset, model: Classifier, folder: Path) -> None:
    """Print how often and how soon the engine and scipy mislead the victim, of the examples that it has right."""
    recipe, journal = Imperceptible(), folder / f"{attack.id}-engine.jsonl"
    rows = run_attack(attack, examples, ModelVictim(model), journal, _progress(label), parts=load_parts(recipe))
    right = [(row, example) for row, example in zip(rows, examples.examples, strict=True) if row.outcome != "skipped"]
    ours: list[int | None] = []
    for row, example in right:
        genes = Genome(places(example.texts[-1], recipe.characters), recipe.perturbations).length
        ours.append(-(-(row.queries - 1) // (recipe.population * genes)) if row.outcome == "flipped" else None)
    victim = partial(predict_logits, model)
    theirs = [generation_of_scipy(recipe, victim, example, seed) for seed, (_, example) in enumerate(right)]
    for who, generations in (("engine", ours), ("scipy", theirs)):
        known = [generation for generation in generations if generation is not None]
        mean = np.mean(known) if known else float("nan")
        print(f"{label}, {who}: {len(known)} of {len(right)} flipped, in generation {mean:.2f} on average", flush=True)


def victim_of(proof: Proof, folder: Path) -> Classifier:
    """Return the set's victim: trained on one thread for two epochs, or loaded from an earlier run."""
    if not (folder / "model/config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        task = TrainingTask("t", "d", proof.classes, proof.max_length, proof.train, SplitSpec("example", 0.1))
        trainer = Trainer(
            method=Vanilla(),
            backbone=backbone_of(proof, folder),
            task=task,
            recipe=Recipe(epochs=2, batch_size=16, learning_rate=1e-4, clip=1.0),
            train=load(proof.train, classes=proof.classes),
            validation=load(replace(proof.attacked, limit=100), classes=proof.classes),
            seed=0,
            folder=folder,
            report=_progress(f"training {folder.name}", every=50),
        )
        trainer.run()[0].save(folder / "model")
    return load_classifier(folder / "model").eval()


def backbone_of(proof: Proof, folder: Path) -> Backbone:
    """Return MiniLM, or a copy of its first layers in a folder."""
    whole = resolve_backbone("minilm")
    if proof.layers is None:
        return whole
    cut = folder / "backbone"
    shutil.copytree(whole.path, cut, dirs_exist_ok=True)
    config = json.loads((cut / "config.json").read_text(encoding="utf-8"))
    (cut / "config.json").write_text(json.dumps(config | {"num_hidden_layers": proof.layers}), encoding="utf-8")
    return resolve_backbone(str(cut))


def examples_of(proof: Proof, count: int | None) -> Dataset:
    """Select the first examples, ordered by a hash of their texts, whose attacked text has a medium length."""
    whole = load(proof.attacked, classes=proof.classes)
    low, high = proof.words

    def fits(example: Example) -> bool:
        return low <= len(example.texts[-1].split()) <= high

    chosen = tuple(filter(fits, whole.examples))[: count or proof.examples]
    return replace(whole, examples=chosen)


def _progress(label: str, every: int = 20) -> Callable[..., None]:
    def report(*counts: object) -> None:
        done, total = counts[-2:]
        if isinstance(done, int) and (done % every == 0 or done == total):
            print(f"  {label}: {done} of {total}", file=sys.stderr, flush=True)

    return report


def main() -> None:
    """Print a line per recipe and set, and the first differences; return 1 if there are any."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    unlike = 0
    for name in arguments.sets.split(","):
        if name not in SETS:
            raise UsageError(f"There is no set {name!r}. {nearest(name, SETS)}")
        proof = SETS[name]
        model, examples = victim_of(proof, arguments.out / "victims" / name), examples_of(proof, arguments.examples)
        for recipe in arguments.recipes:
            attack = Attack(
                id=recipe, version=1, title=recipe, description="-", on=name, subset=len(examples), recipe=recipe,
                parameters=PARAMETERS.get(recipe, {}),
            )  # fmt: skip
            folder = arguments.out / name / str(len(examples))
            folder.mkdir(parents=True, exist_ok=True)
            if recipe == "imperceptible":
                _show_evolution(f"{recipe} on {name}", attack, examples, model, folder)
                continue
            comparison = compare(attack, examples, model, load_parts(parameters_of(attack)), folder)
            unlike += len(comparison.different)
            _show(f"{recipe} on {name}", comparison)
    raise SystemExit(1 if unlike else 0)


def _show(label: str, comparison: Comparison) -> None:
    outcomes = {row.outcome for row, _ in comparison.rows}
    counts = ", ".join(f"{sum(row.outcome == o for row, _ in comparison.rows)} {o}" for o in sorted(outcomes))
    equal = ", ".join(f"{comparison.equal(field)} same {word}" for field, word in _FIELDS.items())
    print(f"{label}: {len(comparison.rows)} examples ({counts}): {equal}", flush=True)
    for ours, theirs in comparison.different[:3]:
        print(f"  {ours.id}: {ours.original}")
        for who, row in (("engine", ours), ("textattack", theirs)):
            print(f"    {who}: {row.outcome}, {row.queries} queries, {row.reason or row.perturbed}")


_FIELDS = {"outcome": "outcomes", "perturbed": "texts", "queries": "query counts"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", choices=[*textattack_recipes(), "imperceptible"])
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--examples", type=int, help="of each set; else as many as the proof needs")
    parser.add_argument("--out", type=Path, default=Path("runs/proof"))
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
