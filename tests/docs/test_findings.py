"""docs/findings.md is what the records say, by the script and by another computation."""

import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from benchmark.schema import SANITY_CHECKS
from leaderboard import load_results
from leaderboard.intervals import Estimate
from leaderboard.scores import Gain
from scripts.findings import PAGE, RESULTS, SHARPNESS, page, parts, verdict

HEADLINES = ("accuracy", "accuracy_under_attack", "ece", "auroc")
PERSPECTIVES = ["in-distribution", "shift", "adversarial", "calibration", "anomaly"]
NUMBER = r"[+-]?\d+\.\d+"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return parts(RESULTS)


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    """Records of the rows that are compared, with weights, values signed so that more is better."""
    frame = load_results(RESULTS)
    frame = frame[frame["value"].notna() & ~frame["method"].isin(SANITY_CHECKS)]
    frame = frame.assign(suite=frame["suite"] + "@" + frame["version"].astype(str))
    frame = frame[(frame["suite"] != "offline@2") | frame["tuned"].astype(bool)]
    weights = {}
    for path in RESULTS.glob("*/suite.json"):
        tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        weights |= {(path.parent.name, task["id"], task["perspective"]): task.get("weight", 1) for task in tasks}
    keys = zip(frame["suite"], frame["task"], frame["perspective"], strict=True)
    signs = np.where(frame["direction"] == "down", -1, 1)
    return frame.assign(weight=[weights.get(key) for key in keys], value=frame["value"] * signs)


def scores(records: pd.DataFrame, suite: str, *metrics: str) -> pd.DataFrame:
    """Weighted means: a line per method and seed, a column per perspective."""
    chosen = records[(records["suite"] == suite) & records["metric"].isin(metrics)]
    chosen = chosen[chosen["perspective"].isin(PERSPECTIVES)]
    sums = chosen.assign(value=chosen["value"] * chosen["weight"]).groupby(["method", "seed", "perspective"])
    sums = sums[["value", "weight"]].sum()
    return (sums["value"] / sums["weight"]).unstack("perspective")


def gains(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Gains over vanilla in points, a line per seed that both have."""
    return 100 * (table.loc[method] - table.loc["vanilla"]).dropna()


def cells(part: str) -> dict[tuple[str, ...], list[str]]:
    """Cells of a part's table by the names in the first one, which end in the suite if it is there."""
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    assert lines
    return {tuple(re.findall(r"`([^`]+)`", line[0])): line[1:] for line in lines}


def first_numbers(line: list[str]) -> list[float]:
    return [float(re.match(NUMBER, cell)[0]) for cell in line if re.match(NUMBER, cell)]


def test_the_page_is_current() -> None:
    document = PAGE.read_text(encoding="utf-8")
    assert document == page(document, RESULTS), "run python -m scripts.findings"


def test_a_page_needs_every_part_once() -> None:
    document = PAGE.read_text(encoding="utf-8")
    for wrong in (document.replace("generated: rift", "generated: lift"), document + document):
        with pytest.raises(ValueError, match="it needs each once: tuned-rows, roast, mvp"):
            page(wrong, RESULTS)


def test_the_remarks_hold_no_number_of_the_records() -> None:
    remarks = re.sub(r"<!-- generated.*?<!-- end -->", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"[+-]?\d+\.\d+", remarks) == []


@pytest.mark.parametrize(
    ("part", "suite"), [("tuned-rows", "offline@2"), ("decoder", "decoder@1"), ("topics", "topics@1")]
)
def test_gains_in_perspectives_are_those_of_the_records(written, records, part, suite) -> None:
    table = scores(records, suite, *HEADLINES)
    lines = cells(written[part])
    assert {name for name, _ in lines} == set(table.index.levels[0]) - {"vanilla"}
    for (name, _), line in lines.items():
        means = gains(table, name)[PERSPECTIVES].mean()
        assert first_numbers(line) == pytest.approx([*means, means.mean()], abs=0.00501)


@pytest.mark.parametrize("part", ["mvp", "rose", "rift"])
def test_gains_under_attack_are_those_of_the_records(written, records, part) -> None:
    for (name, suite), line in cells(written[part]).items():
        of_suite = records[(records["suite"] == suite) & (records["metric"] == "accuracy_under_attack")]
        of_suite = of_suite[of_suite["perspective"] == "adversarial"]
        values = of_suite.pivot_table("value", ["method", "seed"], "task")
        expected = gains(values, name)[["textfooler", "bert-attack", "pwws"]].mean()
        accuracy = gains(scores(records, suite, "accuracy"), name)["in-distribution"].mean()
        assert first_numbers(line) == pytest.approx([accuracy, *expected, expected.mean()], abs=0.00501)


def test_gains_on_the_decoder_are_those_of_the_records(written) -> None:
    frame = load_results(RESULTS)
    frame = frame[(frame["suite"] == "decoder") & (frame["backbone"] == "smollm2")]
    lines = cells(written["mvp-decoder"])
    assert ("mvp", "decoder@1") in lines
    for (name, _), line in lines.items():
        expected = []
        for task, metric in (("rotten-tomatoes", "accuracy"), ("textfooler", "accuracy_under_attack")):
            chosen = frame[(frame["task"] == task) & (frame["metric"] == metric)]
            values = chosen[chosen["perspective"] != "calibration"].pivot_table("value", ["method", "seed"])["value"]
            expected.append(gains(values, name).mean())
        assert first_numbers(line) == pytest.approx(expected, abs=0.00501)


def test_differences_in_sharpness_are_those_of_the_measurements(written) -> None:
    frame = pd.DataFrame(map(json.loads, SHARPNESS.read_text(encoding="utf-8").splitlines()))
    rises = frame.set_index(["row", "seed"])["rise"]
    shown = cells(written["optima"])
    assert {name for (name,) in shown} == set(frame["row"])
    for (name,), (seeds, rise, *change) in shown.items():
        assert (int(seeds), float(rise)) == (len(rises[name]), pytest.approx(rises[name].mean(), abs=0.000501))
        if name != "vanilla":
            own, vanilla = rises[name].align(rises["vanilla"], join="inner")
            interval = ttest_rel(own, vanilla).confidence_interval()
            expected = [(own - vanilla).mean(), interval.low, interval.high]
            assert [float(n) for n in re.findall(NUMBER, change[0])] == pytest.approx(expected, abs=0.000501)


def test_correlations_are_those_of_the_records(written, records) -> None:
    table = scores(records, "offline@1", *HEADLINES)[PERSPECTIVES].dropna()
    expected = table.groupby("method").mean().corr("spearman")
    lines = [line.strip("| ").split(" | ") for line in written["trade-offs"].splitlines() if line.startswith("|")]
    column = lines[0].index(f"{len(table.groupby('method'))} rows of `offline@1`")
    shown = {line[0]: line[column] for line in lines}
    for one, other in combinations(PERSPECTIVES, 2):
        assert first_numbers([shown[f"{one} and {other}"]]) == [pytest.approx(expected.loc[one, other], abs=0.00501)]


@pytest.mark.parametrize(("part", "suite"), [("calibrator", "offline@2"), ("topics-calibrator", "topics@1")])
def test_what_a_calibrator_leaves_is_in_the_records(written, records, part, suite) -> None:
    plain, scaled = (scores(records, suite, metric)["calibration"] for metric in ("ece", "ece_temperature"))
    for (name,), line in cells(written[part]).items():
        expected = [-100 * plain[name].mean(), -100 * scaled[name].mean()]
        assert first_numbers(line[:2]) == pytest.approx(expected, abs=0.0501)
        for metric, cell in zip((plain, scaled), line[2:], strict=True) if name != "vanilla" else ():
            interval = ttest_rel(metric[name], metric["vanilla"]).confidence_interval()
            mean = metric[name].mean() - metric["vanilla"].mean()
            shown = [float(number) for number in re.findall(NUMBER, cell)]
            assert shown == pytest.approx([100 * mean, 100 * interval.low, 100 * interval.high], abs=0.00501)


def test_tuning_gains_are_those_of_the_trials(written) -> None:
    for (name,), line in cells(written["tuning"]).items():
        path = RESULTS / "offline@2" / f"{name}@tuned" / "minilm" / "trials.jsonl"
        trials = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
        record = json.loads((path.parent / "seed-0.jsonl").read_text(encoding="utf-8").splitlines()[0])
        chosen = record["tuning"]["trial"]
        assert line[0] == f"{chosen} (of 0 to {len(trials) - 1})"
        accuracies = [100 * trials[t][part]["correct"] / 1500 for part in ("validation", "typos") for t in (0, chosen)]
        expected = [*accuracies[:2], accuracies[1] - accuracies[0], *accuracies[2:], accuracies[3] - accuracies[2]]
        assert first_numbers(line[1:]) == pytest.approx(expected, abs=0.0501)


def test_costs_are_those_of_the_records(written, records) -> None:
    for suite, text in zip(("offline@2", "offline@1"), re.findall(r"in points: (.*)", written["cost"]), strict=True):
        of_suite = records[records["suite"] == suite].drop_duplicates(["method", "seed"])
        passes = of_suite["cost"].map(lambda c: c["forward"] + 2 * c["backward"] + c["input_backward"])
        means = passes.groupby(of_suite["method"]).mean() / passes[of_suite["method"] == "vanilla"].mean()
        overall = scores(records, suite, *HEADLINES)
        rows = re.findall(rf"`([^`]+)` ({NUMBER}) \(({NUMBER})\)", text)
        assert len(rows) == text.count("`") // 2
        for name, price, gain in rows:
            assert float(price) == pytest.approx(means[name], abs=0.00501)
            assert float(gain) == pytest.approx(gains(overall, name).mean().mean(), abs=0.00501)


def test_a_star_is_corrected_over_its_line() -> None:
    """p of 0.02 and 0.03 pass alone; of two columns, 2 x 0.02 passes and then 0.03, of three 3 x 0.02 does not."""

    def gain(value: float, p: float) -> Gain:
        return Gain(Estimate(value), 0.0, 0.0, 1.0, p, p, significant=True, equivalent=False)

    two = {"Shift": gain(0.02, 0.02), "Anomaly": gain(-0.03, 0.03)}
    assert verdict(two) == "significantly better in shift (+2.00) and significantly worse in anomaly (-3.00)"
    three = two | {"Calibration": gain(0.0, 0.9)}
    assert verdict(three) == "not significantly different from vanilla in any column"
