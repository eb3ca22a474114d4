"""Definitions shown in all files of the leaderboard."""

RANK = (
    "A row is better than another when the 95 % bootstrap interval of their paired difference in Overall lies above 0, "
    "whatever the random numbers of the draws. "
    "Rank is 1 plus the number of rows that are better, so statistically tied rows can share a rank; "
    "the rank interval ends just above the rows that this one is better than. Each pair is taken alone, "
    "without correction for how many are compared."
)
ROBUSTNESS = "Overall without the in-distribution perspective."
RANKED = "Ranked by Overall; statistically tied rows share a rank."
ORDER = "Not a ranking: rows are ordered by Overall alone."
OVERALL = (
    "Mean, over the perspectives, of the relative change against vanilla of the same suite, backbone and seeds, signed "
    "so that up is better; vanilla is 0 by definition. The interval is a 95 % percentile bootstrap over seeds and "
    "examples, paired between rows; with one seed it covers examples only."
)
SPREAD = (
    "± is half the width of a 95 % t-interval over seeds; a single seed has none. It says nothing about the choice of "
    "examples. In the files its ends stop at 0 and 100 %."
)
CHANGE = (
    "The small signed percentage is the relative change against vanilla over the same seeds: + is better and - is "
    "worse, also where less is better. It is coloured where its 95 % bootstrap interval, paired over seeds and "
    "examples, leaves out 0; only perspectives have one, and it is not corrected for how many there are."
)
COST = "Training passes (forward 1, backward 2, backward to the inputs alone 1) as a multiple of vanilla's."
METHOD = "Name and settings that differ from the defaults."
SEEDS = "Number of seeds that have a value."
VERIFICATION = (
    "self-reported: computed by the submitter; rescored: recomputed from the stored tables; "
    "rerun: trained again. A row shows the weakest level among its records."
)
COMPLETE = (
    "Rows that lack a headline value for one of their seeds, have fewer seeds than the suite asks for, are 5 points or "
    "more below vanilla's in-distribution accuracy, are not significantly more accurate than a constant "
    "classifier, or cannot be compared with vanilla are shown apart, with the reason. Where vanilla itself is not, no "
    "row is ranked."
)
PUBLISHED = (
    "Published numbers are printed in papers. They are shown next to the measured ones and never averaged with them."
)

STAR = (
    "★: differs from vanilla in Overall, p < 0.05 by the paired bootstrap, two-sided, after Holm's correction for the "
    "number of ranked rows that are compared with vanilla."
)
PLOT = "The interval of Overall, coloured where it leaves out 0."
SIMILARITY = (
    "An attack that bounds the similarity of its texts compares windows of words; unless its parameters say otherwise, "
    "texts shorter than the window have no similarity bound."
)
SEED_POINTS = "Each dot is one seed, from the lowest to the highest value of the column."
MASKING = (
    "Signs that the accuracy under attack comes from the model and not from a failing attack: an attack that does not "
    "search does no more harm, accuracy under attack is at most the clean accuracy, input gradients are not zero, the "
    "model answers the same text alike, and robustness does not come at a large cost in accuracy. A flag is a "
    "reason to look closer and changes no score; only the last one keeps a row out of the ranking."
)

# Question of each perspective.
PERSPECTIVES = {
    "in-distribution": ("In-distribution", "How good is the model on new text of the kind that it was trained on?"),
    "shift": ("Shift", "How good is it on the same task in other kinds of text?"),
    "adversarial": (
        "Adversarial",
        f"How good is it when the text is chosen, or changed word by word, to mislead it? {SIMILARITY}",
    ),
    "calibration": ("Calibration", "How far is its confidence from its accuracy?"),
    "anomaly": ("Anomaly", "How well does its confidence separate the task's text from out-of-distribution text?"),
    "masking": ("Gradient-masking checks", MASKING),
}


def reading(*, ranked: bool) -> list[tuple[str, str]]:
    """List the definitions shown before the first table; the rule of ranks only if rows are ranked."""
    rank = [("Rank", RANK), ("Stars", STAR)] if ranked else []
    return [("Overall", OVERALL), *rank, ("Intervals", SPREAD), ("Changes", CHANGE), ("Not ranked", COMPLETE)]
