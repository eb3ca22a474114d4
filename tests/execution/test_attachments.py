"""Attachments that a run writes next to its records, from tables made by hand."""

from dataclasses import replace
from pathlib import Path

from benchmark.evaluation.parquet import write_attack
from benchmark.execution.cells import ATTACKED, Cell, Row
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.records import attachments_of
from benchmark.execution.store import Artifact
from benchmark.models.backbones import Backbone
from benchmark.schema import file_fingerprint
from benchmark.schema.attachments import ATTACKS_FOLDER, is_attachment, read_attachments
from benchmark.schema.attack_outcome import AttackRow
from benchmark.suites import load_suite

PLACE = "tiny@1/roast/minilm/seed-0.jsonl"
SUITE = load_suite("demo")


def attacked(number: int, outcome: str) -> AttackRow:
    flipped = outcome == "flipped"
    perturbed = f"bad \u202e text {number}" if flipped else None
    return AttackRow(
        f"home-{number}", 1, outcome, 12, f"good text {number}", perturbed, 3, 1 if flipped else 0,
        0.87654321 if flipped else None, None, (0.0, 1.0), (2.0, 1.0) if flipped else None,
    )  # fmt: skip


def cells_of_row(folder: Path, seed: int, method: str = "roast") -> list[Cell]:
    rows = [attacked(number, "flipped" if number % 2 else "budget") for number in range(60)]
    write_attack(folder / ATTACKED, rows)
    artifact = Artifact(folder, {ATTACKED: file_fingerprint(folder / ATTACKED)})
    row = Row(configure(MethodRequest.parse(method)), Backbone.__new__(Backbone), seed)
    return [Cell("train", "", None, {}, row), Cell("score", "textfooler", {}, {"table": artifact}, row)]


def test_method_and_the_first_twenty_flipped_texts_are_written_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "tiny@1"
    for place, text in attachments_of(cells_of_row(tmp_path, 0), PLACE, SUITE):
        path = tmp_path / "results" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert all(is_attachment(path, folder) for path in paths)
    found = read_attachments(tmp_path / "results", folder, paths)
    assert found.complaints == []
    assert found.methods["roast"]["paper"].startswith("Kim et al.")
    examples = found.examples["roast/minilm", "textfooler"]
    assert [example["id"] for example in examples] == [f"home-{number}" for number in range(1, 41, 2)]
    assert (examples[0]["label"], examples[0]["predicted"], examples[0]["similarity"]) == (1, 0, 0.8765)
    assert examples[0]["perturbed"] == "bad <U+202E> text 1"


def test_later_seeds_write_no_texts(tmp_path: Path) -> None:
    written = dict(attachments_of(cells_of_row(tmp_path, 1), PLACE, SUITE))
    assert list(written) == ["tiny@1/roast/method.json"]
    assert ATTACKS_FOLDER not in "".join(written)


def test_a_suite_whose_texts_name_people_shows_none(tmp_path: Path) -> None:
    assert not load_suite("topics").show_attacked_texts
    hiding = replace(SUITE, show_attacked_texts=False)
    assert list(dict(attachments_of(cells_of_row(tmp_path, 0), PLACE, hiding))) == ["tiny@1/roast/method.json"]


def test_every_method_can_be_described(tmp_path: Path) -> None:
    from benchmark.execution.method_registry import registered

    for method in [*registered(), "mvp+roast"]:
        ((_, text),) = attachments_of(cells_of_row(tmp_path, 1, method), PLACE, SUITE)
        assert '"summary":"' in text
