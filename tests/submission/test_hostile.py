"""Broken and hostile submissions: each is refused with its reason, in one sentence that does nothing when shown."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.attacks.text import words_changed, words_of
from benchmark.execution.registry import MethodRequest, configure
from benchmark.execution.sources import source_texts, texts_fingerprint
from benchmark.schema import UsageError, fingerprint
from benchmark.submission.declared import declaration_problems
from benchmark.submission.intake import read_submission
from benchmark.submission.layout import MEBIBYTE, sources_schema
from benchmark.submission.sources import name_problems, source_problems
from benchmark.submission.twins import same_answers
from tests.submission.conftest import can_attack
from tests.submission.forging import Forgery, hardest, relabelled, without_row

Change = Callable[[Forgery], None]
SCRIPT = "<img src=x onerror=alert(1)>"


def on_manifest(change: Callable[[dict[str, Any]], Any]) -> Change:
    return lambda forgery: forgery.edit_manifest(lambda manifest: change(manifest) and None)


def on_records(change: Callable[[dict[str, Any]], Any], only: Callable[..., bool] | None = None) -> Change:
    def apply(forgery: Forgery) -> None:
        forgery.edit_records(lambda record: change(record) and None, only=only)
        forgery.reseal()

    return apply


def on_outcome(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Change the environment where the manifest and all records say it alike."""

    def apply(forgery: Forgery) -> None:
        forgery.edit_manifest(lambda m: [change(run["outcome"]["environment"]) for run in m["runs"]] and None)
        forgery.edit_records(lambda record: change(record["environment"]) and None)
        forgery.reseal()

    return apply


def manifest_text(change: Callable[[str], str | bytes]) -> Change:
    def apply(forgery: Forgery) -> None:
        path = forgery.folder / "submission.json"
        changed = change(path.read_text())
        path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())

    return apply


def record_text(change: Callable[[str], str]) -> Change:
    def apply(forgery: Forgery) -> None:
        forgery.records().write_text(change(forgery.records().read_text()))
        forgery.reseal()

    return apply


def write(name: str, data: bytes = b"{}", *, sealed: bool = False) -> Change:
    def apply(forgery: Forgery) -> None:
        path = forgery.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if sealed:
            forgery.reseal()

    return apply


def grow(name: str, size: int) -> Change:
    return lambda forgery: os.truncate(forgery.folder / name, size)


def link(name: str, target: str) -> Change:
    def apply(forgery: Forgery) -> None:
        path = forgery.folder / name
        if path.is_file():
            path.unlink()
        path.symlink_to(target)

    return apply


def rewritten(change: Callable[[pa.Table], pa.Table], **options: Any) -> Change:
    def apply(forgery: Forgery) -> None:
        forgery.rewrite(change, **options)
        forgery.reseal()

    return apply


def with_column(name: str, column: Callable[[pa.Table], Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, column(table))


def bomb(table: pa.Table) -> pa.Table:
    return table.set_column(0, "id", pa.array([f"{i}" + "a" * 8_000_000 for i in range(table.num_rows)]))


def renamed_example(table: Any) -> Any:
    ids = list(table.ids)
    ids[hardest(table)] = "easier"
    return replace(table, ids=tuple(ids))


def kind_of(run: dict[str, Any], subject: str, kind: str) -> None:
    next(table for table in run["tables"] if table["subject"] == subject)["kind"] = kind


def thorough(change: Callable[[Forgery], None]) -> Change:
    """Edit, then score the edited tables and write every hash and key that follows."""

    def apply(forgery: Forgery) -> None:
        change(forgery)
        forgery.reforge()

    return apply


def swap(left: tuple[str, int], right: tuple[str, int]) -> Change:
    def apply(forgery: Forgery) -> None:
        one, other = forgery.table(*left), forgery.table(*right)
        data = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(data)
        forgery.reseal()

    return apply


def copied_seed(forgery: Forgery) -> None:
    """Seed 1 is seed 0 under another name."""
    for table in forgery.table().parent.iterdir():
        (forgery.folder / "tables/seed-1" / table.name).write_bytes(table.read_bytes())

    def change(manifest: dict[str, Any]) -> None:
        first, second = manifest["runs"]
        second |= {key: value for key, value in first.items() if key not in ("seed", "training")}

    forgery.edit_manifest(change)
    records = [json.loads(line) | {"seed": 1} for line in forgery.records(0).read_text().splitlines()]
    forgery.records(1).write_text("".join(json.dumps(record) + "\n" for record in records))
    forgery.reseal()


def duplicated(nudge: float, *, weights: bool = False) -> Change:
    """Seed 1 is seed 0 with other bytes in every table, another hash of weights, and keys that follow."""

    def apply(forgery: Forgery) -> None:
        copied_seed(forgery)

        def change(manifest: dict[str, Any]) -> None:
            stated = manifest["runs"][1]["weights"]
            stated["config.json" if weights else "model.safetensors"] = "sha256:" + "8" * 64

        forgery.edit_manifest(change)
        noise = np.random.default_rng(0)
        for subject in ("home", "away", "foreign", "validation"):
            forgery.edit_predictions(
                lambda t: replace(t, logits=t.logits + nudge * noise.normal(size=t.logits.shape).astype(np.float32)),
                subject,
                seed=1,
            )
            path = forgery.table(subject, 1)
            pq.write_table(pq.ParquetFile(path).read(), path, compression="snappy", store_schema=False)
        forgery.reseal()
        forgery.rekey()
        forgery.reforge()

    return apply


def huge_seed(forgery: Forgery) -> None:
    seed = 3_000_000_000
    forgery.edit_manifest(lambda m: m["runs"][1].update(seed=seed))
    forgery.edit_records(lambda record: record.update(seed=seed), only=lambda r: r["seed"] == 1)
    forgery.records(1).rename(forgery.records(seed))
    forgery.table(seed=1).parent.rename(forgery.table(seed=seed).parent)
    forgery.reseal()


def not_finite(part: str, value: float) -> Change:
    def change(table: Any) -> Any:
        values = getattr(table, part).copy()
        values[0] = value
        return replace(table, **{part: values})

    return thorough(lambda f: [f.edit_inspection(change, seed) for seed in (0, 1)] and None)


def attacked(only: str, **fields: Any) -> Change:
    return thorough(lambda f: f.edit_attack(lambda r: replace(r, **fields), only=only))


def lengthened(words: str) -> Change:
    return thorough(lambda f: f.edit_attack(lambda r: replace(r, perturbed=f"{r.perturbed} {words}"), only="flipped"))


def unknown_files(manifest: dict[str, Any]) -> None:
    entry = {"sha256": "sha256:" + "0" * 64, "size": 1}
    manifest["files"].update({f"tables/seed-0/home{number}.parquet": entry for number in range(20_000)})


def only_seed_one(forgery: Forgery) -> None:
    forgery.edit_manifest(lambda m: m["runs"].pop(0) and None)
    forgery.records(0).unlink()
    shutil.rmtree(forgery.table().parent)
    forgery.reseal()


def foreign_version(forgery: Forgery) -> None:
    (old,) = (forgery.folder / "records").iterdir()
    old.rename(old.with_name("tiny@9"))
    forgery.edit_manifest(lambda m: m["suite"].update(version=9))
    forgery.edit_records(lambda record: record["suite"].update(version=9))
    forgery.recard(lambda card: card.update(version=9))


def tuned(forgery: Forgery) -> None:
    """A tuned row under the name of the default one, consistent in records and training."""
    forgery.edit_manifest(
        lambda m: [run["training"]["method"]["hyperparameters"].update(probability=0.3) for run in m["runs"]] and None
    )
    forgery.edit_records(lambda record: record["method"]["hyperparameters"].update(probability=0.3))
    forgery.reforge()


def unsourced(forgery: Forgery) -> None:
    path = forgery.folder / "source.json"
    path.write_text(path.read_text().replace("kl_weight: float = 0.01", "kl_weight: float = 0.02"))
    forgery.reseal()


def first(record: dict[str, Any]) -> bool:
    return (record["probe"]["id"], record["metric"]["id"], record["seed"]) == ("home", "accuracy", 0)


CASES: dict[str, tuple[Change, str]] = {
    # files
    "linked-file": (link("tables/seed-0/home.parquet", "/etc/passwd"), "is a link; a submission holds plain files"),
    "linked-folder": (link("tables/seed-7", "/etc"), "'tables/seed-7': is a link"),
    "pipe": (lambda f: os.mkfifo(f.folder / "tables/pipe.json"), "is neither a file nor a folder"),
    "code": (write("setup.py", b"import os"), "'setup.py': has no place in a submission"),
    "pickle": (write("tables/seed-0/home.pkl"), "has no place in a submission"),
    "stray-json": (write("extra.json", sealed=True), "lists 'extra.json', which is no part of this submission"),
    "unlisted-json": (write("extra.json"), "'extra.json': is no part of this submission"),
    "odd-name": (write("a\n\x1b[31mb.json"), r"'a\n\x1b[31mb.json': is no part"),
    "empty-folder": (lambda f: (f.folder / "tables/none").mkdir(), "'tables/none': is an empty folder"),
    "line-ends-of-another-system": (
        lambda f: f.records().write_bytes(f.records().read_bytes().replace(b"\n", b"\r\n")),
        "Its lines end in CR LF",
    ),
    "deep": (write("a/b/c/d/e/f/g.json"), "folders deep"),
    "many": (lambda f: [(f.folder / f"{n}.json").touch() for n in range(2100)] and None, "is more than 2000 files"),
    "huge-manifest": (grow("submission.json", 5 * MEBIBYTE), "a .json file has at most"),
    "huge-table": (grow("tables/seed-0/home.parquet", 9 * MEBIBYTE), "a .parquet file has at most"),
    "no-manifest": (lambda f: (f.folder / "submission.json").unlink(), "submission.json: is missing"),
    "no-table": (lambda f: f.table().unlink(), "tables/seed-0/home.parquet: is missing"),
    "no-source": (lambda f: (f.folder / "source.json").unlink(), "source.json: is missing"),
    "changed-behind-the-hash": (lambda f: f.edit_predictions(relabelled), "its size or hash differs"),
    # the manifest
    "not-utf8": (manifest_text(lambda t: t.replace("tiny", "t\xefny").encode("latin-1")), "is not UTF-8 at byte"),
    "byte-order-mark": (manifest_text(lambda t: "\ufeff" + t), "is not JSON"),
    "utf16": (manifest_text(lambda t: t.encode("utf-16")), "is not UTF-8"),
    "half": (manifest_text(lambda t: t[: len(t) // 2]), "is not JSON"),
    "a-list": (manifest_text(lambda _: "[1, 2]"), "is a list; write an object"),
    "nested": (manifest_text(lambda _: "[" * 100_000), "is nested too deeply"),
    "key-twice": (manifest_text(lambda t: '{"schema": 1, ' + t.lstrip()[1:]), "/schema: is a duplicate key"),
    "long-number": (manifest_text(lambda t: t.replace('"schema": 1', '"schema": ' + "9" * 5000)), "is not JSON"),
    "nan": (on_manifest(lambda m: m["runs"][0]["outcome"].update(x=float("nan"))), "is nan, which is not a value"),
    "unknown-key": (on_manifest(lambda m: m.update(run="rm -rf")), "/run: is an unknown key; remove it. Did you mean"),
    "wrong-type": (on_manifest(lambda m: m.update(runs="all")), "/runs: is the text 'all'; write a list"),
    "newer-schema": (on_manifest(lambda m: m.update(schema=2)), "/schema: is 2; this version reads 1"),
    "deep-outcome": (on_manifest(lambda m: m["runs"][0]["outcome"].update(a=[[[[[[[[[1]]]]]]]]])), "is nested deeper"),
    "no-cost": (on_manifest(lambda m: m["runs"][0]["outcome"].pop("cost")), "outcome/cost: is missing; add"),
    "traversal": (
        on_manifest(lambda m: m["files"].update({"../../x.json": {"sha256": "sha256:" + "0" * 64, "size": 1}})),
        "lists '../../x.json', which is no part",
    ),
    "thousands-of-files-listed": (on_manifest(unknown_files), "And 19950 more."),
    "long-key": (on_manifest(lambda m: m.update({"x" * 1_000_000: 1})), "is an unknown key"),
    "absolute": (
        on_manifest(lambda m: m["files"].update({"/etc/x.json": {"sha256": "sha256:" + "0" * 64, "size": 1}})),
        "lists '/etc/x.json', which is no part",
    ),
    "traversing-subject": (
        on_manifest(lambda m: m["runs"][0]["tables"][0].update(subject="../../../x")),
        "write a name of letters, digits",
    ),
    "traversing-method": (on_manifest(lambda m: m["method"].update(name="../x")), "/method/name: is the text '../x'"),
    "traversing-suite": (on_manifest(lambda m: m["suite"].update(name="/etc")), "/suite/name: is the text '/etc'"),
    "traversing-weights": (
        on_manifest(lambda m: m["runs"][0]["weights"].update({"/etc/passwd": "sha256:" + "0" * 64})),
        "as a key, is the text '/etc/passwd'",
    ),
    "seed-listed-twice": (on_manifest(lambda m: m["runs"].append(m["runs"][0])), "names a seed twice (0, 0, 1)"),
    "table-listed-twice": (
        on_manifest(lambda m: m["runs"][0]["tables"].append(m["runs"][0]["tables"][0])),
        "names a subject twice",
    ),
    # text fields
    "html-in-a-value": (on_outcome(lambda e: e.update(device=SCRIPT)), "holds markup; write plain text"),
    "html-in-a-key": (on_outcome(lambda e: e.update({SCRIPT: "x"})), "is a key that holds markup"),
    "script-address": (on_outcome(lambda e: e.update(device="javascript:alert(1)")), "holds a script's address"),
    "formula": (on_outcome(lambda e: e.update(device='=HYPERLINK("x")')), "the beginning of a spreadsheet formula"),
    "formula-behind-blanks": (on_outcome(lambda e: e.update(device="  @SUM(A1)")), "spreadsheet formula"),
    "markdown-link": (on_outcome(lambda e: e.update(device="[a](b)")), "holds a Markdown link"),
    "invisible-mark": (on_outcome(lambda e: e.update(device="c\u00adpu")), "holds an invisible character"),
    "invisible-filler": (on_outcome(lambda e: e.update(device="cpu\u3164")), "holds an invisible character"),
    "invisible-tag": (on_outcome(lambda e: e.update(device="cpu\U000e0041")), "holds an invisible character"),
    "invisible": (on_outcome(lambda e: e.update(device="cpu\u200b")), "holds an invisible character"),
    "control-character": (
        on_outcome(lambda e: e.update(device="cpu\x1b[2J")),
        "holds the unprintable character U+001B",
    ),
    "right-to-left": (on_outcome(lambda e: e.update(device="cpu\u202e")), "holds the unprintable character U+202E"),
    "long-text": (on_outcome(lambda e: e.update(device="x" * 5000)), "holds 5000 characters"),
    "latex-in-a-version": (
        on_records(lambda r: r["method"].update(version=r"\input{/etc/passwd}")),
        "/method/version: holds a character of LaTeX",
    ),
    "latex-in-a-name": (
        on_records(lambda r: r["method"].update(name=r"\write18{ls}")),
        "write a name of letters, digits",
    ),
    "html-in-a-hyperparameter": (
        on_records(lambda r: r["method"]["hyperparameters"].update(variant=SCRIPT)),
        "/method/hyperparameters/variant: holds markup",
    ),
    "html-in-a-configuration": (on_records(lambda r: r["method"].update(configuration=SCRIPT)), "/method: says"),
    "html-in-a-backbone": (
        on_records(lambda r: r["backbone"].update(source="folder:" + SCRIPT)),
        "/backbone/source: holds markup",
    ),
    # records
    "edited-value": (
        on_records(lambda r: r.update(value=0.9375), first),
        "home, accuracy: says 0.9375, its table gives",
    ),
    "edited-by-a-millionth": (
        on_records(lambda r: r.update(value=abs(r["value"] - 1e-6)), first),
        "home, accuracy: says",
    ),
    "edited-replicates": (
        on_records(lambda r: r.update(replicates=[x * 0.99 for x in r["replicates"]]), first),
        "its replicates are not those",
    ),
    "fewer-replicates": (
        on_records(lambda r: r.update(replicates=r["replicates"][:5]), first),
        "its replicates are not",
    ),
    "value-out-of-range": (on_records(lambda r: r.update(value=1.5), first), "is 1.5; the metric is a fraction"),
    "value-nan": (on_records(lambda r: r.update(value=float("nan")), first), "/value: is nan"),
    "value-as-text": (on_records(lambda r: r.update(value="0.9"), first), "/value: is the text '0.9'"),
    "value-withheld": (
        on_records(lambda r: r.update(value=None, status="unavailable", reason="No.", replicates=None), first),
        "says None, its table gives",
    ),
    "verified-by-itself": (on_records(lambda r: r.update(verification="rerun")), "only `temper verify` may write that"),
    "record-unknown-key": (on_records(lambda r: r.update(note="best")), "/note: is an unknown key"),
    "record-dropped": (record_text(lambda t: "\n".join(t.split("\n")[1:])), "there is no record"),
    "record-twice": (record_text(lambda t: t.split("\n")[0] + "\n" + t), "repeats"),
    "record-key-twice": (record_text(lambda t: '{"seed": 0, ' + t[1:]), "/seed: is a duplicate key"),
    "record-half": (record_text(lambda t: t[:-40]), "is not JSON"),
    "records-empty": (record_text(lambda _: ""), "seed 0 has no records"),
    "records-of-the-other-seed": (
        lambda f: f.records(0).write_bytes(f.records(1).read_bytes()) and f.reseal(),
        "/seed: says seed-1.jsonl, the path of the file says seed-0.jsonl",
    ),
    "cheaper": (
        on_records(lambda r: r["cost"].update(forward=1)),
        "/cost/forward is 1; the manifest, the tables and the suite give",
    ),
    "another-machine": (on_records(lambda r: r["environment"].update(device="TPU")), '/environment/device is "TPU"'),
    "failed-row": (
        on_records(lambda r: r.update(value=None, status="failed", reason="Diverged.", replicates=None)),
        "the row failed; a submission holds finished rows only",
    ),
    "published": (
        on_records(
            lambda r: r.update(kind="published", source=dict.fromkeys(("paper", "table", "row", "column"), "x")), first
        ),
        "belongs to a measured value",
    ),
    "two-sources": (
        on_records(lambda r: r["method"].update(source="sha256:" + "1" * 64), lambda r: r["seed"] == 1),
        "of more than one method version, source",
    ),
    # the suite
    "foreign-version": (foreign_version, "The submission is of tiny@9, and this is tiny@1"),
    "card-with-other-data": (
        lambda f: f.recard(lambda card: card["training"].update(data="sha256:" + "2" * 64)),
        "suite.json: /training/data is",
    ),
    "card-with-fewer-probes": (
        lambda f: f.recard(
            lambda card: card.update(
                {key: [e for e in card[key] if "foreign" not in e.values()] for key in ("probes", "overlap")}
            )
        ),
        "no probe foreign under anomaly",
    ),
    "card-with-html": (lambda f: f.recard(lambda card: card.update(title=SCRIPT)), "suite.json: /title is"),
    "other-fingerprint": (
        on_records(lambda r: r["suite"].update(fingerprint="sha256:" + "3" * 64)),
        "the suite card's is",
    ),
    # seeds
    "duplicated-seed": (copied_seed, "seeds 0 and 1 state the same weights"),
    "duplicated-seed-in-other-bytes": (duplicated(0.0), "seeds 0 and 1 give the same answers, or nearly so"),
    "duplicated-seed-nudged": (duplicated(0.001), "seeds 0 and 1 give the same answers, or nearly so"),
    "duplicated-weights-beside-another-file": (duplicated(0.0, weights=True), "seeds 0 and 1 state the same weights"),
    "huge-seed": (huge_seed, "seed 1 is missing"),
    "missing-seed": (only_seed_one, "seed 0 is missing"),
    # the training
    "longer-training": (
        on_manifest(lambda m: [r["training"]["recipe"].update(epochs=20) for r in m["runs"]]),
        "was trained with /recipe/epochs 20; the suite and the records say 12",
    ),
    "other-training-data": (
        on_manifest(lambda m: [r["training"]["data"].update(train="sha256:" + "4" * 64) for r in m["runs"]]),
        "was trained with /data/train",
    ),
    "another-seed-trained": (
        on_manifest(lambda m: m["runs"][0]["training"].update(seed=41)),
        "seed 0 was trained with /seed 41",
    ),
    "unknown-training-setting": (
        on_manifest(lambda m: m["runs"][0]["training"].update(test_time_ensemble=5)),
        "was trained with /test_time_ensemble 5; the suite and the records say nothing",
    ),
    "other-weights": (
        on_manifest(lambda m: m["runs"][0]["weights"].update({"model.safetensors": "sha256:" + "5" * 64})),
        "the table is stated under predict key",
    ),
    "other-key": (
        on_manifest(lambda m: m["runs"][0]["tables"][-1].update(key="sha256:" + "6" * 64)),
        "the table is stated under predict key",
    ),
    "tuned-row-as-default": (tuned, "worddrop has probability 0.3, and neither its source nor the suite"),
    # the source
    "source-edited": (unsourced, "source.json is not the source that the records of worddrop were made with"),
    "source-is-no-text": (
        write("source.json", b'{"a": 1}', sealed=True),
        "/a: is the number 1; write a text",
    ),
    "source-hash-edited": (
        on_records(lambda r: r["method"].update(source="sha256:" + "7" * 64)),
        "source.json is not the source",
    ),
    # tables
    "garbage": (write("tables/seed-0/home.parquet", b"PAR1 no table PAR1", sealed=True), "is no parquet file"),
    "truncated": (
        lambda f: f.table().write_bytes(f.table().read_bytes()[:-9]) and f.reseal(),
        "is no parquet file",
    ),
    "empty-table": (rewritten(lambda t: t.slice(0, 0)), "has 0 rows; the suite's data has 16"),
    "bomb": (rewritten(bomb), "unpacks to 128"),
    "metadata": (rewritten(lambda t: t, store_schema=True), "carries metadata of its own"),
    "two-columns-of-one-name": (
        rewritten(lambda t: t.append_column("id", t.column("id"))),
        "home.parquet: ",
    ),
    "a-date-that-is-none": (
        rewritten(with_column("label", lambda t: pa.array([2**62] * t.num_rows, pa.timestamp("us")))),
        "home.parquet: ",
    ),
    "extra-column": (
        rewritten(lambda t: t.append_column("x", pa.array([0] * t.num_rows))),
        "its columns are id, label",
    ),
    "wrong-column-type": (
        rewritten(with_column("label", lambda t: t.column("label").cast(pa.int64()))),
        "its column 'label' is int64 and not int32",
    ),
    "no-labels": (
        rewritten(with_column("label", lambda t: pa.nulls(t.num_rows, pa.int32()))),
        "the label None, the suite's data says",
    ),
    "id-twice": (
        rewritten(with_column("id", lambda t: pa.array(["0"] * t.num_rows))),
        "The example '0' occurs twice",
    ),
    "id-not-utf8": (
        rewritten(with_column("id", lambda t: pa.array([b"\xff"] * t.num_rows, pa.binary()))),
        "its column 'id' is",
    ),
    "dropped-hard-example": (
        lambda f: f.edit_predictions(lambda t: without_row(t, hardest(t))) or f.reseal(),
        "has 15 rows; the suite's data has 16",
    ),
    "replaced-hard-example": (thorough(lambda f: f.edit_predictions(renamed_example)), "lacks example"),
    "changed-label": (
        thorough(lambda f: f.edit_predictions(relabelled)),
        "home.parquet: says that example",
    ),
    "reordered": (
        thorough(
            lambda f: f.edit_predictions(
                lambda t: replace(t, ids=t.ids[::-1], labels=t.labels[::-1].copy(), logits=t.logits[::-1].copy())
            )
        ),
        "in another order than the suite's data",
    ),
    "three-classes": (
        thorough(
            lambda f: (
                [
                    f.edit_predictions(lambda t: replace(t, logits=np.pad(t.logits, ((0, 0), (0, 1)))), subject, seed)
                    for subject in ("home", "away", "foreign", "validation")
                    for seed in (0, 1)
                ]
                and None
            )
        ),
        "has logits of 3 classes; the task has 2",
    ),
    "inspection-edited": (
        lambda f: f.edit_inspection(lambda t: replace(t, gradients=np.zeros_like(t.gradients))) or f.reseal(),
        "seed 0, known, zero_gradient_share: says 0.0, its table gives 1.0",
    ),
    "nan-gradient": (not_finite("gradients", np.nan), "known.parquet: the input gradient of example"),
    "infinite-second-answer": (not_finite("again", np.inf), "known.parquet: the second logits of example"),
    "inspection-of-other-examples": (
        thorough(lambda f: f.edit_inspection(lambda t: replace(t, predictions=renamed_example(t.predictions)))),
        "known.parquet: lacks example",
    ),
    "prediction-as-inspection": (
        lambda f: f.edit_manifest(lambda m: [kind_of(run, "away", "inspect") for run in m["runs"]] and None),
        "the suite has no inspect table of 'away'; remove it.",
    ),
    "inspection-as-prediction": (
        lambda f: f.edit_manifest(lambda m: [kind_of(run, "known", "predict") for run in m["runs"]] and None),
        "the suite has no predict table of 'known'; remove it.",
    ),
    "inspection-without-labels": (
        lambda f: f.rewrite(with_column("label", lambda t: pa.nulls(t.num_rows, pa.int32())), "known") or f.reseal(),
        "the inspection table has rows without a label",
    ),
    "nan-logits": (
        thorough(lambda f: f.edit_predictions(lambda t: replace(t, logits=t.logits * np.float32("nan")))),
        "are not finite; a diverged run is no result",
    ),
    "better-logits": (
        lambda f: (
            f.edit_predictions(lambda t: replace(t, logits=np.eye(2, dtype=np.float32)[t.labels]), "away") or f.reseal()
        ),
        "away, brier: says",
    ),
    "swapped-tables": (swap(("home", 0), ("away", 0)), "home.parquet: has 24 rows; the suite's data has 16"),
    "swapped-seeds": (swap(("away", 0), ("away", 1)), "/table is"),
}

ATTACK_CASES: dict[str, tuple[Change, str]] = {
    "skipped-without-an-answer": (
        attacked(
            "flipped",
            outcome="skipped",
            logits_original=(),
            perturbed=None,
            logits_final=None,
            changed=0,
            similarity=None,
            queries=1,
        ),
        "has logits of 0 classes; the task has 2",
    ),
    "skipped-after-a-search": (
        thorough(
            lambda f: f.edit_attack(
                lambda r: replace(
                    r,
                    outcome="skipped",
                    logits_original=r.logits_original[::-1],
                    perturbed=None,
                    logits_final=None,
                    changed=0,
                    similarity=None,
                    queries=7,
                ),
                only="flipped",
            )
        ),
        "is 'skipped' after 7 texts were asked about",
    ),
    "flipped-without-last-logits": (attacked("flipped", logits_final=()), "has logits of 0 classes"),
    "out-of-queries-without-a-budget": (
        attacked("flipped", outcome="budget", perturbed=None, logits_final=None, changed=0, similarity=None),
        "has used up its queries, of which the suite sets no number",
    ),
    "no-cosine": (attacked("flipped", similarity=57.0), "has the similarity 57, which no cosine is"),
    "flipped-without-a-similarity": (attacked("flipped", similarity=None), "is 'flipped' without a similarity"),
    "flipped-by-nothing": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, perturbed=r.original, changed=0), only="flipped")),
        "ends with the text that it began with and with other logits",
    ),
    "long-changed-text": (lengthened("a" * 40_000), "swapping words makes at most"),
    "words-added": (lengthened("w " * 300), "words, out of"),
    "survivor-made-of-a-fallen": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, outcome="survived", similarity=None), only="flipped")),
        "is 'survived' although its last logits say otherwise",
    ),
    "wrong-from-the-start": (
        thorough(
            lambda f: f.edit_attack(lambda r: replace(r, logits_original=r.logits_original[::-1]), only="flipped")
        ),
        "is 'flipped' although its first logits are wrong",
    ),
    "another-models-attack": (
        thorough(
            lambda f: f.edit_attack(
                lambda r: replace(
                    r,
                    outcome="survived",
                    perturbed=r.original,
                    changed=0,
                    similarity=None,
                    queries=1,
                    logits_original=tuple(9.0 if c == r.label else 0.0 for c in range(2)),
                    logits_final=tuple(9.0 if c == r.label else 0.0 for c in range(2)),
                ),
                only="flipped",
            )
        ),
        "from the prediction of the same text: two models",
    ),
    "other-text": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, original="easy text"))),
        "has another text than the suite's data",
    ),
    "script-in-the-changed-text": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, perturbed=r.perturbed + " " + SCRIPT), only="flipped")),
        "holds markup ('<i') in its changed text, which the original has not",
    ),
    "command-in-the-changed-text": (
        thorough(
            lambda f: f.edit_attack(lambda r: replace(r, perturbed=str(r.perturbed) + " \\input{x}"), only="flipped")
        ),
        "in its changed text, which the original has not",
    ),
    "escape-in-the-changed-text": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, perturbed=r.perturbed + "\x1b[2J"), only="flipped")),
        "holds the character U+001B in its changed text",
    ),
    "uncounted-words": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, words=r.words + 40))),
        "words; it has",
    ),
    "uncounted-changes": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, changed=0), only="flipped")),
        "says that 0 words are changed",
    ),
    "relabelled-attack": (
        thorough(lambda f: f.edit_attack(lambda r: replace(r, label=1 - r.label))),
        "textfooler.parquet: says that example",
    ),
    "contradictory-row": (
        lambda f: (
            f.rewrite(with_column("outcome", lambda t: pa.array(["skipped"] * t.num_rows)), "textfooler") or f.reseal()
        ),
        "for which a perturbed text and its logits do not fit",
    ),
    "prediction-in-place-of-an-attack": (
        lambda f: f.table("textfooler").write_bytes(f.table("home").read_bytes()) and f.reseal(),
        "rows; the suite's data has 8",
    ),
}


def check(forgery: Forgery, case: tuple[Change, str]) -> None:
    change, reason = case
    change(forgery)
    problems = forgery.problems()
    assert any(reason in problem for problem in problems), problems
    for problem in problems:
        assert problem.isprintable(), "a terminal would obey it"
        assert len(problem) < 1500


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_its_reason(forgery: Forgery, name: str) -> None:
    check(forgery, CASES[name])


@pytest.mark.resources()
@pytest.mark.parametrize("name", ATTACK_CASES)
def test_an_attack_table_is_refused_with_its_reason(forgery: Forgery, name: str) -> None:
    if not can_attack():
        pytest.skip("needs the extra [textattack] and `temper resources fetch minilm`")
    check(forgery, ATTACK_CASES[name])


def test_there_are_many_cases_and_the_honest_submission_is_none_of_them(forgery: Forgery) -> None:
    assert len(CASES) + len(ATTACK_CASES) >= 100
    assert forgery.problems() == []
    forgery.reforge()
    assert forgery.problems() == []


@pytest.mark.resources()
def test_punctuation_that_a_masked_model_proposes_is_no_markup(forgery: Forgery) -> None:
    if not can_attack():
        pytest.skip("needs the extra [textattack] and `temper resources fetch minilm`")

    def punctuated(row: Any) -> Any:
        text = row.original.replace(row.original.split()[0], "<", 1).replace(row.original.split()[-1], "`")
        return replace(row, perturbed=text, changed=words_changed(words_of(row.original), words_of(text)))

    forgery.edit_attack(punctuated, only="flipped")
    forgery.reforge()
    assert forgery.problems() == []


@pytest.mark.parametrize(
    ("make", "same"),
    [
        (lambda a, rng: a, True),
        (lambda a, rng: a + 0.01 * rng.normal(size=a.shape), True),
        (lambda a, rng: 1.02 * a, True),
        (lambda a, rng: a + 0.3 * rng.normal(size=a.shape), False),
        # One answer for every text, as a training of a step or two gives: near by chance, and of other texts' order.
        (lambda a, rng: 5.0 + 0.01 * rng.normal(size=a.shape), False),
    ],
)
def test_answers_are_the_same_only_where_each_text_is_answered_alike(make: Any, same: bool) -> None:
    rng = np.random.default_rng(0)
    answers = rng.normal(size=(400, 2))
    assert same_answers(answers, make(answers, rng)) == same
    constant = 5.0 + 0.01 * rng.normal(size=(400, 2))
    assert not same_answers(constant, 5.001 + 0.01 * rng.normal(size=(400, 2)))
    assert not same_answers(answers, -answers)


def test_a_link_to_a_submission_is_none(forgery: Forgery, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(forgery.folder)
    with pytest.raises(UsageError, match="link is a link; name the folder"):
        read_submission(tmp_path / "link")
    with pytest.raises(UsageError, match=r"submission\.json is a file; name the folder"):
        read_submission(forgery.folder / "submission.json")
    with pytest.raises(UsageError, match="nothing is not there; name the folder"):
        read_submission(tmp_path / "nothing")


SOURCE = """class Mine:
    name: ClassVar[str] = "mine"
    version: ClassVar[str] = "2"
    alpha: float = 0.5
    steps: int = field(default=3)
    quick: bool = True
"""
HONEST = {"alpha": 0.5, "steps": 3, "quick": True}


@pytest.mark.parametrize(
    ("hyperparameters", "configuration", "version", "reason"),
    [
        (HONEST, "", "2", ""),
        (HONEST | {"alpha": 0.9}, "alpha=0.9", "2", ""),
        (HONEST | {"steps": 7}, "steps=7", "2", ""),
        (HONEST, "", "99", "The source of mine is of version 2; the records say 99."),
        ({}, "", "2", "has the hyper-parameter alpha in its source, of which the records say nothing"),
        (HONEST | {"ensemble": 50}, "", "2", "mine has no hyper-parameter 'ensemble' in its source"),
        (HONEST | {"alpha": 0.9}, "", "2", "mine has alpha 0.9, and neither its source nor the suite"),
        (HONEST | {"quick": 1}, "", "2", "mine has quick 1, and neither"),
        (HONEST | {"alpha": 0.9}, "alpha=0.7", "2", "The configuration says alpha=0.7"),
        (HONEST, "alpha=0.5", "2", "sets alpha to 0.5, which it is anyway"),
        (HONEST | {"alpha": 0.9}, "alpha=9,alpha=0.9", "2", "is not key=value once for each key"),
        (HONEST, ",", "2", "is not key=value once for each key"),
        (HONEST, "beta=1", "2", "The configuration sets beta, which is no hyper-parameter of mine"),
    ],
)
def test_hyperparameters_are_what_source_suite_and_configuration_say(
    hyperparameters: dict[str, Any], configuration: str, version: str, reason: str
) -> None:
    method = {
        "name": "mine", "version": version, "configuration": configuration, "hyperparameters": hyperparameters
    }  # fmt: skip
    problems = list(declaration_problems(method, {}, {"0:Mine": SOURCE}))
    assert (reason in problems[0]) if reason else problems == []


@pytest.mark.parametrize("name", ["worddrop", "mvp+roast", "roast"])
def test_registered_methods_declare_what_they_are_configured_with(name: str) -> None:
    configured = configure(MethodRequest.parse(name), {})
    method = {
        "name": name,
        "version": configured.cls.version,
        "configuration": "",
        "hyperparameters": dict(configured.hyperparameters),
    }
    assert list(declaration_problems(method, {}, source_texts(configured.cls))) == []


def test_a_composition_is_its_members_and_what_composes_them_here() -> None:
    texts = source_texts(configure(MethodRequest.parse("mvp+roast"), {}).cls)

    def problems(name: str, carried: Any) -> list[str]:
        return list(source_problems(name, texts_fingerprint(carried), carried))

    assert problems("mvp+roast", texts) == []
    assert (
        "no members of a composition and not mvp+roast"
        in problems("mvp+roast", {"0:Anything": "class Anything: pass"})[0]
    )
    assert "holds mvp+roast and not roast" in problems("roast", texts)[0]
    assert "in another way" in problems("mvp+roast", {**texts, "composition": "def compose(): ..."})[0]


def test_comments_and_older_hashes_of_the_texts_themselves_are_accepted() -> None:
    for name in ("roast", "mvp+roast"):
        texts = source_texts(configure(MethodRequest.parse(name), {}).cls)
        source = texts_fingerprint(texts)
        members = texts.get("members", {})
        older = {**texts, "members": {key: fingerprint(own) for key, own in members.items()}} if members else texts
        assert list(source_problems(name, fingerprint(older), texts)) == []
        commented = json.loads(json.dumps(texts).replace("from dataclasses", "# Edited.\\nfrom dataclasses"))
        assert commented != texts
        assert list(source_problems(name, source, commented)) == []
        edited = json.loads(
            json.dumps(texts).replace("alpha: Annotated", "gamma: Annotated").replace("alpha: float", "gamma: float")
        )
        assert edited != texts
        (problem,) = source_problems(name, texts_fingerprint(edited), edited)
        assert "methods.roast:RoAST, and roast.py (class 'RoAST') differs from the source that made" in problem


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mine", ""),
        ("a..b", "calls itself 'a..b'. Name it with letters, digits, - and _"),
        ("roast.", "calls itself 'roast.'. Name it with letters, digits, - and _"),
        ("Vanilla", "differs from vanilla, which is registered here, in the case of letters alone"),
        ("mvp+ROAST", "differs from roast"),
    ],
)
def test_a_name_is_one_that_a_run_would_take_and_nobody_elses(name: str, reason: str) -> None:
    problems = list(name_problems(name))
    assert (reason in problems[0]) if reason else problems == []


@pytest.mark.parametrize(
    "value",
    [
        {"members": {"mine": "text"}, "composition": ""},
        {"members": {"mine": {"0:Mine": "x"}}, "composition": "x", "more": "x"},
        {"members": {"mine": {"0:Mine": "x"}}},
        {"²:Mine": "x"},
        {"0:Mine": "\ud800"},
        {"0:Mine": {"0:Inner": "x"}},
        ["x"],
    ],
)
def test_a_source_of_another_shape_is_refused(value: Any) -> None:
    assert sources_schema(value).problems(value)


def test_what_no_parser_takes_has_no_words() -> None:
    deep = "class A:\n    x: " + "b" + ".c" * 100_000 + " = 1"
    method = {"name": "a", "version": "1", "configuration": "", "hyperparameters": {}}
    assert list(declaration_problems(method, {}, {"0:A": deep})) == []
