"""Sets of templates and label words, and the choice of a set for a task."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.models.backbones import Backbone
from benchmark.models.masked_lm import head_fingerprints
from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import PromptClassifier
from benchmark.schema.canonical import file_fingerprint
from benchmark.schema.errors import UsageError, nearest

__all__ = ["PromptClassifier", "PromptSet", "prompt_for", "prompt_reads", "prompt_sets"]

SHIPPED = Path(__file__).with_name("prompts.toml")

AUTO = "auto"
"""The shipped set that has the task's class names."""


@dataclass(frozen=True)
class PromptSet:
    """Templates and label words for one kind of task.

    Attributes:
        templates: Each ``{"front": text}`` or ``{"back": text}``.
        words: Label words by class name, the names as `_plain_name` has them.
        source: Where they come from.
        causal: Templates for models that predict the next word; where there are none, they get `templates`.
    """

    templates: tuple[Mapping[str, str], ...]
    words: Mapping[str, tuple[str, ...]]
    source: str
    causal: tuple[Mapping[str, str], ...] = ()

    def fits(self, classes: Sequence[str]) -> bool:
        """Return whether the set has label words for every class."""
        return all(_plain_name(name) in self.words for name in classes)

    def prompt(self, classes: Sequence[str]) -> Prompt:
        """Return the prompt for a task's classes, in their order."""
        return Prompt.of(self.templates, [(name, self.words[_plain_name(name)]) for name in classes], self.causal)


def prompt_for(classes: Sequence[str], choice: str = AUTO) -> Prompt:
    """Return the prompt of a task.

    Args:
        classes: The task's class names, in the order of their numbers.
        choice: ``auto``, the name of a shipped set, or the path of a TOML file laid out like the shipped one.

    Raises:
        UsageError: no set or more than one set has all the class names, or the choice does not exist.
    """
    sets, place = prompt_sets(choice), _file(choice).name
    fitting = [name for name, prompts in sets.items() if prompts.fits(classes)]
    if len(fitting) > 1:
        raise UsageError(f"{place}: {' and '.join(fitting)} have label words for the same classes; remove one.")
    if not fitting:
        known = "; ".join(f"{name}: {', '.join(prompts.words)}" for name, prompts in sets.items())
        raise UsageError(
            f"No templates in {place} have label words for the classes {', '.join(classes)} (they know {known}). Write "
            "a TOML file laid out like benchmark/training/toolbox/prompts.toml and give its path as templates."
        )
    return sets[fitting[0]].prompt(classes)


def prompt_sets(choice: str = AUTO) -> dict[str, PromptSet]:
    """Return the sets that a choice allows, by name; see `prompt_for`.

    Raises:
        UsageError: the choice does not exist, or its file has another layout.
    """
    sets = _read(_file(choice))
    if choice == AUTO or choice.endswith(".toml"):
        return sets
    if choice not in sets:
        raise UsageError(
            f"There is no set of templates {choice!r}. {nearest(choice, [*sets, AUTO])} A path to one ends in .toml."
        )
    return {choice: sets[choice]}


def prompt_reads(backbone: Backbone, choice: str = AUTO) -> dict[str, str]:
    """Return the templates and packaged head that a prompt classifier reads, in the form of `Method.reads`.

    Raises:
        UsageError: the file of templates is missing.
    """
    _text(_file(choice))
    return {**head_fingerprints(backbone), "templates": file_fingerprint(_file(choice))}


def _read(path: Path) -> dict[str, PromptSet]:
    try:
        tables = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}; correct that line.") from error
    return {name: _prompt_set(f"{path.name}: {name}", table) for name, table in tables.items()}


def _prompt_set(place: str, table: Any) -> PromptSet:
    keys = {"source": str, "templates": list, "words": dict, "causal": list}
    if not isinstance(table, dict) or {k: type(v) for k, v in {"causal": list[Any](), **table}.items()} != keys:
        raise UsageError(
            f"{place}: write a table with a text source, a list templates and a table words; a list causal is optional."
        )
    templates, causal, words = table["templates"], table.get("causal", []), table["words"]
    both = [*templates, *causal]
    if not all(isinstance(t, dict) and all(isinstance(text, str) for text in t.values()) for t in both):
        raise UsageError(f"{place}: write each template as {{ front = text }} or {{ back = text }}.")
    if not all(isinstance(own, list) and all(isinstance(word, str) for word in own) for own in words.values()):
        raise UsageError(f"{place}: write the words of each class as a list of texts.")
    own_words = {_plain_name(name): tuple(own) for name, own in words.items()}
    prompts = PromptSet(tuple(templates), own_words, table["source"], tuple(causal))
    prompts.prompt(tuple(words))  # says what is wrong with a template or a class
    return prompts


def _file(choice: str) -> Path:
    return Path(choice).expanduser() if choice.endswith(".toml") else SHIPPED


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file of templates {path} cannot be read: {error}.") from error


def _plain_name(name: str) -> str:
    """Remove case and punctuation from a class name: ``Sci/Tech`` and ``sci-tech`` become equal."""
    return " ".join(re.findall(r"\w+", name.casefold().replace("_", " ")))
