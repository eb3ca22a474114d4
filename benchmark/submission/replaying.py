"""Texts put to the stated weights again, where these are given: predictions, attack texts, and a few attacks."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data import Dataset, Example
from benchmark.evaluation.tables import InspectionTable, read_attack, read_inspection, read_predictions
from benchmark.schema import UsageError, file_fingerprint
from benchmark.submission.examples import SAME_LOGITS

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier
    from benchmark.models.input_gradients import Inspection
    from benchmark.models.prompt_classifier import load_classifier
    from benchmark.submission.verifying import Verification

TEXTS, ATTACKS = 32, 4
"""How many examples of a table are predicted or replayed, and how many are attacked again."""

_READ = ("config.json", "model.safetensors")
_SUFFIXES = (".json", ".safetensors", ".txt", ".model")


def given_weights(verification: "Verification", weights: Path) -> dict[int, Path]:
    """The folders of weights that are there, by seed.

    Raises:
        UsageError: there is none.
    """
    folders = {seed: weights / f"seed-{seed}" for seed in verification.stores}
    given = {seed: folder for seed, folder in folders.items() if folder.is_dir()}
    if not given:
        raise UsageError(f"{weights} has no folder {', '.join(f'seed-{seed}' for seed in folders)}; give one at least.")
    return given


def replay_problems(verification: "Verification", given: Mapping[int, Path], salt: int) -> Iterator[str]:
    """Yield a sentence for everything that the weights of some seeds say otherwise.

    Args:
        verification: Of the submission; its tables have been read.
        given: From `given_weights`.
        salt: Decides which examples are looked at. An author who knew it could spare these.
    """
    for seed, folder in given.items():
        wrong = list(_file_problems(folder, verification.stores[seed].run["weights"]))
        yield from wrong
        if not wrong:
            yield from _Replay(verification, seed, salt).problems(folder)


def _file_problems(folder: Path, stated: "dict[str, str]") -> Iterator[str]:
    """Only files that are stated, plain and no code are ever opened."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    # Asked before any hash: a pipe would be waited for.
    odd = sorted(name for name, path in found.items() if path.is_symlink() or not path.is_file())
    if odd:
        yield f"{folder.name}/{odd[0]!a} is no plain file; remove it."
        return
    for name in sorted(set(_READ) - stated.keys()):
        yield f"{folder.name}: the submission states no {name}; these are not weights that Temper wrote."
    for name in sorted(found.keys() | stated.keys()):
        if name not in stated or name not in found:
            yield f"{folder.name}/{name!a} is {'not stated' if name in found else 'missing'} in the submission."
        elif not name.endswith(_SUFFIXES):
            yield f"{folder.name}/{name!a} is of a kind that is never loaded; remove it."
        elif file_fingerprint(found[name]) != stated[name]:
            yield f"{folder.name}/{name} does not have the hash that the submission states."


@dataclass(frozen=True)
class _Replay:
    """One seed of a submission, put to its weights again."""

    verification: "Verification"
    seed: int
    salt: int

    def problems(self, folder: Path) -> Iterator[str]:
        from benchmark.training.optimization import pick_device

        try:
            model = load_classifier(folder).to(pick_device()).eval()
        except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
            yield f"{folder.name}: the weights do not load: {type(error).__name__}: {str(error)[:300]}"
            return
        store = self.verification.stores[self.seed]
        for table in store.run["tables"]:
            data = self.verification.data_of(table["subject"], table["kind"])
            if data is None:
                continue
            name, copy = f"seed {self.seed}, {table['subject']}", store.copy_of(table)
            rows = self.sample(table["subject"], len(data), TEXTS)
            if table["kind"] == "predict":
                yield from _predicted(model, copy, data, name, rows)
            elif table["kind"] == "inspect":
                yield from _inspected(model, copy, data, name, rows)
            else:
                yield from self._replayed(model, copy, data, name)
                yield from self._attacked(model, copy, table["subject"], name)

    def sample(self, subject: str, size: int, count: int) -> list[int]:
        """Positions in a table: the same for the same salt."""
        drawn = np.random.default_rng([self.salt, self.seed, *subject.encode()])
        return sorted(int(position) for position in drawn.choice(size, min(size, count), replace=False))

    def _replayed(self, model: "Classifier", copy: Path, data: Dataset, name: str) -> Iterator[str]:
        """Put the texts that attacks ended with to the model again."""
        from benchmark.models.inference import predict_logits

        texts = {example.id: example.texts for example in data.examples}
        ended = [row for row in read_attack(copy) if row.perturbed is not None]
        chosen = [ended[position] for position in self.sample(name, len(ended), TEXTS)] if ended else []
        if not chosen:
            return
        again = predict_logits(model, [(*texts[row.id][:-1], str(row.perturbed)) for row in chosen])
        for row, logits in zip(chosen, again, strict=True):
            gap = float(np.abs(logits - np.array(row.logits_final)).max())
            if gap > SAME_LOGITS:
                yield f"{name}: the changed text of example {row.id!a} gets logits that differ by {gap:.2g}."
                return

    def _attacked(self, model: "Classifier", copy: Path, subject: str, name: str) -> Iterator[str]:
        """Attack a few examples again: what survives an attack that was never run is found here alone."""
        from benchmark.attacks import run_attack
        from benchmark.attacks.victim import ModelVictim

        attack = next(one for one in self.verification.work.suite.attacks if one.id == subject)
        rows, data = read_attack(copy), self.verification.work.attacked[subject]
        chosen = self.sample(f"{name} again", len(data), ATTACKS)
        few = replace(data, examples=tuple(data.examples[position] for position in chosen))
        with tempfile.TemporaryDirectory() as folder:
            again = run_attack(
                attack, few, ModelVictim(model), Path(folder) / "journal.jsonl", device=str(model.device)
            )
        for position, row in zip(chosen, again, strict=True):
            if row.outcome != rows[position].outcome:
                stated = rows[position].outcome
                yield f"{name}: attacked again, example {row.id!a} is {row.outcome!r}; the table says {stated!r}."


def _predicted(model: "Classifier", copy: Path, data: Dataset, name: str, rows: list[int]) -> Iterator[str]:
    from benchmark.models.inference import predict_logits

    again = predict_logits(model, [data.examples[row].texts for row in rows])
    stated = read_predictions(copy).logits[rows]
    gaps = np.abs(again - stated).max(axis=1)
    if gaps.max() > SAME_LOGITS:
        worst = data.examples[rows[int(gaps.argmax())]].id
        yield f"{name}: the weights give example {worst!a} logits that differ by {gaps.max():.2g} from the table's."


def _inspected(model: "Classifier", copy: Path, data: Dataset, name: str, rows: list[int]) -> Iterator[str]:
    """Inspect a few examples again: logits, and whether the loss has a slope."""
    from benchmark.models.input_gradients import inspect_model

    stated = read_inspection(copy)
    examples = [data.examples[row] for row in rows]
    found = inspect_model(model, [example.texts for example in examples], [example.label or 0 for example in examples])
    gaps = np.abs(found.logits - stated.predictions.logits[rows]).max(axis=1)
    yield from _second_answers(examples, found, stated, rows, name)
    for example, gap, slope, said in zip(examples, gaps, found.gradients, stated.gradients[rows], strict=True):
        if gap > SAME_LOGITS:
            yield f"{name}: the weights give example {example.id!a} logits that differ by {gap:.2g} from the table's."
            return
        if not np.isclose(slope, said, rtol=0.1, atol=1e-6):
            yield f"{name}: the weights give example {example.id!a} an input gradient of {slope:.2g}, not {said:.2g}."
            return


def _second_answers(
    examples: Sequence[Example], found: "Inspection", stated: InspectionTable, rows: list[int], name: str
) -> Iterator[str]:
    """A model that answers at random may be stated as one that does not."""
    differ = np.abs(found.again - found.logits).max(axis=1) > SAME_LOGITS
    said = np.abs(stated.again[rows] - stated.predictions.logits[rows]).max(axis=1) > SAME_LOGITS
    for example, now, then in zip(examples, differ, said, strict=True):
        if now and not then:
            yield f"{name}: asked again, the weights answer example {example.id!a} otherwise; the table says alike."
            return
