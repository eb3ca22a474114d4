"""Write a trained model with a model card made from its records, and upload it to the Hub."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.execution.cards import suite_card
from benchmark.execution.cells import MODEL
from benchmark.execution.plan import Plan
from benchmark.execution.workload import Workload
from benchmark.models.backbones import Backbone
from benchmark.resources import load_manifest
from benchmark.schema import TemperError, UsageError, suite_name
from benchmark.schema.errors import on_one_line
from benchmark.schema.markdown import escape_cell, escape_markdown
from benchmark.submission.build import FinishedSeed, finished_seed

README = "README.md"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def write_model(planned: Plan, folder: Path, licence: str | None) -> None:
    """Write a finished row's model and its card into a folder that is empty or missing.

    Args:
        planned: A plan of that row.
        folder: Where to write.
        licence: The Hub's identifier of the model's licence; that of a packaged backbone by default.

    Raises:
        TemperError: the row is not finished or has failed.
        UsageError: the folder holds files, or cannot be written.
    """
    (row,), work = planned.rows, planned.work
    card = suite_card(work)
    run = finished_seed(row, work, planned.store, planned.results, card)
    trained = run.artifacts[run.cells[0].label]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"--to {folder} is not empty. Name another folder, or empty it.")
        shutil.copytree(trained.folder / MODEL, folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / README).write_text(model_card(run, card, work, config, licence), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--to {folder} cannot be written to: {error.strerror}.") from error


def upload_model(planned: Plan, repository: str, licence: str | None, *, private: bool) -> str:
    """Upload a finished row's model and its card to a repository of the Hub, which is created if it is missing.

    Args:
        planned: A plan of that row.
        repository: ``owner/name``.
        licence: See `write_model`.
        private: Whether a new repository is private.

    Returns:
        The address of the commit.

    Raises:
        TemperError: the row is not finished, or the Hub refused or could not be reached.
        UsageError: there is no token, or the repository's name is invalid.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    unnamed = f"--to {repository}: not of the form owner/name. A folder starts with ./ or /."
    # The Hub would take a name without an owner and create the repository, but not the upload.
    if not _HUB_ID.fullmatch(repository):
        raise UsageError(unnamed)
    if get_token() is None:
        raise UsageError(f"--to {repository}: no token for the Hub. Run `hf auth login`, or set HF_TOKEN.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        write_model(planned, folder, licence)
        api = HfApi()
        network_errors: tuple[type[Exception], ...] = (HfHubHTTPError, OSError, *_client_errors())
        try:
            api.create_repo(repository, private=private or None, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=f"Upload {planned.rows[0].label}"
            )
        except HFValidationError as error:
            raise UsageError(unnamed) from error
        except network_errors as error:
            raise TemperError(
                f"--to {repository}: the upload failed ({on_one_line(error)}).\n"
                "Check the token with `hf auth whoami`, and the network. Then run the same command again."
            ) from error
    return str(commit)


def _client_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the client that newer versions of huggingface_hub use; they are not OSErrors."""
    try:
        from httpx import HTTPError
    except ImportError:
        return ()
    return (HTTPError,)


def model_card(
    run: FinishedSeed, card: Mapping[str, Any], work: Workload, config: Mapping[str, Any], licence: str | None
) -> str:
    """Write the card of a model from its records.

    Args:
        run: The finished row.
        card: The suite card.
        work: The suite.
        config: The model's configuration.
        licence: See `write_model`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    row, records = run.row, run.records
    entries = {(task["id"], metric): task for task in card["tasks"] for metric in task["metrics"]}
    titles = {name: metric["title"] for name, metric in card["metrics"].items()}
    suite, base = suite_name(card), _base_model(row.backbone)
    data = ModelCardData(
        model_name=f"{row.label} on {suite}",
        license=licence or _licence(row.backbone),
        base_model=base,
        datasets=sorted(_datasets(work)) or None,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["temper", "robustness", row.method.name, f"temper:{suite}"],
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=record["task"]["id"],
                dataset_name=entries[record["task"]["id"], record["metric"]["id"]]["title"],
                metric_type=record["metric"]["id"],
                metric_name=titles[record["metric"]["id"]],
                metric_value=record["value"],
            )
            for record in records
            if record["value"] is not None
        ]
        or None,
    )
    return f"---\n{data.to_yaml()}\n---\n\n{''.join(_body(run, card, work, config))}"


def _body(run: FinishedSeed, card: Mapping[str, Any], work: Workload, config: Mapping[str, Any]) -> Iterator[str]:
    row, records = run.row, run.records
    method, recipe = records[0]["method"], work.suite.recipe
    suite = suite_name(card)
    yield f"# {escape_markdown(row.label)}\n\n"
    yield (
        f"{escape_markdown(row.backbone.name)}, fine-tuned by the method {escape_markdown(method['name'])} on "
        f"{escape_markdown(card['training']['title'])} and measured on the suite {escape_markdown(suite)} of Temper, "
        f"a robustness benchmark for fine-tuning methods.\n\n{escape_markdown(card['training']['description'])}\n\n"
    )
    yield f"## Use\n\n```python\n{_usage(config)}\n```\n\n"
    yield "## Training\n\n"
    values = {
        "Backbone": f"{row.backbone.source} at {row.backbone.revision}",
        "Method": f"{method['name']}, version {method['version']}",
        **{f"Hyper-parameter {name}": value for name, value in method["hyperparameters"].items()},
        "Learning rate": recipe.learning_rate * row.learning_rate_factor,
        "Batch size": recipe.batch_size * recipe.accumulation,
        "Epochs": recipe.epochs,
        "Seed": row.seed,
        "Settings": "selected by tuning" if row.tuning else "defaults and what was asked for",
        **{f"Environment: {name}": value for name, value in records[0]["environment"].items()},
    }
    if averaged := records[0].get("tuning", {}).get("ingredients"):
        del values["Learning rate"]
        values["Settings"] = f"average of the weights of trials {', '.join(map(str, averaged))}"
    yield from _table(("Setting", "Value"), [(name, str(value)) for name, value in values.items()])
    yield "\n## Results\n\n"
    tasks = {task["id"]: task for task in card["tasks"]}
    yield from _table(
        ("Task", "Perspective", "Metric", "Value"),
        [
            (
                tasks[record["task"]["id"]]["title"],
                record["task"]["perspective"],
                card["metrics"][record["metric"]["id"]]["title"],
                f"{record['value']:.4g}" if record["value"] is not None else record["reason"] or "",
            )
            for record in records
        ],
    )
    yield f"\nOne seed. The suite's note: {escape_markdown(card['note'])}\n"


def _usage(config: Mapping[str, Any]) -> str:
    """Return code that loads the model; a prompt model or a sanity check needs Temper."""
    plain = any(name.endswith("ForSequenceClassification") for name in config.get("architectures") or ())
    if plain and "temper_prompt" not in config:
        return 'from transformers import pipeline\n\nclassify = pipeline("text-classification", "PATH_OR_ID")'
    return (
        "from pathlib import Path\n\nfrom benchmark.models.prompt_classifier import load_classifier\n\n"
        'model = load_classifier(Path("FOLDER"))'
    )


def _base_model(backbone: Backbone) -> str | None:
    """Return the Hub id of a backbone, if it is known."""
    kind, _, name = backbone.source.partition(":")
    if kind == "artifact" and (named := _HUB_ID.match(load_manifest()[name].source)):
        return named[0]
    return name if kind == "hub" else None


def _licence(backbone: Backbone) -> str | None:
    """Return the licence of a packaged backbone as the Hub writes it; None for another one."""
    kind, _, name = backbone.source.partition(":")
    return load_manifest()[name].licence.split()[0].strip(";,").lower() if kind == "artifact" else None


def _datasets(work: Workload) -> set[str]:
    """Return the Hub ids of the training data."""
    task = work.suite.training
    specs = [task.data, task.split.test_data]
    names = {getattr(spec.origin, "repository", None) for spec in specs if spec is not None}
    return {name for name in names if name}


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |\n|{' :-- |' * len(headings)}\n"
    for row in rows:
        yield f"| {' | '.join(map(escape_cell, row))} |\n"
