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
        text: The words, with `SLOT` among them once.
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
        """The words before the slot and those behind it."""
        before, _, behind = self.text.partition(SLOT)
        return before.strip(), behind.strip()


@dataclass(frozen=True)
class Prompt:
    """Templates, and the label words of each class.

    Attributes:
        templates: At least one.
        words: Class name and its label words, one pair a class in the order of their numbers.
    """

    templates: tuple[Template, ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]

    def __post_init__(self) -> None:
        if not self.templates:
            raise UsageError("A prompt needs at least one template.")
        for name, words in self.words:
            if not words:
                raise UsageError(f"The class {name!r} has no label word.")

    @classmethod
    def of(cls, templates: Sequence[Mapping[str, str]], words: Sequence[tuple[str, Sequence[str]]]) -> "Prompt":
        """Make one from plain data.

        Args:
            templates: Each ``{place: text}``.
            words: Each a class name with its label words.

        Raises:
            UsageError: a template is no such pair, or something is missing.
        """
        crowded = next((t for t in templates if len(t) != 1), None)
        if crowded is not None:
            raise UsageError(f"The template {dict(crowded)} must be one text, at front or at back.")
        made = tuple(Template(place, text) for template in templates for place, text in template.items())
        return cls(made, tuple((name, tuple(own)) for name, own in words))

    def plain(self) -> dict[str, Any]:
        """What `of` takes, as JSON has it."""
        words = [[name, list(own)] for name, own in self.words]
        return {"templates": [{t.place: t.text} for t in self.templates], "words": words}
