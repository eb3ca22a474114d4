"""Definitions shown in all files of the leaderboard."""

from typing import NamedTuple

TITLE = "Temper leaderboard"
RANK = (
    "A rank is 1 plus the number of better rows; statistically tied rows share a rank. A row is better than another if "
    "the 95 % bootstrap interval of their paired difference in Overall lies above 0. The range of ranks ends just "
    "above the rows that this one is better than. Each pair is tested alone, without correction for the number of "
    "pairs, so a third row never changes which of two rows is better."
)
ROBUSTNESS = "Overall without the in-distribution perspective."
RANKED = "Ranked by Overall; statistically tied rows share a rank."
ORDER = "Not a ranking: rows are ordered by Overall alone."
OVERALL = (
    "Mean gain over vanilla over the perspectives, on the same seeds, in percentage points, signed so that up is "
    "better; vanilla is 0. The interval is a 95 % bootstrap interval over seeds and examples, paired between rows; "
    "with one seed it covers examples only."
)
BETTER = (
    "Probability that Overall is above vanilla's: the share of bootstrap draws in which it is. "
    "With one seed it is unknown."
)
EQUIVALENT = (
    "yes: the 90 % bootstrap interval of Overall lies within 1 point of vanilla's, so a larger difference is excluded "
    "at 5 % on either side. no: it is not excluded, which does not mean that there is one."
)
LEARN_MORE = (
    "Give vanilla more epochs or a larger learning rate in a copy of the suite, or let the command temper tune choose "
    "the learning rate."
)
LEARN_MORE_TUNED = (
    "In a copy of the suite, give vanilla more epochs, or raise the upper end of learning_rate_factor, which temper "
    "tune searches."
)
NOT_RUN = "Not run for lack of time, with the estimated core-hours of tuning and all seeds:"
RELATIVE = (
    "Mean relative change against vanilla over the perspectives, in percent, as RoAST reports it. It overweights "
    "perspectives in which vanilla is near 0, so rows are not ranked by it."
)
TUNING_GAIN = (
    "Clean validation accuracy of the trial that tuning selected minus that of the defaults, in points. It may be "
    "negative: selection gives up to one standard error of it for accuracy on texts with typos."
)
GAIN = "Gain over vanilla in points, signed so that up is better, with its 95 % paired bootstrap interval."
SPREAD = (
    "± is half the width of a 95 % bootstrap interval over seeds and examples. Metrics without replicates have a "
    "t-interval over seeds; a single seed has none. In the files, its ends are clipped to 0 and 100 %."
)
CHANGE = (
    "The small signed number is the gain over vanilla in points over the same seeds: + is better and - is "
    "worse, also where less is better. It is coloured if its 95 % bootstrap interval, paired over seeds and "
    "examples, excludes 0; only perspectives have one, and it is not corrected for their number."
)
FINDING = (
    "The sentence above a table names the differences from vanilla that are significant at 5 % after Holm's "
    "correction: of Overall for the number of ranked rows, of a perspective for rows times perspectives."
)
SENSITIVITY = (
    "The sentence below a table has the smallest rank correlation (Kendall's tau-b) between the order by Overall and "
    "the order without one task, one perspective or one seed: 1 if no two rows change places. Stars and ranks are "
    "also computed with ten times the draws, which can decide what fewer draws leave open."
)
DETECTABLE = (
    "The true difference that a two-sided paired t-test at 5 % detects with a probability of 80 %, given how much "
    "the differences from vanilla vary over seeds and examples. Smaller differences can exist without being "
    "significant."
)
COST = "Training passes (forward 1, backward 2, backward to the inputs only 1) as a multiple of vanilla's."
RETENTION = (
    "Accuracy of a linear probe of the fine-tuned encoder on another task, minus that of the pre-trained encoder, in "
    "points; the mean over the suite's retention tasks. Below 0, fine-tuning forgot something. It enters no score."
)
METHOD = "Name and settings that differ from the defaults."
SEEDS = "Number of seeds that have a value."
VERIFICATION = (
    "self-reported: computed by the submitter; rescored: recomputed from the stored tables; "
    "rerun: trained again. A row shows the weakest level among its records."
)
COMPLETE = (
    "Rows are listed separately, with the reason, if they lack a headline value for one of their seeds, have fewer "
    "seeds than the suite requires, are 5 points or more below vanilla's in-distribution accuracy, are not "
    "significantly more accurate than a constant classifier, or cannot be compared with vanilla. If vanilla itself is "
    "not ranked, no row is."
)
PUBLISHED = (
    "Published numbers are printed in papers. They are shown next to the measured ones and never averaged with them."
)

STAR = (
    "★: differs from vanilla in Overall, p < 0.05 by the paired bootstrap, two-sided, after Holm's correction for the "
    "number of ranked rows that are compared with vanilla."
)
FOREST = (
    "Gain over vanilla in points with its 95 % interval, coloured if the interval excludes 0. All panels have one "
    "scale; an arrow marks an interval that continues outside it. Hollow points are rows that are not ranked."
)
SIMILARITY = (
    "An attack that bounds the similarity of its texts compares windows of words. Unless its parameters say "
    "otherwise, texts shorter than the window have no similarity bound."
)
SEED_POINTS = "Each dot is one seed, from the lowest to the highest value of the column."
MASKING = (
    "Signs that the accuracy under attack comes from the model and not from a failing attack: an attack that does not "
    "search flips no more texts, accuracy under attack is at most the clean accuracy, input gradients are not zero, "
    "predictions are deterministic, and robustness does not come at a large cost in accuracy. A flag is a "
    "reason to look closer and changes no score; only the last one excludes a row from the ranking."
)

# Question of each perspective.
PERSPECTIVES = {
    "in-distribution": ("In-distribution", "How accurate is the model on new text of the kind it was trained on?"),
    "shift": ("Shift", "How accurate is it on the same task in other kinds of text?"),
    "adversarial": (
        "Adversarial",
        f"How accurate is it on text that is chosen, or changed word by word, to mislead it? {SIMILARITY}",
    ),
    "calibration": ("Calibration", "How far is its confidence from its accuracy?"),
    "anomaly": ("Anomaly", "How well does its confidence separate the task's text from out-of-distribution text?"),
    "masking": ("Gradient-masking checks", MASKING),
    "retention": ("Retention", "What has the encoder forgotten of another task?"),
}


class Alternatives(NamedTuple):
    """A table of one perspective by several metrics of the same model: heading, rule, and headings by metric."""

    title: str
    rule: str
    metrics: dict[str, str]


_CHANGE_OF_ITS_COLUMN = "The small signed number compares a row with vanilla in the same column"

ALTERNATIVES = {
    "calibration": Alternatives(
        "Calibration: what remains of the gain after post-hoc calibration",
        "ECE averaged over the tasks of this perspective: as trained, and after a calibrator that is fitted on the "
        "validation part for each row, vanilla included. Only the first counts for Overall. "
        f"{_CHANGE_OF_ITS_COLUMN}, in points, + is better: what remains of the gain once both are calibrated.",
        {
            "ece": "As trained",
            "ece_temperature": "Temperature",
            "ece_isotonic": "Isotonic",
            "ece_histogram": "Histogram",
            "ece_beta": "Beta",
        },
    ),
    "anomaly": Alternatives(
        "Anomaly detection: same model, other scores",
        "AUROC of several scores of the same models, averaged over the anomaly tasks; only MSP counts for Overall. "
        f"{_CHANGE_OF_ITS_COLUMN}, in points: a gain that another score gives vanilla too is not the method's.",
        {
            "auroc": "MSP",
            "auroc_entropy": "Entropy",
            "auroc_energy": "Energy",
            "auroc_max_logit": "Max logit",
            "auroc_mahalanobis": "Mahalanobis",
            "auroc_knn": "k-NN",
        },
    ),
}
"""By perspective. A metric is a column where every task of the perspective lists it and a row has a value."""


def reading(*, ranked: bool) -> list[tuple[str, str]]:
    """List the definitions shown before the first table; the rule of ranks only if rows are ranked."""
    rank = [("Rank", RANK), ("Stars", STAR)] if ranked else []
    findings = [("Findings", FINDING)] if ranked else []
    return [
        ("Overall", OVERALL),
        *rank,
        *findings,
        ("Detectable differences", DETECTABLE),
        ("Sensitivity", SENSITIVITY),
        ("P(better)", BETTER),
        ("Equivalent", EQUIVALENT),
        ("Relative", RELATIVE),
        ("Intervals", SPREAD),
        ("Changes", CHANGE),
        ("Not ranked", COMPLETE),
    ]
