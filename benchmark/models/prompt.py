"""Prompts: templates around a text, and label words with which a language model names the class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.schema.errors import UsageError

SLOT = "[MASK]"
"""Placeholder in a template for the predicted word; it is replaced by the family's own mask token."""

PLACES = ("front", "back")


@dataclass(frozen=True)
class Template:
    """Words before or after a text.

    Attributes:
        place: ``front`` or ``back``.
        text: The words, with `SLOT` once. A space at either end matters in a byte-level vocabulary.
    """

    place: str
    text: str

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise UsageError(f"The template {self.text!r} has the place {self.place!r}. Write front or back.")
        if self.text.count(SLOT) != 1:
            raise UsageError(f"The template {self.text!r} needs {SLOT} exactly once.")

    @property
    def around(self) -> tuple[str, str]:
        """Return the text before the slot and the text after it."""
        before, _, after = self.text.partition(SLOT)
        return before, after


@dataclass(frozen=True)
class Prompt:
    """Templates and the label words of each class.

    Attributes:
        templates: At least one.
        words: Class name and its label words, one pair per class in the order of their numbers.
        causal: Templates for a model that predicts the next word; `templates` if empty. They follow the text and end
            before the slot, whatever their place.
    """

    templates: tuple[Template, ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]
    causal: tuple[Template, ...] = ()

    def __post_init__(self) -> None:
        if not self.templates:
            raise UsageError("A prompt needs at least one template.")
        for name, words in self.words:
            if not words:
                raise UsageError(f"The class {name!r} has no label word.")

    @classmethod
    def of(
        cls,
        templates: Sequence[Mapping[str, str]],
        words: Sequence[tuple[str, Sequence[str]]],
        causal: Sequence[Mapping[str, str]] = (),
    ) -> "Prompt":
        """Build a prompt from plain data.

        Args:
            templates: Each ``{place: text}``.
            words: Each a class name with its label words.
            causal: In the form of `templates`.

        Raises:
            UsageError: a template is not such a pair, or something is missing.
        """
        return cls(_templates(templates), tuple((name, tuple(own)) for name, own in words), _templates(causal))

    def plain(self) -> dict[str, Any]:
        """Return the arguments of `of` as JSON values."""
        arguments = {
            "templates": [{t.place: t.text} for t in self.templates],
            "words": [[name, list(own)] for name, own in self.words],
        }
        return {**arguments, "causal": [{t.place: t.text} for t in self.causal]} if self.causal else arguments


def _templates(plain: Sequence[Mapping[str, str]]) -> tuple[Template, ...]:
    invalid = next((template for template in plain if len(template) != 1), None)
    if invalid is not None:
        raise UsageError(f"The template {dict(invalid)} must be one text, at front or at back.")
    return tuple(Template(place, text) for template in plain for place, text in template.items())
