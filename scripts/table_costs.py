"""Print a Markdown table of what each paper's table costs: `python -m scripts.table_costs`.

It reads the packaged suites and the counted passes of the methods, and no data. A pass is a forward pass of one
example; a backward pass counts as two.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.execution.costs import VANILLA_COST
from benchmark.reproduction.cost_estimate import relative_cost
from benchmark.reproduction.paper import Reproduction, available_reproductions, load_reproduction
from benchmark.suites import Suite, load_suite

PASSES_PER_HOUR = 3.6e6
"""At 1,000 passes a second."""

HEADINGS = (
    "table", "backbone", "tokens, at most", "trainings", "training", "prediction", "attacked examples",
    "hours at 1,000 passes/s",
)  # fmt: skip


@dataclass
class Cost:
    """The cost of a table.

    Attributes:
        trainings: Number of trainings.
        training: Passes of all trainings, with the validation after each epoch.
        prediction: Passes of all predictions.
        attacked: Number of attacked examples; what one costs depends on the model.
    """

    trainings: int = 0
    training: float = 0.0
    prediction: float = 0.0
    attacked: int = 0


def table_cost(table: Reproduction) -> Cost:
    """Add up the passes of a table's rows on all of its suites and seeds.

    Raises:
        ValueError: a suite does not state how many examples it has.
    """
    cost = Cost()
    shown = {task for column in table.columns for task in column.tasks}
    for suite in map(load_suite, table.suites):
        train, validation = split_sizes(suite)
        for row in table.rows:
            method, _ = row.on(suite.name, table.backbone)
            step, once = relative_cost(method.partition(":")[0]) or (1.0, 0.0)
            epochs = suite.recipe.epochs
            cost.trainings += table.seeds
            cost.training += table.seeds * (VANILLA_COST * (step * epochs + once) * train + epochs * validation)
            cost.prediction += table.seeds * (validation + sum(task.rows for task in suite.tasks))
            cost.attacked += table.seeds * sum(attack.subset for attack in suite.attacks if attack.id in shown)
    return cost


def split_sizes(suite: Suite) -> tuple[float, float]:
    """Return the number of examples of the training and the validation part; shares where a suite states none."""
    split, rows = suite.training.split, suite.training.data.rows
    if split.train_rows is not None and split.validation_rows is not None:
        return split.train_rows, split.validation_rows
    if rows is None or split.train_limit is not None or split.validation_limit is not None:
        raise ValueError(f"{suite.name}: the number of training examples is not stated.")
    return rows * (1 - split.validation - split.test), rows * split.validation


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for name in sorted(available_reproductions()):
        table = load_reproduction(name)
        cost = table_cost(table)
        tokens = max(load_suite(suite).training.max_length for suite in table.suites)
        hours = (cost.training + cost.prediction) / PASSES_PER_HOUR
        yield (
            f"| `{name}` | {table.backbone} | {tokens} | {cost.trainings} | {cost.training / 1e6:.1f} M "
            f"| {cost.prediction / 1e6:.2f} M | {cost.attacked} | {hours:.1f} |"
        )


def main() -> None:
    """Print the table."""
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
