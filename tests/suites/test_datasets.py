"""A suite's parts: disjoint, of the declared size, and the same whatever the order of the source."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.data import Dataset
from benchmark.data.text_normalisation import text_key
from benchmark.schema.errors import IntegrityError
from benchmark.suites import Suite, attack_subset, load_suite, parse_suite, task_dataset, training_splits

Edit = Callable[..., Suite]


def said(dataset: Dataset) -> list[tuple[tuple[str, ...], int | None]]:
    return [(example.texts, example.label) for example in dataset.examples]


def test_parts_share_neither_film_nor_text(folder: Path) -> None:
    parts = training_splits(load_suite(folder / "small.toml"))
    three = (parts.train, parts.validation, parts.test)
    films = [{example.group for example in part.examples} for part in three]
    texts = [{text_key(example.texts) for example in part.examples} for part in three]
    assert sum(map(len, films)) == len(set().union(*films))
    assert sum(map(len, texts)) == len(set().union(*texts)) == sum(map(len, three))
    assert len(parts.train) == 40
    assert all(part.label_names == ("negative", "positive") and len(part) for part in three)


def test_source_order_changes_nothing(folder: Path) -> None:
    suite = load_suite(folder / "small.toml")
    before = training_splits(suite), attack_subset(suite, suite.attacks[0])
    header, *rows = (folder / "train.csv").read_text().splitlines()
    (folder / "train.csv").write_text("\n".join([header, *reversed(rows)]) + "\n")
    after = training_splits(suite), attack_subset(suite, suite.attacks[0])
    assert before[0].train.content_hash == after[0].train.content_hash
    assert said(before[0].test) == said(after[0].test)
    assert said(before[1]) == said(after[1])


def test_a_task_without_data_is_the_test_part(folder: Path) -> None:
    suite = load_suite(folder / "small.toml")
    dataset = task_dataset(suite, suite.tasks[0])
    assert dataset.name == "reviews"
    assert said(dataset) == said(training_splits(suite).test)


def test_a_task_can_leave_out_what_training_has_seen(folder: Path, edited: Edit) -> None:
    suite = edited("rows = 20\n", "rows = 20\nexclude_training = true\n")
    plain, splits = edited(), training_splits(suite)
    # Nothing to drop: the same data set, with the same hash.
    assert task_dataset(suite, suite.tasks[1]).content_hash == task_dataset(plain, plain.tasks[1]).content_hash
    seen = [*splits.train.examples[:9], *splits.validation.examples[:5]]
    unseen = [example.texts[0] for example in splits.test.examples[:3]]
    leaked = [*(f"{example.texts[0].upper()}!" for example in seen), *unseen]
    with (folder / "shop.csv").open("a") as file:
        file.writelines(f"{text},{number % 2 * 4 + 1}\n" for number, text in enumerate(leaked))
    # Dropped before the limit, so that what is left still fills it.
    assert {e.texts[0] for e in task_dataset(suite, suite.tasks[1], splits).examples}.isdisjoint(leaked[:14])
    everything = edited("rows = 20\n", "rows = 43\nexclude_training = true\n", "limit = 20\n", "")
    dataset = task_dataset(everything, everything.tasks[1])
    kept = {example.texts[0] for example in dataset.examples}
    assert kept.isdisjoint(leaked[:14])
    assert set(unseen) <= kept
    assert dataset.report is not None
    assert dataset.report.excluded == 14


def test_a_task_of_the_test_part_can_leave_out_what_training_has_seen(folder: Path, edited: Edit) -> None:
    official = (folder / "train.csv").read_text().splitlines()[:60]
    (folder / "official.csv").write_text("\n".join(official) + "\n")
    data = (
        "test_data = { source = 'file', path = 'official.csv', format = 'csv', text = ['text'], "
        "label = { column = 'verdict', map = { rotten = 0, fresh = 1 } } }"
    )
    without_test = ("test = 0.25\nvalidation = 0.2\ntrain_limit = 40\ntrain_rows = 40", f"validation = 0.2\n{data}")
    suite = edited(*without_test, "rows = 45", "rows = 59", "subset = 12", "subset = 1")
    assert len(task_dataset(suite, suite.tasks[0])) == 59
    excluding = replace(suite.tasks[0], exclude_training=True, rows=1)
    with pytest.raises(IntegrityError, match=r"reviews.*0 examples where 1 are declared"):
        task_dataset(suite, excluding)


def test_attack_subset_is_a_stratified_part_of_its_task(folder: Path) -> None:
    suite = load_suite(folder / "small.toml")
    whole, part = task_dataset(suite, suite.tasks[0]), attack_subset(suite, suite.attacks[0])
    assert set(said(part)) < set(said(whole))
    assert (part.name, len(part)) == ("fooler", 12)
    shares = Counter(example.label for example in whole.examples)
    assert all(
        abs(count - 12 * shares[label] / len(whole)) < 1
        for label, count in Counter(e.label for e in part.examples).items()
    )


@pytest.mark.parametrize(
    ("task", "old", "new", "sentence"),
    [
        (
            0,
            "rows = 45",
            "rows = 46",
            r"small\.toml: tasks\[reviews\]\.rows: small/training/test has 45 examples where 46 are declared; ",
        ),
        (
            1,
            "rows = 20",
            "rows = 19",
            r"small\.toml: tasks\[shop\]\.rows: shop has 20 examples where 19 are declared; ",
        ),
        (
            2,
            "rows = 10",
            "rows = 11",
            r"small\.toml: tasks\[foreign\]\.rows: foreign has 10 examples where 11 are declared; ",
        ),
    ],
)
def test_a_wrong_number_of_examples_names_both(edited: Edit, task: int, old: str, new: str, sentence: str) -> None:
    suite = edited(old, new)
    with pytest.raises(IntegrityError, match=sentence):
        task_dataset(suite, suite.tasks[task])


def test_declared_sizes_of_parts_are_checked(edited: Edit) -> None:
    training_splits(edited("train_rows = 40", "train_rows = 40\nvalidation_rows = 50"))
    with pytest.raises(
        IntegrityError, match=r"training\.split\.validation_rows: small/training/validation has 50 examples where 52"
    ):
        training_splits(edited("train_rows = 40", "train_rows = 40\nvalidation_rows = 52"))
    with pytest.raises(IntegrityError, match=r"training\.split\.test_rows"):
        training_splits(edited("train_rows = 40", "train_rows = 40\ntest_rows = 3"))


def test_an_official_test_part_is_taken_as_it_is(edited: Edit, folder: Path) -> None:
    (folder / "test.csv").write_text("text,verdict\n" + "".join(f"official {n},fresh\n" for n in range(9)))
    label = "{ column = 'verdict', map = { fresh = 1 } }"
    data = f"{{ source = 'file', path = 'test.csv', format = 'csv', text = ['text'], label = {label} }}"
    suite = edited("test = 0.25", f"test_data = {data}\ntest_limit = 7")
    parts = training_splits(suite)
    assert {example.texts[0][:8] for example in parts.test.examples} == {"official"}
    assert len(parts.test) == 7


def test_labels_stay_classes_of_the_task_since_scoring_merges_them(toml: str, folder: Path) -> None:
    text = toml.replace('["negative", "positive"]', '["negative", "mixed", "positive"]').replace(
        "fresh = 1", "fresh = 2"
    )
    text = text.replace('title = "Shop"', 'title = "Shop"\nmerge = [1, 0, 0]')
    suite = parse_suite(text, path=folder / "small.toml")
    merged, plain = (
        task_dataset(suite, replace(suite.tasks[1], merge=merge)) for merge in (suite.tasks[1].merge, None)
    )
    assert merged == plain
    assert {example.label for example in merged.examples} == {0, 2}


def test_a_hub_task_comes_out_of_the_mirror(folder: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_MIRROR", str(shared / "hub"))
    suite = load_suite(folder / "small.toml")
    assert len(task_dataset(suite, suite.tasks[3])) == 148
