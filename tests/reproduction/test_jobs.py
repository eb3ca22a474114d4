"""Jobs of a table: cut suites under names of their own, learning rates of a paper, gaps, passes, a timed step."""

import math
from pathlib import Path

import pytest

from benchmark.execution.local import run_rows
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import materialise
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.reproduction import load_reproduction
from benchmark.reproduction.cost_estimate import effort, relative_cost, seconds_a_pass
from benchmark.reproduction.jobs import Job, cut, forget_other_state, plan, with_rate, without_attacks
from benchmark.schema import UsageError
from benchmark.suites import load_suite


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


def planned(backbone: Backbone | str, name: str = "tiny-bert0", seeds: int = 1, limit: int | None = None) -> list[Job]:
    return plan(load_reproduction("tiny-table"), backbone, name, seeds, limit)


def test_subset_has_limited_examples_and_its_own_name(packaged: Path) -> None:
    small = cut(load_suite("tiny"), 20)
    work = materialise(small.suite)
    assert (small.suite.name, small.suite.ranked, small.notes) == ("tiny-limit-20", False, ())
    assert len(work.splits.train) == 20
    assert {name: len(data) for name, data in work.tasks.items()} == {"home": 16, "away": 20, "foreign": 20}
    assert len(work.attacked["textfooler"]) == 8
    assert cut(load_suite("tiny"), None).suite == load_suite("tiny")


def test_attacked_subset_shrinks_with_its_task(packaged: Path) -> None:
    small = cut(load_suite("tiny"), 8).suite
    assert [attack.subset for attack in small.attacks] == [4]


def test_incomplete_data_set_is_used_with_a_note(mirrored: Path) -> None:
    small = cut(load_suite("tiny"), 20)
    assert small.notes == ("hub: 30 rows of owner/set test are here, but the suite declares 100.",)
    assert len(materialise(small.suite).tasks["hub"]) == 20
    assert "hub" in materialise(load_suite("tiny")).missing


def test_missing_data_set_stays_unavailable(mirrored: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror/owner/set/test-00000-of-00001.parquet").unlink()
    small = cut(load_suite("tiny"), 20)
    assert "hf download" in materialise(small.suite).missing["hub"].reason


def test_modified_suite_has_another_name(packaged: Path) -> None:
    suite = load_suite("tiny")
    assert with_rate(suite, 2e-5).name == "tiny-lr-2e-05"
    assert with_rate(suite, 0.0005).name == "tiny-lr-0-0005"
    assert with_rate(suite, suite.recipe.learning_rate) is with_rate(suite, None) is suite
    assert without_attacks(suite, {"home"}).name == "tiny-without-textfooler"
    assert without_attacks(suite, {"textfooler"}) is suite


def test_plan_has_each_row_per_seed_and_shown_attacks_only(packaged: Path, backbone: Backbone) -> None:
    (job,) = planned(backbone, seeds=2)
    labels = [row.label for row in job.all_rows()]
    assert labels == [f"{name}, seed {s}" for s in (0, 1) for name in ("vanilla", "roast (alpha=0.9,beta=10.0)")]
    assert (job.suite.name, job.suite.attacks) == ("tiny-without-textfooler", ())


def test_case_changes_only_its_backbone(packaged: Path, backbone: Backbone) -> None:
    vanilla, roast = planned(backbone, "tuned")
    assert (list(vanilla.methods), list(roast.methods)) == (["Vanilla"], ["RoAST"])
    assert roast.suite.name == "tiny-without-textfooler-lr-0-002"
    assert roast.work is not None
    assert roast.work.suite.recipe.learning_rate == 2e-3
    assert roast.methods["RoAST"].configuration == ""


def test_missing_backbone_or_data_is_the_reason(packaged: Path, backbone: Backbone) -> None:
    (job,) = planned("it is not here", "tiny-bert0")
    assert (job.work, job.reason, job.all_rows()) == (None, "it is not here", [])
    (packaged / "train.jsonl").unlink()
    (job,) = planned(backbone)
    assert job.work is None
    assert "Data file not found: " in job.reason


def test_effort_counts_remaining_passes(packaged: Path, backbone: Backbone, tmp_path: Path) -> None:
    (job,) = planned(backbone)
    store = Store(tmp_path / "store")
    assert job.work is not None
    train, validation, tasks = 60, 16, 16 + 24 + 20
    vanilla = effort(job.rows("Vanilla"), job.work, store)
    assert (vanilla.done, vanilla.todo, vanilla.attacked) == (0, 8, 0)
    assert vanilla.passes == 2 * 3 * train + 2 * validation + validation + tasks
    roast = effort(job.rows("RoAST"), job.work, store)
    assert roast.passes - vanilla.passes == pytest.approx((2 * 7 + 3 - 2 * 3) * train)
    run_rows(job.rows("Vanilla"), job.work, store, tmp_path / "results", Quiet())
    done = effort(job.rows("Vanilla"), job.work, Store(tmp_path / "store"))
    assert (done.done, done.todo, done.passes) == (8, 0, 0)


def test_costs_of_methods_and_compositions() -> None:
    assert relative_cost("vanilla") == (1.0, 0.0)
    assert relative_cost("roast") == pytest.approx((7 / 3, 1.0))
    assert relative_cost("sam+child_tuning") == pytest.approx((2.0, 1.0))


def test_step_is_timed_in_the_training_loop(packaged: Path, backbone: Backbone) -> None:
    (job,) = planned(backbone)
    assert job.work is not None
    second = seconds_a_pass(job.work, backbone)
    assert math.isfinite(second)
    assert 0 < second < 1


def test_records_of_changed_data_are_removed(packaged: Path, backbone: Backbone, tmp_path: Path) -> None:
    (job,) = planned(backbone, limit=20)
    assert job.work is not None
    results = tmp_path / "results"
    assert not forget_other_state(results, job.work)
    run_rows(job.rows("Vanilla"), job.work, Store(tmp_path / "store"), results, Quiet())
    assert not forget_other_state(results, job.work)
    away = packaged / "away.jsonl"
    away.write_text("".join(away.read_text().splitlines(keepends=True)[:12]))
    (other,) = planned(backbone, limit=20)
    assert other.work is not None
    assert forget_other_state(results, other.work)
    assert list(results.iterdir()) == []


def test_short_backbone_is_refused_before_the_run(packaged: Path, backbone: Backbone) -> None:
    suite = packaged / "tiny.toml"
    suite.write_text(suite.read_text().replace("max_length = 16", "max_length = 100"))
    with pytest.raises(UsageError, match="reads at most 64 tokens and the suite asks for max_length 100"):
        planned(backbone)
