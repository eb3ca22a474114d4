"""Write the generated parts of docs/findings.md from the committed records: `python -m scripts.findings`.

A part lies between ``<!-- generated: NAME -->`` and ``<!-- end -->``; everything else is written by hand. Run it again
when rows are added.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau, spearmanr

from benchmark.schema.trial import selected
from benchmark.suites import load_suite
from leaderboard import definitions
from leaderboard.figures import decimal
from leaderboard.intervals import detectable_difference, holm, mean, over_seeds
from leaderboard.ranking import LEVEL, ORDERED, RANKED, SANITY, RankedRow, at_chance, ranking
from leaderboard.results import MEASURED, SectionResults, read_sections
from leaderboard.scores import Gain, SectionScores
from scripts.methods_page import BACKBONE, SUITE, escaped, table

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "findings.md", ROOT / "leaderboard" / "results"
SHARPNESS = ROOT / "docs" / "sharpness.jsonl"
"""Written by `python -m scripts.measure_sharpness`."""

DECODER = "decoder", "smollm2"
"""Suite and backbone of the rows on a backbone with a language-model head."""

SECOND_TASK = "topics"
"""Suite of the rows on another task; on the same backbone as the ranked suite."""

CLAIMED = 0.08
"""Gain of MVP in accuracy under attack, as its abstract states it."""

ALL_ATTACKS = "mean of the attacks"

_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_FEWEST_ROWS = 8
"""Fewest rows that are correlated; p-values of fewer are too small."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The ranked table of one version of the suite: its scores, and its measured rows in their order.

    `attacks` has the scores of each attack alone, by title, and of `ALL_ATTACKS`, as the perspective "adversarial".
    """

    section: SectionResults
    scores: SectionScores
    rows: Sequence[RankedRow]
    attacks: Mapping[str, SectionScores]

    @property
    def suite(self) -> str:
        """Name and version as shown."""
        return f"`{self.section.suite}`"

    @property
    def others(self) -> list[RankedRow]:
        """The rows that are compared with vanilla."""
        return [row for row in self.rows if row.scores.tests]

    @property
    def ranked(self) -> list[RankedRow]:
        """The rows that have a rank."""
        return [row for row in self.rows if row.group == RANKED]

    def row(self, name: str) -> RankedRow | None:
        """Look up a measured row with its default configuration."""
        return next((row for row in self.others if row.scores.row.full_name == name), None)


def evidence(results: Path, suite: str = SUITE, backbone: str = BACKBONE) -> list[Evidence]:
    """Read the tables of a suite on a backbone, the newest version first; of a ranked suite, the ranked ones."""
    read, ranked = [], load_suite(suite).ranked
    for section in read_sections(results)[1]:
        if (section.card["name"], section.backbone) == (suite, backbone) and section.card["ranked"] == ranked:
            scores = SectionScores(section)
            rows = [row for row in ranking(scores) if row.group != SANITY and row.scores.row.kind == MEASURED]
            measured = [row for row in rows if row.scores.shared]
            read.append(Evidence(section, scores, measured, dict(attack_scores(section))))
    return read


def attack_scores(section: SectionResults) -> Iterator[tuple[str, SectionScores]]:
    """Yield the scores of a card that has a single attack and, if there are several, of one that has all of them."""
    entries = [entry for entry in section.entries() if entry["headline"] == "accuracy_under_attack"]
    together = [(ALL_ATTACKS, entries)] if len(entries) > 1 else []
    for title, tasks in [*((entry["title"], [entry]) for entry in entries), *together]:
        yield title, SectionScores(replace(section, card={**section.card, "tasks": tasks}))


def page(document: str, results: Path) -> str:
    """Replace every generated part of a document.

    Raises:
        ValueError: The document lacks a part, or has one that is not known.
    """
    known = parts(results)
    names = [name for _, name, _ in _PART.findall(document)]
    if sorted(names) != sorted(known):
        raise ValueError(f"{PAGE.name} has the parts {', '.join(names)}; it needs each once: {', '.join(known)}.")
    return _PART.sub(lambda match: f"{match[1]}\n{known[match[2]]}\n\n{match[3]}", document)


def parts(results: Path) -> dict[str, str]:
    """Write the generated parts by name; the first sentence of each is the answer of its section."""
    read, decoder, topics = evidence(results), evidence(results, *DECODER), evidence(results, SECOND_TASK)
    written = {
        "tuned-rows": against_vanilla(read[0], "a tuned row"),
        "roast": roast(read),
        "mvp": mvp(read),
        "mvp-decoder": mvp(decoder),
        "rose": rose(read),
        "rift": rift(read),
        "optima": optima(),
        "trade-offs": trade_offs(read),
        "tuning": tuning(read),
        "calibrator": calibrator(read),
        "cost": cost(read),
        "decoder": against_vanilla(decoder[0], f"a row in `{DECODER[0]}`"),
        "topics": against_vanilla(topics[0], f"a row in `{SECOND_TASK}`"),
        "topics-calibrator": calibrator(topics),
    }
    return {name: "\n\n".join(filter(None, paragraphs)) for name, paragraphs in written.items()}


# Gains over vanilla


Line = tuple[str, Mapping[str, Gain], int]
"""Label of a row, its tests by column, and the number of seeds."""


def perspectives_line(of: Evidence, row: RankedRow) -> Line:
    """Return the gains of a row in every perspective and in Overall."""
    titles = {name: definitions.PERSPECTIVES[name][0] for name in of.scores.perspectives} | {"overall": "Overall"}
    return label(of, row), {title: row.scores.tests[name] for name, title in titles.items()}, len(row.scores.shared)


def attacks_line(of: Evidence, row: RankedRow) -> Line:
    """Return the gains of a row in distribution, under each attack and in the mean of the attacks."""
    gains = {"In-distribution": row.scores.tests["in-distribution"]}
    for title, scores in of.attacks.items():
        gains[title] = scores.row_scores(row.scores.row).tests["adversarial"]
    return label(of, row), gains, len(row.scores.shared)


def label(of: Evidence, row: RankedRow) -> str:
    """Name a row, its suite and why it is not ranked."""
    if row.group in (RANKED, ORDERED):
        return f"{code(row)}, {of.suite}"
    return f"{code(row)}, {of.suite}, {'at chance' if at_chance(of.scores, row.scores.row) else 'not ranked'}"


def code(row: RankedRow) -> str:
    """Write the name of a row as code; settings may have any character, so they are plain text."""
    settings = row.scores.row.settings
    return f"`{row.scores.row.name}`" + (f" ({escaped(settings)})" if settings else "")


def starred(gains: Mapping[str, Gain]) -> set[str]:
    """Return the columns whose gain is significant after Holm's correction over the columns, for any draws."""
    bounds = holm(gain.p_bound for gain in gains.values())
    return {title for title, bound in zip(gains, bounds, strict=True) if bound < LEVEL}


def gains_table(lines: Sequence[Line]) -> str:
    """Write gains with intervals and stars, each line followed by its smallest detectable differences."""
    if not lines:
        return ""
    rows = []
    for name, gains, seeds in lines:
        stars = starred(gains)
        rows.append([name, *(interval(gain) + "★" * (title in stars) for title, gain in gains.items())])
        smallest = (detectable_difference(gain.between / seeds + gain.within, seeds) for gain in gains.values())
        rows.append(["*detectable*", *(decimal(100 * least, 1) for least in smallest)])
    return table(("points", *lines[0][1]), rows)


def interval(gain: Gain) -> str:
    """Write a gain with its 95 % interval, in points."""
    low, high = gain.estimate.low, gain.estimate.high
    ends = "" if low is None or high is None else f" [{points(low)}, {points(high)}]"
    return f"{points(value(gain))}{ends}"


def value(gain: Gain) -> float:
    """Return a gain as a fraction."""
    return gain.estimate.value or 0.0


def points(fraction: float | None) -> str:
    """Write a difference in points with its sign."""
    return "-" if fraction is None else decimal(100 * fraction, 2, signed=True)


def verdict(gains: Mapping[str, Gain]) -> str:
    """Say in which columns a row is significantly better and worse than vanilla."""
    stars = starred(gains)
    columns = {
        word: [title for title, gain in gains.items() if title in stars and (value(gain) > 0) == (word == "better")]
        for word in ("better", "worse")
    }
    phrases = [
        f"significantly {word} in " + " and ".join(f"{named(t)} ({points(value(gains[t]))})" for t in titles)
        for word, titles in columns.items()
        if titles
    ]
    return " and ".join(phrases) or "not significantly different from vanilla in any column"


def named(title: str) -> str:
    """Name a column in a sentence."""
    known = {"In-distribution": "in-distribution accuracy", "Adversarial": "the adversarial perspective"}
    return known.get(title) or {"Shift": "shift", "Calibration": "calibration", "Anomaly": "anomaly"}.get(title, title)


def of_methods(read: Sequence[Evidence], *names: str) -> list[tuple[Evidence, RankedRow]]:
    """List the measured rows of methods, each from the newest suite that has one."""
    rows = {}
    for of, name in product(read, names):
        if name not in rows and (row := of.row(name)) is not None:
            rows[name] = (of, row)
    return [rows[name] for name in names if name in rows]


def missing(read: Sequence[Evidence], *names: str) -> str:
    """Say which methods have no measured row in any suite; empty if all have one."""
    absent = [f"`{name}`" for name in names if not of_methods(read, name)]
    return f"There is no measured row of {' or '.join(absent)}." if absent else ""


def summary(rows: Sequence[tuple[Evidence, RankedRow]], line: Callable[[Evidence, RankedRow], Line]) -> str:
    """Write a sentence on each row."""
    return "; ".join(f"in {of.suite}, {code(row)} is {verdict(line(of, row)[1])}" for of, row in rows)


def against_vanilla(of: Evidence, which: str) -> Iterator[str]:
    """Compare every row of a suite with vanilla."""
    lines = [perspectives_line(of, row) for row in of.others]
    stars = [(code(row), starred(line[1])) for row, line in zip(of.others, lines, strict=True)]
    differing = ", ".join(name for name, of_row in stars if of_row - {"Overall"}) or "none"
    overall = ", ".join(name for name, of_row in stars if "Overall" in of_row) or "none"
    yield (
        f"Of the {len(lines)} methods with {which}, these differ significantly from vanilla in a perspective, "
        f"after Holm's correction over the gains of one row: {differing}; and in Overall: {overall}."
    )
    yield gains_table(lines)


def roast(read: Sequence[Evidence]) -> Iterator[str]:
    """RoAST: all perspectives."""
    rows = of_methods(read, "roast")
    _, gains, _ = perspectives_line(*rows[0])
    all_better = all(title in starred(gains) and value(gains[title]) > 0 for title in gains if title != "Overall")
    yield f"{'Yes' if all_better else 'No'}: {summary(rows, perspectives_line)}. Its gains are in the table above."


def mvp(read: Sequence[Evidence]) -> Iterator[str]:
    """MVP: accuracy under attack, and more of it with adversarial training."""
    rows = of_methods(read, "mvp", "mvp+adv_embed", "mvp+roast")
    lines = [attacks_line(*one) for one in rows]
    (of, row), (_, gains, _) = rows[0], lines[0]
    attacks, gain = list(gains.items())[-1]
    supported, inside = attacks in starred(gains) and value(gain) > 0, contains(gain, CLAIMED)
    where = f"{'the ' if attacks == ALL_ATTACKS else ''}{attacks} of {of.suite}"
    answer = "Yes" if supported else "Undecided" if inside else "No"
    yield (
        f"{answer}: `mvp` gains {interval(gain)} points over vanilla in {where}, and "
        f"the claimed {100 * CLAIMED:+.0f} lies {'inside' if inside else 'outside'} this interval. "
        f"In Overall it gains {interval(row.scores.tests['overall'])}. "
        f"{missing(read, 'mvp+adv_embed')}"
    )
    yield gains_table(lines)


def contains(gain: Gain, value: float) -> bool:
    """Return whether a value lies in the interval of a gain."""
    low, high = gain.estimate.low, gain.estimate.high
    return low is not None and high is not None and low <= value <= high


def rose(read: Sequence[Evidence]) -> Iterator[str]:
    """ROSE: the two selections and their ensemble."""
    names = ("rose-first", "rose-second", "rose-ensemble")
    rows = of_methods(read, *names)
    sentence = summary(rows, attacks_line)
    yield f"{sentence[:1].upper()}{sentence[1:]}. {missing(read, *names)}".strip()
    yield gains_table([attacks_line(*one) for one in rows])


def rift(read: Sequence[Evidence]) -> Iterator[str]:
    """RIFT: Genetic and PWWS."""
    rows = of_methods(read, "rift")
    of, row = rows[0]
    _, gains, _ = attacks_line(of, row)
    genetic = [of for of in read if "genetic" in {entry["id"] for entry in of.section.entries()}]
    yield (
        f"Under PWWS `rift` gains {interval(gains['PWWS'])} points over vanilla ({of.suite}), "
        f"{'' if 'PWWS' in starred(gains) else 'not '}significantly"
        + ("." if genetic else "; no suite on the leaderboard attacks with Genetic.")
    )
    yield gains_table([attacks_line(*one) for one in rows])


# Optima


def trained_keys() -> dict[str, tuple[str, int]]:
    """Return the method and the seed of each trained model behind a tuned row of the suite, by its key."""
    suite, keys = load_suite(SUITE), {}
    for path in sorted(RESULTS.glob(f"{SUITE}@{suite.version}/*@tuned/{BACKBONE}/seed-*.jsonl")):
        with path.open(encoding="utf-8") as file:
            record = json.loads(file.readline())
        keys[record["keys"]["train"]] = (path.parts[-3].removesuffix("@tuned"), record["seed"])
    return keys


def sharpness_lines() -> list[dict[str, Any]]:
    """Return the measurements of `python -m scripts.measure_sharpness`."""
    return [json.loads(line) for line in SHARPNESS.read_text(encoding="utf-8").splitlines()]


def optima() -> Iterator[str]:
    """Compare the sharpness of optima with vanilla's, over the same seeds."""
    rises: dict[str, dict[int, float]] = {}
    for line in sharpness_lines():
        rises.setdefault(line["row"], {})[line["seed"]] = line["rise"]
    vanilla = rises["vanilla"]
    rows: list[Sequence[str]] = []
    flatter, sharper = [], []
    for method, own in sorted(rises.items(), key=lambda item: mean(list(item[1].values()))):
        change = over_seeds([(seed, own[seed] - vanilla[seed]) for seed in sorted(own.keys() & vanilla.keys())])
        cells = [f"`{method}`", str(len(own)), decimal(mean(list(own.values())), 3)]
        if method == "vanilla" or change.low is None or change.high is None:
            rows.append([*cells, ""])
            continue
        ends = [decimal(value or 0.0, 3, signed=True) for value in (change.value, change.low, change.high)]
        rows.append([*cells, "{} [{}, {}]".format(*ends)])
        flatter += [f"`{method}`"] * (change.high < 0)
        sharper += [f"`{method}`"] * (change.low > 0)
    yield (
        f"Methods whose interval of the difference from vanilla excludes 0, flatter: {', '.join(flatter) or 'none'}; "
        f"sharper: {', '.join(sharper) or 'none'}. The intervals are not corrected for the number of methods."
    )
    yield table(("row", "seeds", "rise of the loss", "difference from vanilla"), rows)


# Trade-offs


def signed_scores(of: Evidence, row: RankedRow) -> dict[str, list[float]]:
    """Return the scores of a row by perspective, one per seed shared with vanilla, signed so that more is better."""
    scores = {}
    for name, items in of.scores.perspectives.items():
        by_seed = dict(of.scores.points(row.scores.row, *items))
        scores[name] = [of.scores.signs[name] * by_seed[seed] for seed in row.scores.shared]
    return scores


Pair = tuple[str, str]
"""Two perspectives."""


def between_rows(of: Evidence, rows: Sequence[RankedRow]) -> tuple[dict[Pair, float], set[Pair]]:
    """Correlate the mean scores of rows, vanilla included, by rank (Spearman).

    Returns:
        The correlations, and the pairs for which they are significant after Holm's correction over the pairs.
    """
    means = {name: [mean(signed_scores(of, row)[name]) for row in rows] for name in of.scores.perspectives}
    results = {pair: spearmanr(means[pair[0]], means[pair[1]]) for pair in combinations(means, 2)}
    corrected = holm(float(result.pvalue) for result in results.values())
    stars = {pair for pair, p in zip(results, corrected, strict=True) if p < LEVEL}
    return {pair: float(result.statistic) for pair, result in results.items()}, stars


def within_rows(of: Evidence, rows: Sequence[RankedRow]) -> dict[Pair, float]:
    """Correlate the scores over seeds after subtracting each row's mean (Pearson).

    Rows share seeds and therefore their luck, so there is no p-value.
    """
    scores = [signed_scores(of, row) for row in rows]
    centred = {name: [x - mean(one[name]) for one in scores for x in one[name]] for name in scores[0]}
    correlations = {}
    for one, other in combinations(centred, 2):
        pairs = ((centred[a], centred[b]) for a, b in ((one, other), (one, one), (other, other)))
        xy, xx, yy = (math.fsum(a * b for a, b in zip(*pair, strict=True)) for pair in pairs)
        correlations[one, other] = xy / math.sqrt(xx * yy)
    return correlations


def trade_offs(read: Sequence[Evidence]) -> Iterator[str]:
    """Correlate perspectives over rows and over seeds."""
    columns: dict[str, dict[Pair, float]] = {}
    stars: dict[str, set[Pair]] = {}
    sentences = []
    for of in read:
        for kind, rows in (("rows", of.rows), ("ranked rows", of.ranked)):
            if len(rows) >= _FEWEST_ROWS:
                title = f"{len(rows)} {kind} of {of.suite}"
                columns[title], stars[title] = between_rows(of, rows)
                falling = {pair: r for pair, r in columns[title].items() if pair in stars[title] and r < 0}
                shown = [f"{pair_title(pair)} ({decimal(r, 2, signed=True)})" for pair, r in falling.items()]
                sentences.append(f"{', '.join(shown) or 'none'} over the {title}")
    yield f"Pairs that trade off significantly: {'; '.join(sentences)}."
    for of in read:
        seeds = sum(len(row.scores.shared) for row in of.ranked)
        columns[f"{seeds} seeds within {len(of.ranked)} ranked rows of {of.suite}"] = within_rows(of, of.ranked)
    lines = [
        [pair_title(pair), *(_correlation(by_pair[pair], pair in stars.get(t, ())) for t, by_pair in columns.items())]
        for pair in combinations(read[0].scores.perspectives, 2)
    ]
    yield table(("correlation", *columns), lines)


def _correlation(r: float, star: bool) -> str:
    return decimal(r, 2, signed=True) + "★" * star


def pair_title(pair: Pair) -> str:
    """Name two perspectives."""
    return " and ".join(definitions.PERSPECTIVES[name][0].lower() for name in pair)


# Tuning, calibration and cost


def tuning(read: Sequence[Evidence]) -> Iterator[str]:
    """Compare trial 0 with the selected trial on validation data."""
    rows: list[Sequence[str]] = []
    gains: dict[str, list[float]] = {"validation": [], "typos": []}
    errors = []
    for row in read[0].rows:
        trials = row.scores.row.tuning.trials
        chosen = selected(trials)
        if not trials or chosen is None or trials[0]["status"] != "ok":
            continue
        first, cells = trials[0], []
        for part, changes in gains.items():
            before, after = (trial[part]["correct"] / trial[part]["n"] for trial in (first, chosen))
            changes.append(after - before)
            cells += [decimal(100 * before, 1), decimal(100 * after, 1), points(after - before)]
        share = first["validation"]["correct"] / first["validation"]["n"]
        errors.append(math.sqrt(share * (1 - share) / first["validation"]["n"]))
        rows.append([code(row), f"{chosen['trial']} (of 0 to {len(trials) - 1})", *cells])
    spans = [f"{points(min(changes))} to {points(max(changes))}" for changes in gains.values()]
    yield (
        f"On validation data, tuning changed clean accuracy by {spans[0]} points and accuracy on texts with typos by "
        f"{spans[1]}, where one standard error of an accuracy is {decimal(100 * max(errors), 1)} points."
    )
    head = ("row", "selected trial", "clean, trial 0", "selected", "gain", "typos, trial 0", "selected", "gain")
    yield table(head, rows)


def calibrator(read: Sequence[Evidence]) -> Iterator[str]:
    """Compare gains in ECE as trained and after temperature scaling, over the same seeds."""
    newest = read[0]
    vanilla = next(row for row in newest.rows if row.scores.row is newest.scores.vanilla)
    base = {metric: dict(ece(newest, vanilla, metric)) for metric in ("ece", "ece_temperature")}
    rows, changes = [], []
    for row in newest.rows:
        own = {metric: dict(ece(newest, row, metric)) for metric in base}
        values = [decimal(100 * mean(list(by_seed.values())), 1) for by_seed in own.values()]
        cells = ["", ""]
        if row is not vanilla:
            gains = [
                over_seeds([(s, base[m][s] - by_seed[s]) for s in sorted(by_seed) if s in base[m]])
                for m, by_seed in own.items()
            ]
            cells = [f"{points(g.value)} [{points(g.low)}, {points(g.high)}]" for g in gains]
            if any((gain.low or 0) > 0 or (gain.high or 0) < 0 for gain in gains):
                changes.append(f"from {points(gains[0].value)} to {cells[1]} for {code(row)}")
        rows.append([code(row), *values, *cells])
    others = (
        "" if len(changes) == len(newest.rows) - 1 else "; of other methods, neither gain has an interval without 0"
    )
    before, after = (decimal(100 * mean(list(by_seed.values())), 1) for by_seed in base.values())
    yield (
        f"Temperature scaling changes vanilla's calibration error from {before} to {after} %. Scaling both models "
        f"changes the gain over vanilla {'; '.join(changes)}{others}."
    )
    yield table(("row", "ECE %, as trained", "after temperature", "gain as trained", "gain, both scaled"), rows)


def ece(of: Evidence, row: RankedRow, metric: str) -> list[tuple[int, float]]:
    """Return the mean of a calibration metric over the tasks of the perspective, for each seed."""
    items = tuple((entry["id"], "calibration", metric) for entry in of.section.perspectives()["calibration"])
    return of.scores.points(row.scores.row, *items)


def cost(read: Sequence[Evidence]) -> Iterator[str]:
    """Relate training cost and Overall."""
    known, winners = [], dict[str, None]()
    for of, row in [(one, row) for one in read for row in one.others]:
        price, overall = row.scores.cost.value, row.scores.overall.value
        if price is not None and overall is not None:
            known.append((of, price, code(row), overall))
        if (overall or 0) > 0 and "Overall" in starred(perspectives_line(of, row)[1]):
            winners[code(row)] = None
    least, most = (decimal(end(price for _, price, _, _ in known), 1) for end in (min, max))
    better = f"{' and '.join(winners)} {'are' if len(winners) > 1 else 'is'}" if winners else "no method is"
    yield f"For {least} to {most} times vanilla's training passes, {better} significantly better in Overall."
    for of in read:
        rows = sorted(((price, name, gain) for o, price, name, gain in known if o is of), key=lambda r: r[:2])
        listed = ", ".join(f"{name} {decimal(price, 2)} ({points(gain)})" for price, name, gain in rows)
        tau = ""
        if len(rows) >= _FEWEST_ROWS:
            correlation = kendalltau([price for price, _, _ in rows], [gain for _, _, gain in rows])
            tau = f" Kendall's tau-b of cost and Overall: {decimal(float(correlation.statistic), 2, signed=True)}."
        yield f"{of.suite}, cost as a multiple of vanilla's and Overall in points: {listed}.{tau}"


def main() -> None:
    """Write the page; tests/docs/test_findings.py fails while it is not current."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
