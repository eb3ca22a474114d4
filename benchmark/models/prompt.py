"""Prompts: what is put around a text so that a language model names its class by a word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.schema.errors import UsageError

SLOT = "[MASK]"
"""Stands in a template for the word that the model is to give, whatever the family's own mask is."""

PLACES = ("front", "back")


@dataclass(frozen=True)
class Template:
    """Words put in front of a text or behind it.

    Attributes:
        place: ``front`` or ``back``.
        text: The words, with `SLOT` among them once. A space at either end counts in a byte-level vocabulary.
    """

    place: str
    text: str

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise UsageError(f"The template {self.text!r} stands at {self.place!r}; write front or back.")
        if self.text.count(SLOT) != 1:
            raise UsageError(f"The template {self.text!r} needs {SLOT} once.")

    @property
    def around(self) -> tuple[str, str]:
        """Return the text before the slot and the text behind it."""
        before, _, behind = self.text.partition(SLOT)
        return before, behind


@dataclass(frozen=True)
class Prompt:
    """Templates, and the label words of each class.

    Attributes:
        templates: At least one.
        words: Class name and its label words, one pair per class in the order of their numbers.
        causal: Templates for a model that predicts the next word; where there are none, it gets `templates`. They all
            go behind the text and end before the slot, whatever their place.
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
        """Make one from plain data.

        Args:
            templates: Each ``{place: text}``.
            words: Each a class name with its label words.
            causal: Laid out as `templates`.

        Raises:
            UsageError: a template is no such pair, or something is missing.
        """
        return cls(_templates(templates), tuple((name, tuple(own)) for name, own in words), _templates(causal))

    def plain(self) -> dict[str, Any]:
        """Return what `of` takes, as JSON has it."""
        made = {
            "templates": [{t.place: t.text} for t in self.templates],
            "words": [[name, list(own)] for name, own in self.words],
        }
        return {**made, "causal": [{t.place: t.text} for t in self.causal]} if self.causal else made


def _templates(plain: Sequence[Mapping[str, str]]) -> tuple[Template, ...]:
    crowded = next((template for template in plain if len(template) != 1), None)
    if crowded is not None:
        raise UsageError(f"The template {dict(crowded)} must be one text, at front or at back.")
    return tuple(Template(place, text) for template in plain for place, text in template.items())
