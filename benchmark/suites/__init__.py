"""Suites: versioned, closed lists of one training task, its recipe, and its evaluation tasks and attacks."""

from benchmark.attacks.suite_attack import Attack
from benchmark.suites.config import (
    EvaluationTask,
    MetricSettings,
    Recipe,
    SplitSpec,
    Suite,
    TrainingTask,
    TuningRule,
)
from benchmark.suites.datasets import attack_subset, task_dataset, training_splits
from benchmark.suites.suite_files import (
    Group,
    SuiteError,
    available_groups,
    available_suites,
    find_group,
    load_suite,
    load_suites,
    members,
    parse_suite,
    suite_argument,
)

__all__ = [
    "Attack",
    "EvaluationTask",
    "Group",
    "MetricSettings",
    "Recipe",
    "SplitSpec",
    "Suite",
    "SuiteError",
    "TrainingTask",
    "TuningRule",
    "attack_subset",
    "available_groups",
    "available_suites",
    "find_group",
    "load_suite",
    "load_suites",
    "members",
    "parse_suite",
    "suite_argument",
    "task_dataset",
    "training_splits",
]
