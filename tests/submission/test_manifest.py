"""Hostile submissions: the manifest, its seeds, training runs and keys. Each is refused with its reason."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.submission.forging import Forgery, assert_refused

ZERO = {"sha256": "sha256:" + "0" * 64, "size": 1}


def rewrite(forgery: Forgery, text: Callable[[str], str | bytes]) -> None:
    path = forgery.folder / "submission.json"
    changed = text(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda t: t.replace("tiny", "t\xefny").encode("latin-1"), "is not UTF-8 at byte"),
        (lambda t: t.encode("utf-16"), "is not UTF-8"),
        (lambda t: "\ufeff" + t, "is not JSON"),
        (lambda t: t[: len(t) // 2], "is not JSON"),
        (lambda t: t.replace('"schema": 1', '"schema": ' + "9" * 5000), "is not JSON"),
        (lambda _: "[1, 2]", "is a list; write an object"),
        (lambda _: "[" * 100_000, "is nested too deeply"),
        (lambda t: '{"schema": 1, ' + t.lstrip()[1:], "/schema: is a duplicate key; keep one."),
    ],
)
def test_text_that_is_not_a_manifest(forgery: Forgery, text: Callable[[str], str | bytes], reason: str) -> None:
    rewrite(forgery, text)
    assert_refused(forgery, reason)


def table(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest["runs"][0]["tables"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(run="rm -rf"), "/run: is an unknown key; remove it. Did you mean 'runs'?"),
        (lambda m: m.update({"x" * 1_000_000: 1}), "is an unknown key"),
        (lambda m: m.update(runs="all"), "/runs: is the text 'all'; write a list"),
        (lambda m: m["runs"][0].update(seed=True), "/runs/0/seed: is true"),
        (lambda m: m["runs"][0].update(seed=-1), "/runs/0/seed: is the number -1; "),
        (lambda m: m.update(schema=2), "/schema: is 2; this version reads 1. Update Temper."),
        (lambda m: m["runs"][0]["outcome"].pop("cost"), "/runs/0/outcome/cost: is missing; "),
        (lambda m: m["runs"][0]["training"].update(x=float("nan")), "/runs/0/training/x: nan is not a JSON value"),
        (lambda m: m["runs"][0]["training"].update(a=json.loads("[" * 900 + "]" * 900)), "is nested too deeply"),
        (lambda m: m["runs"][0]["training"].update(a=json.loads("[" * 100 + "]" * 100)), "is nested too deeply"),
        (lambda m: m["runs"][0]["training"].update(a="\ud800"), "holds half of a surrogate pair"),
        (lambda m: table(m).update(kind="pickle"), "/runs/0/tables/0/kind: is the text 'pickle'"),
        (lambda m: table(m).update(key="sha256:1"), "write sha256: and 64 hexadecimal digits"),
        (lambda m: table(m).update(subject="../../../x"), "/tables/0/subject: is the text '../../../x'; write a name"),
        (lambda m: m["method"].update(name="../x"), "/method/name: is the text '../x'"),
        (lambda m: m["suite"].update(name="/etc"), "/suite/name: is the text '/etc'"),
        (lambda m: m["files"].update({"../../x.json": ZERO}), "'../../x.json': is not part of this submission"),
        (lambda m: m["files"].update({"/etc/x.json": ZERO}), "'/etc/x.json': is not part of this submission"),
        (lambda m: m["files"].update({f"tables/{n}": ZERO for n in range(20_000)}), "And 19950 more."),
        (lambda m: m["runs"][0]["weights"].update({"/etc/passwd": ZERO["sha256"]}), "the table of away is predict key"),
        (lambda m: m["runs"][0]["outcome"].update(ingredients=[0]), "seed 0: submission.json names ingredients, which"),
        (lambda m: m["runs"][0]["outcome"].update(ingredients=[]), "seed 0: submission.json names ingredients, which"),
        (lambda m: m["runs"].append(m["runs"][0]), "/runs: names a seed twice; keep one entry of each."),
        (lambda m: m["runs"][0]["tables"].append(table(m)), "/runs/0/tables: names a subject and kind twice"),
    ],
)  # fmt: skip
def test_a_manifest_with_an_illegal_part(
    forgery: Forgery, change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    forgery.edit_manifest(change)
    assert_refused(forgery, reason)


def test_every_problem_of_the_manifest_is_said_at_once(forgery: Forgery) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["suite"]["version"] = "1"
        manifest["method"].pop("name")
        manifest["extra"] = 1

    forgery.edit_manifest(change)
    assert [problem.split(": ")[:2] for problem in forgery.problems()] == [
        ["submission.json", "/suite/version"],
        ["submission.json", "/method/name"],
        ["submission.json", "/extra"],
    ]


# -- seeds ----------------------------------------------------------------------------------------------------------


def test_one_run_under_two_seeds(forgery: Forgery) -> None:
    for table in forgery.table().parent.iterdir():
        shutil.copyfile(table, forgery.folder / "tables/seed-1" / table.name)

    def change(manifest: dict[str, Any]) -> None:
        first, second = manifest["runs"]
        second |= {key: value for key, value in first.items() if key not in ("seed", "training")}

    forgery.edit_manifest(change)
    records = [json.loads(line) | {"seed": 1} for line in forgery.records(0).read_text().splitlines()]
    forgery.records(1).write_text("".join(json.dumps(record) + "\n" for record in records))
    forgery.reseal()
    assert_refused(forgery, "seeds 0 and 1 have the same weights or predictions; each seed is a run of its own.")


def test_a_seed_of_ten_digits(forgery: Forgery) -> None:
    seed = 3_000_000_000
    forgery.edit_manifest(lambda m: m["runs"][1].update(seed=seed))
    forgery.edit_records(lambda record: record.update(seed=seed), only=lambda r: r["seed"] == 1)
    forgery.records(1).rename(forgery.records(seed))
    forgery.table(seed=1).parent.rename(forgery.table(seed=seed).parent)
    forgery.reseal()
    assert_refused(forgery, "seed 1 is missing; tiny needs at least 1, numbered from 0 without a gap.")


def test_a_seed_that_is_left_out(forgery: Forgery) -> None:
    forgery.edit_manifest(lambda m: m["runs"].pop(0) and None)
    forgery.records(0).unlink()
    shutil.rmtree(forgery.table().parent)
    forgery.reseal()
    assert_refused(forgery, "seed 0 is missing")


# -- training and keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda run: run["training"]["recipe"].update(epochs=20),
            "was trained with /recipe/epochs 20; the suite and the records say 5.",
        ),
        (lambda run: run["training"]["data"].update(train="sha256:" + "4" * 64), "was trained with /data/train"),
        (lambda run: run["training"].update(seed=41), "was trained with /seed 41"),
        (
            lambda run: run["training"].update(a=json.loads('{"b":' * 90 + "1" + "}" * 90)),
            "was trained with /a/b/b",
        ),
        (
            lambda run: run["training"].update(test_time_ensemble=5),
            "was trained with /test_time_ensemble 5; the suite and the records say nothing.",
        ),
        (
            lambda run: run["weights"].update({"model.safetensors": "sha256:" + "5" * 64}),
            "is predict key sha256:",
        ),
        (lambda run: run["tables"][-1].update(key="sha256:" + "6" * 64), "is predict key sha256:"),
        (lambda run: run["outcome"]["cost"].update(forward=1), "/cost/forward is"),
    ],
)
def test_a_run_that_the_suite_does_not_give(forgery: Forgery, change: Callable[..., Any], reason: str) -> None:
    forgery.edit_manifest(lambda m: change(m["runs"][0]))
    assert_refused(forgery, reason)
