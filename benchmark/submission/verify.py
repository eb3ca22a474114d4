"""Verify a submission against the suite, its data and its own tables.

`Verification` only reads: the method is not imported. Only `benchmark.submission.rerun` executes code of a submission.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmark.evaluation.parquet import FeatureTable
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import cells_of
from benchmark.execution.explanation import differences
from benchmark.execution.tuned_row import other_data
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import IntegrityError, TemperError, UnavailableError, card_fingerprint, fingerprint
from benchmark.schema.record import UNTRAINED
from benchmark.schema.suite_card import card_identity
from benchmark.schema.trial import TRIALS_FILE
from benchmark.submission.method_checks import setting_problems, source_problems
from benchmark.submission.read import MANIFEST, Submission, read_table, shown_sentence, table_path
from benchmark.submission.record_checks import Seed, key_problems, record_problems, rescore, shortened, stated_seed
from benchmark.submission.table_checks import attack_problems, feature_problems, prediction_problems
from benchmark.tuning.space import point_problems

WEIGHTS = "model.safetensors"


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
        steps: Sequence[tuple[str, Callable[[], Iterator[str]]]] = (
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

    def _suite(self) -> Iterator[str]:
        stated, here, theirs = self.submission.manifest.suite, self.card, self.submission.results.card
        if (stated.name, stated.version) != (here["name"], here["version"]):
            yield f"The submission is of {stated.name}@{stated.version}, and this is {here['name']}@{here['version']}."
            return
        for difference in list(differences(_by_task(here), _by_task(theirs)))[:5]:
            ours, stated_value = shortened(difference.expected), shortened(difference.actual)
            yield f"suite.json: {difference.pointer} is {stated_value}; the suite here has {ours}."
        if stated.fingerprint != card_fingerprint(here):
            yield f"{MANIFEST}: /suite/fingerprint is not that of the suite here; run and submit again with this one."

    @property
    def _is_untrained(self) -> bool:
        return self.submission.manifest.method.name in UNTRAINED

    def _seeds(self) -> Iterator[str]:
        suite, runs, records = self.work.suite, self.submission.runs, self.submission.results.records
        least = suite.required_seeds
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

    def _method(self) -> Iterator[str]:
        method = self._stated["method"]
        yield from source_problems(method["name"], method["source"], self.submission.sources)
        # A tuned value is checked against the trials. A row that averages trials has its own settings.
        trials = self.submission.trials
        selects = trials and "ingredients" not in self._stated["tuning"]
        yield from setting_problems(trials[0]["method"] if selects else method)

    def _tuning(self) -> Iterator[str]:
        """Recompute the points of the trials. Reading the submission has compared its records with the selection."""
        trials, suite = self.submission.trials, self.work.suite
        if not trials:
            return
        rule = suite.tuning_rule
        yield from point_problems(trials, rule)
        if suite.tuning is not None and len(trials) != rule.trials:
            yield f"{TRIALS_FILE} holds {len(trials)} trials; {suite.name} gives every method {rule.trials}."
        if part := other_data(trials, self.work):
            yield f"{TRIALS_FILE}: the trials are of another {part} than the suite's."

    def _backbone(self) -> Iterator[str]:
        """Compare the backbone if it is the suite's own; accept another one as stated."""
        stated, here = self._stated["backbone"], resolve_backbone(self.work.suite.backbone).identity()
        if stated["name"] == here["name"] and stated != here:
            theirs = f"{stated['source']} {stated['revision']}"
            yield f"The backbone {here['name']} is {here['source']} {here['revision']} here; the records say {theirs}."

    def _tables(self) -> Iterator[str]:
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

    def _records(self) -> Iterator[str]:
        for number, seed in self.seeds.items():
            problems = list(key_problems(seed, self.work))
            yield from (f"seed {number}: {problem}" for problem in problems)
            if not problems:
                computed = rescore(seed, self.work, self.card)
                yield from record_problems(self.submission.records(number), computed)

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
