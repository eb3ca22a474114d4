"""Texts put to the stated weights again, where these are given: predictions, attack texts, and a few attacks."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data import Dataset
from benchmark.evaluation.tables import read_attack, read_inspection, read_predictions
from benchmark.schema import UsageError, file_fingerprint
from benchmark.submission.examples import SAME_LOGITS

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier
    from benchmark.submission.verifying import Verification

TEXTS, ATTACKS = 32, 4
"""How many examples of a table are predicted or replayed, and how many are attacked again."""

_READ = ("config.json", "model.safetensors")
_SUFFIXES = (".json", ".safetensors", ".txt", ".model")


def replay_problems(verification: "Verification", weights: Path) -> Iterator[str]:
    """Yield a sentence for everything that the weights of ``<weights>/seed-<n>`` say otherwise.

    Raises:
        UsageError: the folder has weights of no seed.
    """
    folders = {seed: weights / f"seed-{seed}" for seed in verification.stores}
    given = {seed: folder for seed, folder in folders.items() if folder.is_dir()}
    if not given:
        raise UsageError(f"{weights} has no folder {', '.join(f'seed-{seed}' for seed in folders)}; give one at least.")
    for seed, folder in given.items():
        wrong = list(_file_problems(folder, verification.stores[seed].run["weights"]))
        yield from wrong
        if not wrong:
            yield from _seed_problems(verification, seed, folder)


def _file_problems(folder: Path, stated: "dict[str, str]") -> Iterator[str]:
    """Only files that are stated, plain and no code are ever opened."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(set(_READ) - stated.keys()):
        yield f"{folder.name}: the submission states no {name}; these are not weights that Temper wrote."
    for name in sorted(found.keys() | stated.keys()):
        if name not in stated or name not in found:
            yield f"{folder.name}/{name!a} is {'not stated' if name in found else 'missing'} in the submission."
        elif found[name].is_symlink() or not name.endswith(_SUFFIXES):
            yield f"{folder.name}/{name!a} is a link or of a kind that is never loaded; remove it."
        elif file_fingerprint(found[name]) != stated[name]:
            yield f"{folder.name}/{name} does not have the hash that the submission states."


def _seed_problems(verification: "Verification", seed: int, folder: Path) -> Iterator[str]:
    from benchmark.models.classifier import Classifier
    from benchmark.training.optimization import pick_device

    model = Classifier.load(folder).to(pick_device()).eval()
    store = verification.stores[seed]
    for table in store.run["tables"]:
        data = verification.data_of(table["subject"], table["kind"])
        if data is None:
            continue
        name = f"seed {seed}, {table['subject']}"
        copy = store.copy_of(table)
        if table["kind"] == "predict":
            yield from _predicted(model, copy, data, name)
        elif table["kind"] == "inspect":
            yield from _inspected(model, copy, data, name)
        else:
            yield from _replayed(model, copy, data, name)
            yield from _attacked(verification, model, copy, table["subject"], name)


def _sample(size: int, count: int, copy: Path) -> list[int]:
    """Positions that follow from a table's bytes: the same for everyone, and known to no one before the table is."""
    drawn = np.random.default_rng(int(file_fingerprint(copy).removeprefix("sha256:")[:16], 16))
    return sorted(int(position) for position in drawn.choice(size, min(size, count), replace=False))


def _predicted(model: "Classifier", copy: Path, data: Dataset, name: str) -> Iterator[str]:
    from benchmark.models.inference import predict_logits

    rows = _sample(len(data), TEXTS, copy)
    again = predict_logits(model, [data.examples[row].texts for row in rows])
    stated = read_predictions(copy).logits[rows]
    gaps = np.abs(again - stated).max(axis=1)
    if gaps.max() > SAME_LOGITS:
        worst = data.examples[rows[int(gaps.argmax())]].id
        yield f"{name}: the weights give example {worst!a} logits that differ by {gaps.max():.2g} from the table's."


def _inspected(model: "Classifier", copy: Path, data: Dataset, name: str) -> Iterator[str]:
    """Inspect a few examples again: logits, and whether the loss has a slope."""
    from benchmark.models.inspection import inspect_model

    rows, stated = _sample(len(data), TEXTS, copy), read_inspection(copy)
    examples = [data.examples[row] for row in rows]
    found = inspect_model(model, [example.texts for example in examples], [example.label or 0 for example in examples])
    gaps = np.abs(found.logits - stated.predictions.logits[rows]).max(axis=1)
    for example, gap, slope, said in zip(examples, gaps, found.gradients, stated.gradients[rows], strict=True):
        if gap > SAME_LOGITS:
            yield f"{name}: the weights give example {example.id!a} logits that differ by {gap:.2g} from the table's."
            return
        if not np.isclose(slope, said, rtol=0.1, atol=1e-6):
            yield f"{name}: the weights give example {example.id!a} an input gradient of {slope:.2g}, not {said:.2g}."
            return


def _replayed(model: "Classifier", copy: Path, data: Dataset, name: str) -> Iterator[str]:
    """Put the texts that attacks ended with to the model again."""
    from benchmark.models.inference import predict_logits

    texts = {example.id: example.texts for example in data.examples}
    ended = [row for row in read_attack(copy) if row.perturbed is not None]
    chosen = [ended[position] for position in _sample(len(ended), TEXTS, copy)] if ended else []
    if not chosen:
        return
    again = predict_logits(model, [(*texts[row.id][:-1], str(row.perturbed)) for row in chosen])
    for row, logits in zip(chosen, again, strict=True):
        gap = float(np.abs(logits - np.array(row.logits_final)).max())
        if gap > SAME_LOGITS:
            yield f"{name}: the changed text of example {row.id!a} gets other logits than the table's, by {gap:.2g}."
            return


def _attacked(verification: "Verification", model: "Classifier", copy: Path, subject: str, name: str) -> Iterator[str]:
    """Attack a few examples again: what survives an attack that was never run is found here alone."""
    from benchmark.attacks import run_attack
    from benchmark.attacks.victim import ModelVictim

    attack = next(one for one in verification.work.suite.attacks if one.id == subject)
    rows, data = read_attack(copy), verification.work.attacked[subject]
    chosen = _sample(len(data), ATTACKS, copy)
    few = replace(data, examples=tuple(data.examples[position] for position in chosen))
    with tempfile.TemporaryDirectory() as folder:
        again = run_attack(attack, few, ModelVictim(model), Path(folder) / "journal.jsonl", device=str(model.device))
    for position, row in zip(chosen, again, strict=True):
        if row.outcome != rows[position].outcome:
            stated = rows[position].outcome
            yield f"{name}: attacked again, example {row.id!a} is {row.outcome!r}; the table says {stated!r}."
