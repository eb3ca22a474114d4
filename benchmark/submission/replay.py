"""Predict, inspect and attack examples of a submission again on weights that are given."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.data import Dataset
from benchmark.evaluation.parquet import FeatureTable, InspectionTable, PredictionTable
from benchmark.execution.workload import BEFORE, Workload
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.schema import UsageError, file_fingerprint
from benchmark.schema.attack_outcome import AttackRow
from benchmark.submission.table_checks import SAME_LOGITS, predictions_of
from benchmark.submission.verify import Verification

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

_LOADABLE = {".json", ".safetensors", ".txt", ".model"}

SAME_FEATURES = 0.01
"""Largest difference of a feature, plus this share of its size: tables keep 16 bits, and devices differ."""

REPLAYED, ATTACKED_AGAIN = 32, 4
"""Number of examples of a table that are predicted again, and number that are attacked again."""


def given_weights(verification: Verification, weights: Path) -> dict[int, Path]:
    """Return the existing folders of weights by seed.

    Raises:
        UsageError: there are none.
    """
    folders = {seed: weights / f"seed-{seed}" for seed in verification.seeds}
    given = {seed: folder for seed, folder in folders.items() if folder.is_dir()}
    if not given:
        raise UsageError(f"{weights} has no folder {', '.join(f'seed-{seed}' for seed in folders)}; add at least one.")
    return given


def replay_problems(verification: Verification, given: Mapping[int, Path], salt: int) -> Iterator[str]:
    """Predict, inspect and attack a sample of examples again on the stated weights; yield every difference.

    Args:
        verification: The submission under verification; its tables were read.
        given: The result of `given_weights`.
        salt: Selects the sample. An author who knew it could make only these examples agree.
    """
    from benchmark.models.prompt_classifier import load_classifier
    from benchmark.training.optimization import pick_device

    work = verification.work
    for number, folder in given.items():
        seed = verification.seeds[number]
        if wrong := list(_weight_problems(folder, seed.run.weights)):
            yield from wrong
            continue
        try:
            model = load_classifier(folder).to(pick_device()).eval()
        except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
            yield f"{folder.name}: the weights do not load: {type(error).__name__}: {str(error)[:300]}"
            continue
        for (_, subject), content in seed.tables.items():
            random = np.random.default_rng([salt, number, *subject.encode()])
            if isinstance(content, list):
                problem = _attack_difference(model, work, subject, content, random)
            elif isinstance(content, FeatureTable):
                features = _extractor(model, seed.row.backbone, work, subject)
                problem = _feature_difference(features, content, work.examples(subject), random)
            else:
                problem = _table_difference(model, content, work.examples(subject), random)
            if problem:
                yield f"seed {number}, {subject}: {problem}"


def _weight_problems(folder: Path, stated: Mapping[str, str]) -> Iterator[str]:
    """Check that the folder holds only stated, plain files that are not code."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    folders = {name for name, path in paths.items() if path.is_dir() and not path.is_symlink()}
    for name in sorted((paths.keys() | stated.keys()) - folders):
        path = paths.get(name)
        if path is None or name not in stated:
            yield f"{folder.name}/{name!a} is {'missing' if path is None else 'not stated in the submission'}."
        # Check this before hashing, since reading a pipe would never end.
        elif path.is_symlink() or not path.is_file() or path.suffix not in _LOADABLE:
            yield f"{folder.name}/{name!a} is not a plain file of a kind that is loaded; remove it."
        elif file_fingerprint(path) != stated[name]:
            yield f"{folder.name}/{name} does not have the hash that the submission states."


def _sample(random: np.random.Generator, size: int, count: int = REPLAYED) -> list[int]:
    return sorted(int(position) for position in random.choice(size, min(size, count), replace=False))


def _table_difference(
    model: "Classifier", table: PredictionTable | InspectionTable, data: Dataset, random: np.random.Generator
) -> str:
    """Predict or inspect some examples again; return the first difference."""
    from benchmark.models.inference import inspect_model, predict_logits

    rows = _sample(random, len(data))
    examples = [data.examples[row] for row in rows]
    texts = [example.texts for example in examples]
    stated = predictions_of(table).logits[rows]
    if isinstance(table, InspectionTable):
        inspected = inspect_model(model, texts, [example.label or 0 for example in examples])
        logits, slopes, gradients = inspected.logits, inspected.gradients, table.gradients[rows]
    else:
        logits = predict_logits(model, texts)
        slopes = gradients = np.zeros(len(rows), np.float32)
    for example, gap, slope, gradient in zip(
        examples, np.abs(logits - stated).max(axis=1), slopes, gradients, strict=True
    ):
        if not gap <= SAME_LOGITS:
            return f"the weights give example {example.id!a} logits that differ by {gap:.2g} from the table's."
        if not np.isclose(slope, gradient, rtol=0.1, atol=1e-6, equal_nan=True):
            return f"the weights give example {example.id!a} an input gradient of {slope:.2g}, not {gradient:.2g}."
    return ""


def _extractor(
    model: "Classifier", backbone: Backbone, work: Workload, subject: str
) -> Callable[[Sequence[Sequence[str]]], NDArray[np.float16]] | None:
    """Return the function that computes the features of a table; None for those of a backbone that is not the suite's.

    Args:
        model: The trained model.
        backbone: The backbone that it began with.
        work: The suite's data.
        subject: The subject of the table.
    """
    from benchmark.models.classifier import Classifier
    from benchmark.models.inference import body_features, summary_features

    task = work.suite.training
    if subject.removesuffix(BEFORE) not in work.retained:
        return partial(summary_features, model)
    if subject.endswith(BEFORE):
        here = resolve_backbone(work.suite.backbone)
        if here.identity() != backbone.identity():
            return None
        model = Classifier.from_pretrained(here.path, len(task.classes), task.max_length).to(model.device).eval()
    return partial(body_features, model, max_length=task.max_length)


def _feature_difference(
    features: Callable[[Sequence[Sequence[str]]], NDArray[np.float16]] | None,
    table: FeatureTable,
    data: Dataset,
    random: np.random.Generator,
) -> str:
    """Compute the features of some examples again; return the first difference."""
    if features is None:
        return ""
    rows = _sample(random, len(data))
    again, stated = features([data.examples[row].texts for row in rows]), table.features[rows]
    if again.shape != stated.shape:
        return f"the weights give {again.shape[1]} features of each text; the table has {stated.shape[1]}."
    same = np.isclose(again.astype(np.float32), stated.astype(np.float32), rtol=SAME_FEATURES, atol=SAME_FEATURES)
    if not same.all():
        name = data.examples[rows[int(same.all(axis=1).argmin())]].id
        return f"the weights give example {name!a} other features than the table's."
    return ""


def _attack_difference(
    model: "Classifier", work: Workload, subject: str, rows: list[AttackRow], random: np.random.Generator
) -> str:
    """Predict the attack's final texts again, and attack a few examples again; return the first difference."""
    from benchmark.attacks import run_attack
    from benchmark.attacks.victim import ModelVictim
    from benchmark.models.inference import predict_logits

    data = work.attacked[subject]
    ended = [(row, example) for row, example in zip(rows, data.examples, strict=True) if row.perturbed is not None]
    chosen = [ended[position] for position in _sample(random, len(ended))]
    texts = [(*example.texts[:-1], str(row.perturbed)) for row, example in chosen]
    for (row, _), logits in zip(chosen, predict_logits(model, texts) if texts else (), strict=True):
        gap = float(np.abs(logits - np.array(row.logits_final)).max())
        if not gap <= SAME_LOGITS:
            return f"the changed text of example {row.id!a} gets logits that differ by {gap:.2g}."
    positions = _sample(random, len(data), ATTACKED_AGAIN)
    few = replace(data, examples=tuple(data.examples[position] for position in positions))
    with tempfile.TemporaryDirectory() as scratch:
        journal = Path(scratch) / "journal.jsonl"
        outcomes = run_attack(work.attack(subject), few, ModelVictim(model), journal, device=str(model.device))
    for position, row in zip(positions, outcomes, strict=True):
        stated = rows[position].outcome
        if row.outcome != stated:
            return f"attacked again, example {row.id!a} is {row.outcome!r}; the table says {stated!r}."
    return ""
