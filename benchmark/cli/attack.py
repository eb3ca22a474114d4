"""`temper attack`: one attack on one saved model and one file of examples."""

import csv
import io
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmark.cli.display import console, examples, print_table, say
from benchmark.cli.options import INTERRUPTED, complete_attacks
from benchmark.cli.progress import AttackDisplay
from benchmark.execution.plan import require_writable
from benchmark.schema import TemperError, UsageError
from benchmark.schema.atomic_io import replace_file
from benchmark.schema.errors import counted

if TYPE_CHECKING:
    from benchmark.attacks.suite_attack import Attack
    from benchmark.attacks.victim import ModelVictim
    from benchmark.data import Dataset
    from benchmark.schema.attack_outcome import AttackRow

EXAMPLES = examples(
    (
        "Attack a model of `temper run` on 200 examples",
        "temper attack --attack textfooler --model MODEL --data texts.csv --limit 200",
    ),
    (
        "Attack the second text of pairs",
        "temper attack --attack pwws --model MODEL --data p.csv --text a --text b",
    ),
    (
        "Change a parameter, and write the texts to a file",
        "temper attack --attack textfooler --model MODEL --data texts.csv --parameter candidates=8 --csv attacked.csv",
    ),
)

AttackOption = Annotated[
    str,
    typer.Option(
        "--attack", help="Name of an attack; `temper list --attacks` shows them.", autocompletion=complete_attacks
    ),
]
ModelOption = Annotated[
    Path, typer.Option("--model", help="Folder of a trained model; `temper status` names those of a run.")
]
DataOption = Annotated[Path, typer.Option("--data", help="Labelled examples: a csv, tsv, jsonl or parquet file.")]
TextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        help="Column of the texts; twice for pairs, whose second text is attacked. [default: text, or sentence, or "
        "premise and hypothesis, or sentence1 and sentence2]",
    ),
]
LabelOption = Annotated[
    str, typer.Option("--label", help="Column of the labels: names or numbers of the model's classes.")
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A parameter of the attack, as candidates=8; may be repeated."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="Attack at most this many examples, the same share of every class.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the table and the journal.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", help="Also write texts and outcomes to this csv file.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Processes that share the examples.")]
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend", help="Implementation of the search: engine, or textattack, which takes one example at a time."
    ),
]


def attack(
    name: AttackOption,
    model: ModelOption,
    data: DataOption,
    text: TextOption = None,
    label: LabelOption = "label",
    *,
    limit: LimitOption = None,
    parameter: ParameterOption = None,
    out: OutOption = Path("attacks"),
    texts: CsvOption = None,
    workers: WorkersOption = 1,
    backend: BackendOption = "engine",
) -> None:
    """Attack a trained model on a file of examples. The same command resumes."""
    spec = _spec(name, parameter or (), backend)
    classes = _classes(model)
    from benchmark.attacks import require_parts, run_attack
    from benchmark.data import load
    from benchmark.data.labelled_file import labelled_file
    from benchmark.evaluation.parquet import write_attack
    from benchmark.training.optimization import pick_device

    examples = load(labelled_file(data, text or (), label, limit, classes), name=str(data))
    _note_losses(examples)
    require_parts(spec)
    require_writable(out)
    if texts is not None:
        _require_csv(texts, data)
    device = str(pick_device())
    with console.status("Loading the model"):
        victim = _victim(model, device)
    _require_classes(examples, victim)
    table = out / f"{spec.id}-{_key(spec, examples, model)}.parquet"
    journal = table.with_suffix(".jsonl")
    display = AttackDisplay(f"{spec.id} on {data.name}")
    try:
        display.begin()
        rows = run_attack(spec, examples, victim, journal, display, device=device, workers=workers)
    except KeyboardInterrupt:
        if not journal.exists():
            raise
        kept = f"{display.done} of {len(examples)} examples" if display.done else "The examples that were finished"
        say(f"Interrupted. {kept} are kept in {journal}; the same command resumes there.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        display.close()
    write_attack(table, rows)
    _show(rows, examples, classes)
    say(f"Table: {table}")
    if texts is not None:
        _write_csv(texts, rows, examples, classes)
        say(f"Texts: {texts}")


def _spec(name: str, parameters: Sequence[str], backend: str) -> "Attack":
    """Build the attack as a suite file would, and check its parameters."""
    from benchmark.attacks import parameters_of
    from benchmark.attacks.suite_attack import Attack
    from benchmark.schema.errors import nearest

    if backend not in {"engine", "textattack"}:
        raise UsageError(f"--backend {backend} does not exist. {nearest(backend, ('engine', 'textattack'))}")
    settings = dict(map(_parameter, parameters))
    recipe, runner = cast(Any, name), cast(Any, backend)
    spec = Attack(name, 1, name, "From the command line.", "data", 1, recipe, backend=runner, parameters=settings)
    parameters_of(spec)
    return spec


def _parameter(text: str) -> tuple[str, bool | int | float | str]:
    """Split ``key=value``. The value is read as TOML, or taken as text if it is not valid TOML."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"--parameter {text}: write key=value, as candidates=8.")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
    return key, read if isinstance(read, bool | int | float | str) else value


def _note_losses(examples: "Dataset") -> None:
    """Say how many rows have no text or no label."""
    report = examples.report
    if report is None:
        return
    for count, lack in ((report.empty, "text"), (sum(report.unmapped.values()), "label")):
        if count:
            say(f"note: left out: {counted(count, 'row')} without a {lack}.")


def _classes(folder: Path) -> tuple[str, ...]:
    """Return the class names of a saved model, empty if it has none; refuse a folder without a Temper model."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not {"temper_max_length", "temper_prompt", "temper_text_classifier"} & settings.keys():
            raise UsageError(f"--model {folder} was not saved by Temper; train the model with `temper run`.")
        if not settings.get("temper_named_classes"):
            return ()
        names = tuple(settings["id2label"][str(number)] for number in range(len(settings["id2label"])))
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{names} are not names")
        return names
    except OSError as error:
        raise UsageError(f"--model {folder} holds no config.json; name the folder that holds one.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # An AttributeError: it holds something other than an object.
        raise UsageError(f"--model {folder}: config.json is damaged; name a complete folder.") from error


def _require_csv(path: Path, data: Path) -> None:
    if path.is_dir():
        raise UsageError(f"--csv {path} is a folder; name a file.")
    if path.exists() and path.samefile(data):
        raise UsageError(f"--csv {path} is the file of --data; name another file.")
    require_writable(path.parent, "--csv")


def _victim(folder: Path, device: str) -> "ModelVictim":
    from benchmark.attacks.victim import ModelVictim
    from benchmark.models.prompt_classifier import load_classifier

    try:
        return ModelVictim(load_classifier(folder).to(device).eval())
    except (OSError, ValueError, TypeError) as error:
        # A tokenizer without its files raises a TypeError.
        first = str(error).partition("\n")[0]
        raise UsageError(f"--model {folder} cannot be loaded ({first}); name a complete folder.") from error


def _require_classes(examples: "Dataset", victim: "ModelVictim") -> None:
    largest = max(example.label or 0 for example in examples.examples)
    if largest >= victim.model.classes:
        raise UsageError(
            f"{examples.name} has the label {largest}, but the model's classes are 0 to {victim.model.classes - 1}; "
            "number the labels as the model does."
        )


def _key(spec: "Attack", examples: "Dataset", folder: Path) -> str:
    """Hash the attack, the examples and the model: the key under which the outcome is kept."""
    import hashlib

    from benchmark.attacks import attack_fingerprint
    from benchmark.schema.canonical import fingerprint

    files = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as stream:
            files[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    identity = {"attack": attack_fingerprint(spec), "data": examples.content_hash, "model": files}
    return fingerprint(identity).removeprefix("sha256:")[:12]


def _write_csv(path: Path, rows: "Sequence[AttackRow]", examples: "Dataset", classes: Sequence[str]) -> None:
    """Write each text before and after the attack with the classes that the model gives; a reader sees it complete."""

    def shown(logits: "Sequence[float] | None") -> str:
        return "" if not logits else named(logits.index(max(logits)))

    def named(number: int) -> str:
        return classes[number] if classes else str(number)

    first = {example.id: example.texts[0] for example in examples.examples if len(example.texts) == 2}
    columns = [
        "row",
        "label",
        "outcome",
        "before",
        "after",
        "queries",
        "changed",
        "similarity",
        "original",
        "perturbed",
    ]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*columns, *(["first_text"] if first else [])])
    for row in rows:
        gave = (shown(row.logits_original), shown(row.logits_final))
        cells = (row.id, named(row.label), row.outcome, *gave, row.queries, row.changed, row.similarity)
        context = [first[row.id]] if first else []
        writer.writerow([*cells, row.original, row.perturbed, *context])
    try:
        replace_file(path, stream.getvalue().encode())
    except OSError as error:
        raise TemperError(f"--csv {path}: cannot be written ({error.strerror}). Run the same command again.") from error


def _show(rows: "Sequence[AttackRow]", examples: "Dataset", classes: Sequence[str]) -> None:
    """Print outcomes, metrics and the reason of the first error."""
    from benchmark.evaluation.metrics import METRICS, AttackOutcomes, attack_measurements, metrics_of
    from benchmark.schema.attack_outcome import OUTCOMES

    lines = [(outcome, str(sum(row.outcome == outcome for row in rows)), "") for outcome in OUTCOMES]
    lines.append(("Right before the attack", _percent(sum(row.initially_right for row in rows) / len(rows)), ""))
    measured = attack_measurements(
        rows, metrics=metrics_of(AttackOutcomes), resamples=1, seed_text=examples.content_hash
    )
    for metric, measurement in measured.items():
        if metric in {"attack_errors", "attack_budget"}:
            continue
        value, in_percent = measurement.value, METRICS[metric].unit == "fraction"
        shown = "-" if value is None else _percent(value) if in_percent else f"{value:.3g}"
        lines.append((METRICS[metric].title, shown, measurement.reason or ""))
    print_table(("Outcome or measure", "Value", "Reason"), lines, prose=("Reason",))
    failed = next((row.reason for row in rows if row.reason), None)
    if failed is not None:
        say(f"note: the first error: {failed}")
    if not any(row.initially_right for row in rows):
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
        say(
            "note: no example is right before the attack, so nothing was attacked. Check that the labels are not "
            f"swapped{f': the classes of the model are {numbers}' if numbers else ' and that --model is trained'}."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
