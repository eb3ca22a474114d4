"""Verify a submission against the suite, its data and its own tables.

Only `rerun` executes code of the submission. Everything else only reads: the method is not imported.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.attacked_text import words_changed, words_of
from benchmark.data import Dataset
from benchmark.evaluation.metrics import HEADLINES
from benchmark.evaluation.parquet import FeatureTable, InspectionTable, PredictionTable
from benchmark.execution.cards import replace_text, suite_card
from benchmark.execution.cells import MODEL, TABLES, TRAINING, Cell, Row, cells_of, train_spec, training_hash
from benchmark.execution.explanation import differences
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure, registered
from benchmark.execution.method_source import code_of, origin, point_texts, read_source, texts_fingerprint
from benchmark.execution.plugins import place_of
from benchmark.execution.records import records_of
from benchmark.execution.runner import Observer, Quiet, Runner
from benchmark.execution.store import Artifact, Store
from benchmark.execution.tuned_row import average_of, averages_trials, trials_path, tuned_method
from benchmark.execution.workload import BEFORE, Workload
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.schema import (
    IntegrityError,
    TemperError,
    UnavailableError,
    UsageError,
    card_fingerprint,
    file_fingerprint,
    fingerprint,
    read_records,
    record_key,
)
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.record import UNTRAINED
from benchmark.schema.suite_card import card_identity
from benchmark.schema.trial import TRIALS_FILE, Trial, trial_line
from benchmark.submission.read import MANIFEST, Run, Submission, TableData, read_table, shown_sentence, table_path
from benchmark.tuning.space import point_problems, space_of

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

WEIGHTS = "model.safetensors"
_LOADABLE = {".json", ".safetensors", ".txt", ".model"}

SAME_LOGITS = 0.01
"""Largest difference of logits for one text: attack tables keep three decimals, and devices differ."""

EXACT, ROUNDED = 1e-9, 2e-6
"""Largest relative difference of a value (order of summation), and largest of a replicate (six decimals)."""

SAME_FEATURES = 0.01
"""Largest difference of a feature, plus this share of its size: tables keep 16 bits, and devices differ."""

MOST_FEATURES = 8192
"""Most features of a text. Without a bound, the covariance of a wide table of few texts would fill the memory."""

REPLAYED, ATTACKED_AGAIN = 32, 4
"""Number of examples of a table that are predicted again, and number that are attacked again."""

LEAST_TOLERANCE = 0.005
"""Half a point, for values that do not vary under resampling, such as an AUROC of 1."""

Problems = Iterator[str]


@dataclass
class Seed:
    """One seed under verification.

    Attributes:
        run: Its entry in the manifest.
        row: The row that its records state, without a method class.
        folder: Folder for copies of its tables and for scores.
        store: Holds the artifacts that the manifest states; scores are added to it.
        tables: Its valid tables by kind and subject.
        cells: Its stages, set when its records are recomputed.
    """

    run: Run
    row: Row
    folder: Path
    store: Store
    tables: dict[tuple[str, str], TableData] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)


@dataclass
class Verification:
    """A submission under verification; call `checks`.

    Attributes:
        submission: The submission.
        work: The suite's data on this machine.
        scratch: An empty folder.
        seeds: The seeds under verification.
    """

    submission: Submission
    work: Workload
    scratch: Path
    seeds: dict[int, Seed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_whole(self.work, "verified")
        self.card = suite_card(self.work)

    def checks(self) -> Iterator[tuple[str, list[str]]]:
        """Compare part by part; yield the name and the problems of each part.

        Stop after the first part with a problem, since later parts rely on it.
        """
        steps: Sequence[tuple[str, Callable[[], Problems]]] = (
            ("suite: version, fingerprint and data hashes", self._suite),
            ("seeds: complete, distinct and of one method", self._seeds),
            ("method: settings and source, read and not run", self._method),
            ("backbone", self._backbone),
            ("tuning: points of the trials and selection", self._tuning),
            ("tables: examples, labels, texts and outcomes", self._tables),
            ("records: training, keys and every value", self._records),
        )
        for name, step in steps:
            problems: list[str] = []
            try:
                problems.extend(step())
            except TemperError as error:
                problems += str(error).split("\n")
            yield name, [shown_sentence(problem) for problem in problems]
            if problems:
                return

    def _suite(self) -> Problems:
        stated, here, theirs = self.submission.manifest.suite, self.card, self.submission.results.card
        if (stated.name, stated.version) != (here["name"], here["version"]):
            yield f"The submission is of {stated.name}@{stated.version}, and this is {here['name']}@{here['version']}."
            return
        for difference in list(differences(_by_task(here), _by_task(theirs)))[:5]:
            ours, stated_value = _cut(difference.expected), _cut(difference.actual)
            yield f"suite.json: {difference.pointer} is {stated_value}; the suite here has {ours}."
        if stated.fingerprint != card_fingerprint(here):
            yield f"{MANIFEST}: /suite/fingerprint is not that of the suite here; run and submit again with this one."

    @property
    def _is_untrained(self) -> bool:
        return self.submission.manifest.method.name in UNTRAINED

    def _seeds(self) -> Problems:
        suite, runs, records = self.work.suite, self.submission.runs, self.submission.results.records
        least = suite.minimum_seeds if suite.ranked else 1
        # Bound the range by the number of runs, since an untrusted manifest may state a huge seed.
        for seed in sorted(set(range(max(least, len(runs)))) - runs.keys()):
            yield f"seed {seed} is missing; {suite.name} needs at least {least}, numbered from 0 without a gap."
        for seed in sorted(runs.keys() - {located.record["seed"] for located in records}):
            yield f"seed {seed} has no records."
        files, hashes, features = self.submission.manifest.files, dict[int, set[str]](), dict[str, str]()
        for seed, run in runs.items():
            tables = [(table, files[table_path(seed, table.kind, table.subject)].sha256) for table in run.tables]
            weights = {digest for name, digest in run.weights.items() if name == WEIGHTS}
            hashes[seed] = weights | {digest for table, digest in tables if table.kind == "predict"}
            for table, digest in tables:
                if table.kind == "features" and features.setdefault(table.key, digest) != digest:
                    yield f"seed {seed}: the features of {table.subject} differ from another seed's with the same key."
        for one, other in combinations({} if self._is_untrained else hashes, 2):
            if hashes[one] & hashes[other]:
                yield f"seeds {one} and {other} have the same weights or predictions; each seed is a run of its own."
        if len({fingerprint([located.record[part] for part in ("method", "backbone")]) for located in records}) > 1:
            yield "The records are of more than one method version, source, hyper-parameters or backbone; submit one."

    def _method(self) -> Problems:
        method = self._stated["method"]
        yield from source_problems(method["name"], method["source"], self.submission.sources)
        # A tuned value is checked against the trials. A row that averages trials has its own settings.
        trials = self._trials
        selects = trials and "ingredients" not in self._stated["tuning"]
        yield from setting_problems(trials[0]["method"] if selects else method)

    def _tuning(self) -> Problems:
        """Recompute the points of the trials. Reading the submission has compared its records with the selection."""
        trials, suite = self._trials, self.work.suite
        if not trials:
            return
        rule, validation = suite.tuning_rule, self.work.splits.validation.content_hash
        yield from point_problems(trials, rule)
        if suite.tuning is not None and len(trials) != rule.trials:
            yield f"{TRIALS_FILE} holds {len(trials)} trials; {suite.name} gives every method {rule.trials}."
        if any(trial["validation"] and trial["validation"]["data"] != validation for trial in trials):
            yield f"{TRIALS_FILE}: the trials were judged on another validation part than the suite's."
        if {trial["training"] for trial in trials if "training" in trial} - {training_hash(self.work)}:
            yield f"{TRIALS_FILE}: the trials were trained with another recipe or training part than the suite's."

    def _backbone(self) -> Problems:
        """Compare the backbone if it is the suite's own; accept another one as stated."""
        stated, here = self._stated["backbone"], resolve_backbone(self.work.suite.backbone).identity()
        if stated["name"] == here["name"] and stated != here:
            theirs = f"{stated['source']} {stated['revision']}"
            yield f"The backbone {here['name']} is {here['source']} {here['revision']} here; the records say {theirs}."

    def _tables(self) -> Problems:
        work, classes = self.work, len(self.work.suite.training.classes)
        on = {attack.id: attack.on for attack in work.suite.attacks}
        for number, run in self.submission.runs.items():
            seed = self.seeds[number] = stated_seed(self.submission, number, self.scratch / f"seed-{number}")
            asked = {(cell.kind, cell.subject) for cell in cells_of(seed.row, work, seed.store)}
            # Check attacks last, since they are compared with the predictions.
            for table in sorted(run.tables, key=lambda table: (table.kind == "attack", table.subject, table.kind)):
                kind, subject = table.kind, table.subject
                name = table_path(number, kind, subject)
                if (kind, subject) not in asked:
                    yield f"{name}: the suite has no {kind} table of {subject!r}; remove it."
                    continue
                data = work.attacked[subject] if kind == "attack" else work.examples(subject)
                try:
                    content = read_table(self.submission.folder / name, kind, len(data), name)
                except IntegrityError as error:
                    yield str(error)
                    continue
                if isinstance(content, list):
                    predicted = seed.tables.get(("predict", on[subject]))
                    problems = list(attack_problems(content, data, classes, predicted))
                elif isinstance(content, FeatureTable):
                    problems = list(feature_problems(content, data))
                else:
                    bare = self._is_untrained
                    problems = list(prediction_problems(content, data, classes, without_gradients=bare))
                yield from (f"{name}: {problem}" for problem in problems)
                if not problems:
                    seed.tables[kind, subject] = content

    def _records(self) -> Problems:
        for number, seed in self.seeds.items():
            problems = list(key_problems(seed, self.work))
            yield from (f"seed {number}: {problem}" for problem in problems)
            if not problems:
                computed = rescore(seed, self.work, self.card)
                yield from record_problems(self.submission.records(number), computed)

    @property
    def _trials(self) -> list[Trial]:
        return next(iter(self.submission.results.attachments.trials.values()), [])

    @property
    def _stated(self) -> Mapping[str, Any]:
        return self.submission.results.records[0].record


def require_whole(work: Workload, purpose: str) -> None:
    """Refuse a suite if some of its data is missing here.

    Raises:
        UnavailableError: one sentence per evaluation task, with the command that gets its data.
    """
    if work.missing:
        sentences = [f"{name} cannot be {purpose} here: {absence.here}" for name, absence in work.missing.items()]
        raise UnavailableError("\n".join(sentences))


def _by_task(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card's identity with its evaluation tasks by name, so that a difference names the task."""
    identity = card_identity(card)
    tasks = {f"{task['id']} ({task['perspective']})": task for task in identity["tasks"]}
    return identity | {"tasks": tasks, "order of tasks": list(tasks)}


def _cut(text: str) -> str:
    return text[:120] or "nothing"


# -- the method -----------------------------------------------------------------------------------------------------


def source_problems(name: str, source: str, carried: Mapping[str, Any]) -> Problems:
    """Yield a sentence for every source that is not the one that made the records.

    Args:
        name: The method's name, or several joined by ``+``.
        source: Its hash in the records.
        carried: The source texts of the submission.
    """
    members = carried.get("members", {})
    if source != texts_fingerprint(carried):
        yield f"source.json is not the source that the records of {name} were made with; run and submit again."
    elif sorted(members) != (sorted(name.split("+")) if "+" in name else []):
        yield f"source.json holds {'+'.join(sorted(members)) or 'no members of a composition'} and not {name}."
    else:
        composing = read_source(Path(str(origin("benchmark.training.composition"))))
        if members and code_of(carried["composition"]) != code_of(composing):
            yield "source.json composes its members differently from this version of Temper; run again with this one."
        for member, texts in (members or {name: carried}).items():
            here = registered_texts(member)
            if here is not None and texts_fingerprint(here) != texts_fingerprint(texts):
                both = {*here, *texts}
                changed = [part for part in both if code_of(here.get(part, "")) != code_of(texts.get(part, ""))]
                yield (
                    f"The method {member} is registered here as {place_of(registered()[member])}, and "
                    f"{min(changed, default='one of its modules')} differs "
                    "from the source that made the records. Run again with the present source."
                )


def registered_texts(name: str) -> Mapping[str, Any] | None:
    """Read the source texts of a registered method without importing it; None if that cannot be done."""
    point = registered().get(name)
    return None if point is None else point_texts(point)


def setting_problems(method: Mapping[str, Any]) -> Problems:
    """Yield a sentence where configuration and hyper-parameters contradict each other."""
    known, suffix = method["hyperparameters"], "; run and submit again."
    written = dict(part.partition("=")[::2] for part in method["configuration"].split(",") if "=" in part)
    for key, text in written.items():
        if str(known.get(key, "missing")) != text:
            yield f"The configuration says {key}={text}, the hyper-parameters say {known.get(key, 'nothing')}{suffix}"


# -- tables against the suite's data --------------------------------------------------------------------------------


def prediction_problems(
    table: PredictionTable | InspectionTable, data: Dataset, classes: int, *, without_gradients: bool = False
) -> Problems:
    """Yield problems of predictions or an inspection: wrong examples, labels or classes, or non-finite values.

    Args:
        table: What the submission states.
        data: The examples of the task.
        classes: Number of classes.
        without_gradients: Whether the model may have no input gradients, so that all are NaN.
    """
    predictions = _predictions(table)
    yield from _example_problems(_stated_examples(predictions), data)
    if predictions.logits.shape[1] != classes:
        yield f"has logits of {predictions.logits.shape[1]} classes; the task has {classes}."
    values = {"logits": predictions.logits}
    if isinstance(table, InspectionTable):
        values["second logits"] = table.again
        if not (without_gradients and np.isnan(table.gradients).all()):
            values["input gradient"] = table.gradients
    for what, numbers in values.items():
        if not np.isfinite(numbers).all():
            index = int(np.argwhere(~np.isfinite(numbers))[0][0])
            yield f"the {what} of example {predictions.ids[index]!a} are not finite; a diverged run is not a result."


def _predictions(table: PredictionTable | InspectionTable) -> PredictionTable:
    return table.predictions if isinstance(table, InspectionTable) else table


def feature_problems(table: FeatureTable, data: Dataset) -> Problems:
    """Yield problems of features: wrong examples or labels, too many features, or values that are not numbers.

    An infinite feature is one beyond the range of 16 bits. It is not refused, since it gives a metric no value.
    """
    yield from _example_problems(_stated_examples(table), data)
    if (width := table.features.shape[1]) > MOST_FEATURES:
        yield f"has {width} features of each text; at most {MOST_FEATURES} are read."
    if (wrong := np.isnan(table.features).any(axis=1)).any():
        name = table.ids[int(wrong.argmax())]
        yield f"the features of example {name!a} are not numbers; a diverged run is not a result."


def _stated_examples(table: PredictionTable | FeatureTable) -> list[tuple[str, int | None]]:
    labels = [None] * len(table.ids) if table.labels is None else table.labels.tolist()
    return list(zip(table.ids, labels, strict=True))


def _example_problems(stated: Sequence[tuple[str, int | None]], data: Dataset) -> Problems:
    """Compare ids and labels with the data's, row by row; yield the first difference."""
    truth = [(example.id, example.label) for example in data.examples]
    for number, ((name, label), (own, right)) in enumerate(zip(stated, truth, strict=True)):
        if (name, label) != (own, right):
            yield (
                f"row {number} is example {name!a} with the label {label}; the suite's data has example {own!a} "
                f"with the label {right} there."
            )
            return


def attack_problems(rows: list[AttackRow], data: Dataset, classes: int, predicted: TableData | None) -> Problems:
    """Yield problems of an attack table: wrong examples or texts, and columns that the others do not give.

    Args:
        rows: The attack table.
        data: The attacked examples.
        classes: Number of classes.
        predicted: The model's predictions on the attacked evaluation task; None if they are not valid.
    """
    wrong = list(_example_problems([(row.id, row.label) for row in rows], data))
    yield from wrong
    if wrong or not isinstance(predicted, PredictionTable | InspectionTable):
        return
    predictions = _predictions(predicted)
    logits = dict(zip(predictions.ids, predictions.logits, strict=True))
    for row, example in zip(rows, data.examples, strict=True):
        for problem in _row_problems(row, example.texts[-1], classes, logits[row.id]):
            yield f"example {row.id!a} {problem}"


def _row_problems(row: AttackRow, text: str, classes: int, predicted: Any) -> Problems:
    if row.original != text:
        yield "has another text than the suite's data."
        return
    # Only a row with an error may lack the model's first logits.
    stated = [row.logits_original] if row.logits_original or row.outcome != "error" else []
    stated += [] if row.logits_final is None else [row.logits_final]
    for logits in stated:
        if len(logits) != classes:
            yield f"has logits of {len(logits)} classes; the task has {classes}."
            return
        if not np.isfinite(logits).all():
            yield "has logits that are not finite."
            return
    if row.similarity is not None and not np.isfinite(row.similarity):
        yield "has a similarity that is not finite."
    if row.outcome != "error" and _contradicts(row.logits_original, row.label, right=row.outcome != "skipped"):
        yield f"is {row.outcome!r}, and its first logits say otherwise."
    if row.logits_final is not None and _contradicts(row.logits_final, row.label, right=row.outcome == "survived"):
        yield f"is {row.outcome!r}, and its last logits say otherwise."
    words = words_of(text)
    changed = 0 if row.perturbed is None else words_changed(words, words_of(row.perturbed))
    if (row.words, row.changed) != (len(words), changed):
        yield f"says that {row.changed} of {row.words} words are changed; {changed} of {len(words)} are."
    if row.logits_original and (gap := float(np.abs(predicted - np.array(row.logits_original)).max())) > SAME_LOGITS:
        yield f"starts from logits that differ by {gap:.2g} from the prediction of the same text."


def _contradicts(logits: Sequence[float], label: int, *, right: bool) -> bool:
    """Return whether logits do not give the stated result. A tie, which three decimals can cause, fits both."""
    others = max(np.delete(logits, label))
    return bool(logits[label] < others if right else logits[label] > others)


# -- records against the tables -------------------------------------------------------------------------------------


def stated_seed(submission: Submission, number: int, folder: Path) -> Seed:
    """Set up a seed: its row, without a method class, and a store with the artifacts that the manifest states.

    Args:
        submission: The submission; the seed has records.
        number: The seed.
        folder: An empty folder.
    """
    run = submission.runs[number]
    store, files = Store(folder / "store"), submission.manifest.files
    for table in run.tables:
        path = table_path(number, table.kind, table.subject)
        copy = folder / table.subject / TABLES[table.kind]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(submission.folder / path, copy)
        store.hold(table.kind, table.key, Artifact(copy.parent, {copy.name: files[path].sha256}))
    return Seed(run, _stated_row(submission, number), folder, store)


def _stated_row(submission: Submission, number: int) -> Row:
    """Return the row that the records of a seed state, without a method class."""
    record, training = submission.records(number)[0], submission.runs[number].training.get("method")
    reads = training.get("reads") if isinstance(training, dict) else None
    method = ConfiguredMethod(**record["method"], reads=reads if isinstance(reads, dict) else {})
    tuning = record.get("tuning")
    factor = float(tuning["learning_rate_factor"] or 1.0) if tuning else 1.0
    backbone = Backbone(**record["backbone"], path=Path())
    return Row(method, backbone, number, learning_rate_factor=factor, tuning=tuning)


def key_problems(seed: Seed, work: Workload) -> Problems:
    """Compare the stated training and table keys with those computed from the suite and the stated weights."""
    run, expected = seed.run, train_spec(seed.row, work)
    for difference in differences(expected, run.training):
        # A suite may leave the precision to the submitter's device.
        free = work.suite.recipe.precision == "auto" and difference.pointer == "/recipe/precision"
        if not (free and difference.actual in ('"fp32"', '"bf16"')):
            here, there = _cut(difference.actual), _cut(difference.expected)
            yield f"was trained with {difference.pointer} {here}; the suite and the records say {there}."
    if run.outcome.ingredients is not None and seed.row.tuning is None:
        yield f"{MANIFEST} names ingredients, which only a row that averages trials has; run and submit again."
    (seed.folder / TRAINING).write_text(run.outcome.model_dump_json(), encoding="utf-8")
    trained = Artifact(seed.folder, {f"{MODEL}/{name}": digest for name, digest in run.weights.items()})
    for spec in (expected, run.training):
        seed.store.hold("train", fingerprint(spec), trained)
    seed.cells = list(cells_of(seed.row, work, seed.store))
    stated: dict[tuple[str, str], str] = {(one.subject, one.kind): f"{one.kind} key {one.key}" for one in run.tables}
    cells = (cell for cell in seed.cells if cell.kind in TABLES)
    computed: dict[tuple[str, str], str] = {(cell.subject, cell.kind): f"{cell.kind} key {cell.key}" for cell in cells}
    for name in sorted(computed.keys() | stated.keys()):
        here, there = stated.get(name, "missing"), computed.get(name, "none")
        if here != there:
            yield f"the table of {name[0]} is {here}; the stated weights and the suite's data give {there}."


def rescore(seed: Seed, work: Workload, card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compute the records of a seed from its tables, with the same code as a run."""
    runner = Runner(work, seed.store, Quiet())
    for cell in (cell for cell in seed.cells if cell.kind == "score"):
        if seed.store.find("score", cell.key or "") is None:
            runner.run(cell)
    # Use the stated precision, which depends on the submitter's device. All other training settings were compared.
    seed.cells[0] = replace(seed.cells[0], spec=seed.run.training)
    return records_of(seed.row, seed.cells, work, card, seed.store)


def record_problems(stated: Sequence[Mapping[str, Any]], computed: Sequence[Mapping[str, Any]]) -> Problems:
    """Yield a sentence for every record that is missing, not in the suite, or different from its recomputed value."""
    theirs, ours = ({record_key(record): record for record in records} for records in (stated, computed))
    for key in sorted(theirs.keys() | ours.keys(), key=str):
        record, right = theirs.get(key), ours.get(key)
        some = record or right or {}
        name = f"seed {some['seed']}, {some['task']['id']}, {some['metric']['id']}"
        if record is None:
            yield f"{name}: the record is missing."
        elif right is None:
            yield f"{name}: is not among the suite's records."
        else:
            rounding = (("value", EXACT), ("replicates", ROUNDED))
            close = {part: right[part] for part, gap in rounding if _close(record[part], right[part], gap)}
            for difference in differences(right, {**record, **close}):
                here, there = _cut(difference.actual), _cut(difference.expected)
                yield f"{name}: {difference.pointer} is {here}; the manifest, the tables and the suite give {there}."


def _close(stated: Any, computed: Any, gap: float) -> bool:
    """Return whether a value, or each of several, is the computed one up to rounding."""
    if stated is None or computed is None or np.shape(stated) != np.shape(computed):
        return False
    return bool(np.allclose(stated, computed, rtol=EXACT, atol=gap))


# -- replay on given weights ----------------------------------------------------------------------------------------


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


def replay_problems(verification: Verification, given: Mapping[int, Path], salt: int) -> Problems:
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


def _weight_problems(folder: Path, stated: Mapping[str, str]) -> Problems:
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
    stated = _predictions(table).logits[rows]
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


# -- rerun: the only check that runs the submission's code -----------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """One headline value: the submitted one and the one trained again.

    Attributes:
        tolerance: Half the width of the 95 % interval over examples, and at least `LEAST_TOLERANCE`.
    """

    task: str
    metric: str
    submitted: float
    again: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Return whether the two values agree within the tolerance."""
        return abs(self.submitted - self.again) <= self.tolerance


def rerun(submission: Submission, work: Workload, seed: int, out: Path, observer: Observer) -> list[Difference]:
    """Train, predict, attack and score a seed again, and compare its headline values.

    Raises:
        TemperError: the method that is registered here is not the submission's, or the row failed.
        UsageError: there is no such method.
    """
    row = _registered_row(submission, work, seed)
    if averages_trials(row.method):
        row = _with_ingredients(row, submission, work, out / "results")
    report = run_rows([row], work, Store(out / "store"), out / "results", observer)
    if report.failures:
        raise TemperError(f"Trained again, the row failed: {report.failures[0]}")
    again = {record_key(record): record for record in read_records(report.files[0])}
    compared = []
    for record in submission.records(seed):
        if record["metric"]["id"] not in HEADLINES or record["value"] is None:
            continue
        other = again[record_key(record)]
        if other["value"] is None:
            raise TemperError(f"Trained again, {record['task']['id']} has no value: {other['reason']}")
        tolerance = max(LEAST_TOLERANCE, 1.96 * float(np.std(record["replicates"] or [0.0])))
        names = record["task"]["id"], record["metric"]["id"]
        compared.append(Difference(*names, record["value"], other["value"], tolerance))
    return compared


def _with_ingredients(row: Row, submission: Submission, work: Workload, results: Path) -> Row:
    """Return a row that averages trials with those that the submission states, and write their file."""
    source = replace(row, method=tuned_method(row.method))
    trials = next(iter(submission.results.attachments.trials.values()))
    path = results / trials_path(source, work.suite)
    replace_text(path, "".join(map(trial_line, trials)))
    return average_of(row, source, trials, path)


def _registered_row(submission: Submission, work: Workload, seed: int) -> Row:
    """Return the row with the method that is registered here, which must be the submitted one."""
    stated = _stated_row(submission, seed)
    method, backbone = stated.method, stated.backbone
    reference = work.suite.backbone
    if backbone.source.startswith("hub:"):
        reference = f"{backbone.name}={backbone.reference()}"
    elif backbone.source == f"artifact:{backbone.name}":
        reference = backbone.name
    place = resolve_backbone(reference)
    parts = dict(part.partition("=")[::2] for part in method.configuration.split(",") if part)
    request = MethodRequest(method.name, parts)
    request.require_known()
    here = configure(request)
    compared: list[tuple[str, object, object]] = [("source", here.source, method.source)]
    if stated.tuning:
        first, tuned = next(iter(submission.results.attachments.trials.values()))[0], tuned_method(here)
        space = {name: search.plain() for name, search in space_of(tuned, work.suite.tuning_rule).items()}
        compared.append(("search space", space, first["space"]))
        compared.append(("defaults", dict(tuned.hyperparameters), first["method"]["hyperparameters"]))
        here = replace(here, hyperparameters=method.hyperparameters)
    compared.append(("hyper-parameters", dict(here.hyperparameters), method.hyperparameters))
    compared.append(("backbone", place.identity(), backbone.identity()))
    for what, mine, theirs in compared:
        if mine != theirs:
            raise IntegrityError(
                f"{method.name} has another {what} here ({mine}) than in the submission ({theirs}). Verify with the "
                f"version of {method.name} that was submitted, or run and submit it again."
            )
    return replace(stated, method=here, backbone=place)
