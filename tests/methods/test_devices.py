"""Tensors are made on the device of the model: without a GPU, the source is all that can show it."""

import ast
from collections.abc import Iterator

from tests.support.processes import REPOSITORY

FROM_VALUES = ("tensor", "as_tensor", "from_numpy", "zeros", "ones", "empty", "full", "eye", "arange", "linspace")
AT_RANDOM = ("rand", "randn", "randint", "randperm", "normal")
FOLDERS = ("methods", "benchmark/training", "benchmark/models", "benchmark/attacks")

ON_THE_CPU = {
    "methods/mixup.py: torch.randint(len(choices), ())": "becomes a number of Python",
    "methods/roast.py: torch.tensor(self._importance.count)": "part of a saved state",
    "methods/sanity.py: torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))": "indexes there",
    "methods/sanity.py: torch.tensor(labels)": "moved in transform_batch",
    "benchmark/models/batch.py: torch.tensor(row, dtype=torch.long)": "collate moves the batch",
    "benchmark/models/classifier.py: torch.tensor(labels, dtype=torch.long)": "collate moves the batch",
    "benchmark/models/prompt_classifier.py: torch.tensor([t for own in tokens for t in own])": "a buffer of the module",
    "benchmark/models/text_classifiers.py: torch.tensor(labels, dtype=torch.long)": "a classifier without a network",
    "benchmark/models/text_classifiers.py: torch.from_numpy(self.scores(self.texts(batch)).astype(np.float32))": (
        "a classifier without a network"
    ),
    "benchmark/models/text_classifiers.py: torch.zeros(len(batch), self.feature_width)": "has no network",
    "benchmark/attacks/precision.py: torch.ones(_SHAPE[:2], dtype=next(layer.parameters()).dtype)": (
        "times layers of the CPU"
    ),
    "benchmark/attacks/textattack/components.py: torch.from_numpy(np.stack([self._vectors[text] for text in "
    "sentences]))": "TextAttack compares on the CPU",
    "benchmark/attacks/textattack/components.py: torch.ones(len(transformed_texts))": "TextAttack compares on the CPU",
    "benchmark/attacks/token_predictions.py: torch.full((len(requests), width), self.tokenizer.pad_token_id)": (
        "moved when it is filled"
    ),
    "benchmark/attacks/token_predictions.py: torch.tensor(ids)": "fills a tensor of the CPU",
    "benchmark/attacks/greedy_search.py: torch.tensor(values, dtype=torch.float32)": "as TextAttack, on the CPU",
}
"""Calls that may leave the device open, with the reason."""


def without_a_device(source: str) -> Iterator[str]:
    """Yield calls of torch's factories that name no device and whose result is not moved at once."""
    tree = ast.parse(source)
    moved = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("to", "item")}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "torch"
            and node.func.attr in (*FROM_VALUES, *AT_RANDOM)
            and node not in moved
            and not any(keyword.arg in ("device", None) for keyword in node.keywords)
        ):
            yield ast.unparse(node)


def test_every_new_tensor_names_its_device_or_is_known_to_stay_on_the_cpu() -> None:
    paths = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    calls = {
        f"{path.relative_to(REPOSITORY)}: {call}"
        for path in paths
        for call in without_a_device(path.read_text(encoding="utf-8"))
    }
    assert calls == set(ON_THE_CPU)


def test_the_check_sees_a_tensor_without_a_device() -> None:
    source = "a = torch.ones(3)\nb = torch.ones(3, device=d)\nc = torch.ones(3).to(d)\ne = torch.zeros(2, **made)\n"
    assert list(without_a_device(source)) == ["torch.ones(3)"]
