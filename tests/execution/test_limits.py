"""Values that a record cannot hold are refused before any work, or cut; no row overwrites another's records."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.evaluation.metrics import Measurement
from benchmark.evaluation.parquet import write_attack
from benchmark.execution import local
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import ATTACKED, Cell, Row, train_spec
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import ConfiguredMethod
from benchmark.execution.plugins import require_usable_name
from benchmark.execution.records import (
    _record,
    attachments_of,
    failed_records,
    file_of,
    method_card,
    require_recordable,
    write_records,
)
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.schema import IntegrityError, UsageError, attack_example_line, excerpt, read_records, validate_record
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.record import LONGEST_SENTENCE
from benchmark.suites import load_suite
from methods.vanilla import Vanilla
from tests.support.rows import Notes
from tests.support.tiny_suite import write_tiny_suite

SOURCE = "sha256:" + "0" * 64


@pytest.fixture()
def work(tmp_path: Path, tiny_backbone: Path) -> Workload:
    (tmp_path / "suite").mkdir()
    return materialise(load_suite(str(write_tiny_suite(tmp_path / "suite", tiny_backbone))))


def row(work: Workload, cls: type[Vanilla] = Vanilla, configuration: str = "", **hyperparameters: object) -> Row:
    method = ConfiguredMethod.of(cls, hyperparameters, configuration, SOURCE)  # type: ignore[arg-type]
    return Row(method, resolve_backbone(work.suite.backbone), 0)


def called(**attributes: object) -> type[Vanilla]:
    return type("Called", (Vanilla,), attributes)


def counting() -> type[Vanilla]:
    @dataclass(kw_only=True, eq=False)
    class Counting(Vanilla):
        name: ClassVar[str] = "counting"
        count: int = 1

    return Counting


def long_backbone(work: Workload) -> Row:
    plain = row(work)
    return replace(plain, backbone=replace(plain.backbone, name="b" * 81))


PRODUCERS: list[tuple[Callable[[Workload], Row], str]] = [
    (lambda work: row(work, called(name="n" * 81)), "the method's name has 81 characters; shorten it to at most 80."),
    (lambda work: row(work, called(version="v" * 81)), "the method's version has 81 characters; shorten it"),
    (lambda work: row(work, called(version=2)), "the method's version is the number 2; write a version."),
    (
        lambda work: row(work, configuration="note=" + "p" * 156),
        "the method's configuration has 161 characters; shorten it to at most 160. Make the values the defaults",
    ),
    (lambda work: row(work, configuration="note=a\nb"), "the method's configuration is the text 'note=a\\nb'; write"),
    (
        lambda work: row(work, note="p" * 20_001),
        "the method's hyper-parameter note has 20001 characters; shorten it to at most 20000. Give it another value.",
    ),
    (lambda work: row(work, note="\udcff"), "hyper-parameter note holds the unprintable character U+DCFF"),
    (lambda work: row(work, counting(), count=2**53 + 1), "hyper-parameter count is an integer beyond"),
    (long_backbone, "the backbone's name has 81 characters; shorten it to at most 80. Call it by a name of your own: "),
    (
        lambda work: replace(row(work), backbone=replace(row(work).backbone, source="folder:" + "x" * 394)),
        "the backbone's source has 401 characters; shorten it to at most 400.",
    ),
    (
        lambda work: replace(row(work), seed=2**53 + 1),
        "in its records the seed is an integer beyond 9007199254740992; write a smaller number.",
    ),
    (lambda work: replace(row(work), protocol=("o" * 81,)), "the protocol's 0 has 81 characters; shorten it"),
]


@pytest.mark.parametrize(("make", "sentence"), PRODUCERS, ids=[sentence[:30] for _, sentence in PRODUCERS])
def test_one_character_more_than_a_record_holds_is_refused_before_any_work(
    make: Callable[[Workload], Row], sentence: str, work: Workload, tmp_path: Path
) -> None:
    store = Store(tmp_path / "out/store")
    with pytest.raises(UsageError) as caught:
        run_rows([row(work), make(work)], work, store, tmp_path / "out/results", Notes())
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_name_of_eighty_characters_is_the_longest() -> None:
    require_usable_name("n" * 80, "It")
    for name in ("n" * 81, 3):
        with pytest.raises(UsageError, match="at most 80"):
            require_usable_name(name, "It")  # type: ignore[arg-type]


def test_a_reason_is_cut_where_it_is_made(work: Workload) -> None:
    assert excerpt("x" * 4_000, 4_000) == "x" * 4_000
    assert excerpt("x" * 4_001, 4_000) == "x" * 3_960 + "… (41 more characters)"
    assert len(excerpt("x" * 10**7, 4_000)) < 4_000
    card = suite_card(work)
    for record in failed_records(row(work), card, "x" * 4_001 + "\x00"):
        assert validate_record(record) == []
        assert record["reason"].endswith("… (42 more characters)")
    base = failed_records(row(work), card, "x")[0]
    record = _record(base, card["tasks"][0], "accuracy", Measurement(None, None, "y" * (LONGEST_SENTENCE + 1)))
    assert validate_record(record) == []


@dataclass(kw_only=True, eq=False)
class Noisy(Vanilla):
    """Raise with a long text."""

    name: ClassVar[str] = "noisy"

    def loss(self, model, batch, ctx):
        raise UsageError("x" * 30_000)


class BadReads(Vanilla):
    name: ClassVar[str] = "bad-reads"

    def reads(self, backbone):
        return {"lexicon": 3}


def test_a_long_reason_fails_its_row_and_stops_no_other(work: Workload, tmp_path: Path) -> None:
    rows = [row(work, Noisy), row(work, BadReads), row(work)]
    report = run_rows(rows, work, Store(tmp_path / "store"), tmp_path / "results", Notes())
    noisy, reads = report.failures
    assert noisy.startswith("noisy, seed 0: train: Method 'noisy', backward: xxx")
    assert reads.startswith("bad-reads, seed 0: Method 'bad-reads', reads: returned a value of type dict; return a")
    statuses = [{record["status"] for record in read_records(path)} for path in report.files]
    assert statuses == [{"failed"}, {"failed"}, {"ok"}]
    assert read_records(report.files[0])[0]["reason"] == noisy


def attacked(text: str, perturbed: str, name: str = "home-1", similarity: float = 0.9) -> AttackRow:
    return AttackRow(name, 1, "flipped", 3, text, perturbed, 3, 1, similarity, None, (0.0, 1.0), (2.0, 1.0))


def test_attachments_are_cut_and_never_stop_a_row(work: Workload, tmp_path: Path) -> None:
    place = "tiny@1/vanilla/tiny/seed-0.jsonl"
    long = "a" * 20_001
    rows = [attacked(long, "b" + long, "n" * 401), attacked("good", "bad", similarity=float("nan"))]
    write_attack(tmp_path / ATTACKED, rows)
    cls = called(name="called", paper="p" * 401, __doc__="d" * 4_001)
    cells = [
        Cell("train", "", None, {}, row(work, cls)),
        Cell("score", "textfooler", {}, {"table": Artifact(tmp_path, {ATTACKED: SOURCE})}, row(work, cls)),
    ]
    (_, card), (_, examples) = attachments_of(cells, place, work.suite)
    assert json.loads(card)["summary"].endswith("… (41 more characters)")
    assert json.loads(card)["paper"].endswith("… (41 more characters)")
    first, second = map(json.loads, examples.splitlines())
    assert first["original"] == "a" * 19_960 + "… (41 more characters)"
    assert first["perturbed"] == "b" + "a" * 19_959 + "… (42 more characters)"
    assert first["id"].endswith("… (41 more characters)")
    assert second["similarity"] is None
    assert method_card(place, "called", "Say it.", None)[1].count('"paper":"None"') == 1  # type: ignore[arg-type]


def test_an_attachment_that_cannot_be_written_is_left_out_with_a_note(
    work: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        attack_example_line({})

    monkeypatch.setattr(local, "attachments_of", refused)
    observer = Notes()
    report = run_rows([row(work)], work, Store(tmp_path / "store"), tmp_path / "results", observer)
    (note,) = observer.notes
    assert note.startswith("The attacked texts and the method's description next to tiny@1/vanilla/tiny-bert0/seed-0.")
    assert {record["status"] for record in read_records(report.files[0])} == {"ok"}


def test_a_folder_has_a_name_that_records_hold_and_content_that_keys_hold(work: Workload, tmp_path: Path) -> None:
    plain = row(work)
    long, other = (tmp_path / (letter * 81) for letter in "ab")
    for folder in (long, other, tmp_path / "a=b"):
        shutil.copytree(plain.backbone.path, folder)
    found = [resolve_backbone(str(folder)) for folder in (long, other)]
    assert [len(one.name) for one in found] == [80, 80]
    assert found[0].name != found[1].name
    mine = resolve_backbone(f"mine={long}")
    assert (mine.name, mine.source) == ("mine", found[0].source)
    assert resolve_backbone(str(tmp_path / "a=b")).name == "a-b"
    for backbone in (*found, mine):
        assert train_spec(replace(plain, backbone=backbone), work) == train_spec(plain, work)
        assert resolve_backbone(backbone.reference()).revision == plain.backbone.revision
    with pytest.raises(UsageError, match=r"the name before = has 81 characters; shorten it to at most 80\."):
        resolve_backbone(f"{'n' * 81}={long}")


def test_packaged_and_hub_backbones_keep_their_keys_under_any_name() -> None:
    for source, name in (("artifact:minilm", "minilm"), ("hub:owner/deep-net", "deep-net"), ("hub:gpt2", "gpt2")):
        backbone = Backbone(name, source, "0" * 40, Path())
        assert backbone.content() == backbone.identity() == replace(backbone, name="other").content()


def recorded(one: Row, work: Workload, results: Path) -> Path:
    return write_records(results, failed_records(one, suite_card(work), "Not run."))


def test_another_backbone_of_one_name_is_refused_and_an_alias_is_the_way_out(work: Workload, tmp_path: Path) -> None:
    card, mine = suite_card(work), row(work)
    path = recorded(mine, work, tmp_path)
    require_recordable([mine], card, tmp_path)
    other = replace(mine, backbone=replace(mine.backbone, revision="sha256:" + "1" * 64))
    sentence = r"holds records of another backbone called tiny-bert0, .* --backbone NAME=/.*tiny-bert0, or give"
    for theirs in (other, replace(other, seed=1), replace(other, method=row(work, Noisy).method)):
        with pytest.raises(UsageError, match=sentence):
            require_recordable([theirs], card, tmp_path)
        with pytest.raises(UsageError, match=sentence):
            run_rows([theirs], work, Store(tmp_path / "store"), tmp_path, Notes())
    named = replace(other, backbone=replace(other.backbone, name="mine"))
    require_recordable([named], card, tmp_path)
    assert file_of(named, card) != file_of(mine, card)
    path.write_text("not a record\n")
    require_recordable([other], card, tmp_path)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("hub:owner1/x", "0" * 40), ("hub:owner2/x", "1" * 40)),
        (("hub:owner/x", "0" * 40), ("hub:owner/x", "1" * 40)),
    ],
)
def test_hub_models_of_one_name_are_told_apart(
    one: tuple[str, str], two: tuple[str, str], work: Workload, tmp_path: Path
) -> None:
    card = suite_card(work)
    first, second = (replace(row(work), backbone=Backbone("x", *parts, Path())) for parts in (one, two))
    recorded(first, work, tmp_path)
    with pytest.raises(UsageError, match=f"--backbone NAME={two[0]}@{two[1]}, or give another --out"):
        require_recordable([second], card, tmp_path)
    with pytest.raises(UsageError, match=r"would be written to one file, tiny@1/vanilla/x/seed-0.jsonl"):
        require_recordable([first, second], card, tmp_path / "empty")


def test_settings_of_one_spelling_have_their_own_files(work: Workload, tmp_path: Path) -> None:
    card = suite_card(work)
    rows = [row(work, configuration=f"note={note}") for note in ("é", "è", "-", " ")]
    require_recordable(rows, card, tmp_path)
    assert len({file_of(one, card) for one in rows}) == 4
    for case in ("note=a", "note=A"):
        rows.append(row(work, configuration=case))
    with pytest.raises(UsageError, match="would be written to one file"):
        require_recordable(rows, card, tmp_path)
    moved = tmp_path / file_of(rows[0], card)
    recorded(rows[1], work, tmp_path).parent.rename(tmp_path / "kept")
    moved.parent.parent.mkdir(parents=True)
    (tmp_path / "kept").rename(moved.parent)
    with pytest.raises(UsageError, match=r"holds vanilla \(note=è\) and not vanilla \(note=é\), seed 0; move it away"):
        require_recordable(rows[:1], card, tmp_path)


def test_a_row_is_written_again_over_itself(work: Workload, tmp_path: Path) -> None:
    mine = row(work)
    recorded(mine, work, tmp_path)
    require_recordable(
        [replace(mine, method=replace(mine.method, source="sha256:" + "9" * 64))], suite_card(work), tmp_path
    )


def test_an_attack_example_beyond_its_limits_is_still_refused_where_it_is_read() -> None:
    with pytest.raises(IntegrityError, match="/original: has 20001 characters"):
        attack_example_line({"original": "a" * 20_001})


@pytest.mark.parametrize(
    "edit", [('title = "Tiny"', f'title = "{"t" * 201}"'), ('note = "For tests."', f'note = "{"t" * 20_001}"')]
)
def test_a_suite_that_its_card_cannot_hold_stops_before_any_work(
    edit: tuple[str, str], work: Workload, tmp_path: Path
) -> None:
    work.suite.path.write_text(work.suite.path.read_text().replace(*edit, 1))
    longer = materialise(load_suite(str(work.suite.path)))
    with pytest.raises(IntegrityError, match=r"suite card /(title|note): has \d+ characters; shorten it"):
        run_rows([row(longer)], longer, Store(tmp_path / "out/store"), tmp_path / "out/results", Notes())
    assert not list((tmp_path / "out").rglob("*.json*"))
