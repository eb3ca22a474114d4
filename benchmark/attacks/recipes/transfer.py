"""Transfer: classify the adversarial texts that another attack found against another model."""

from typing import TYPE_CHECKING, Annotated

from benchmark.attacks.attack_recipe import AttackRecipe, ReportedEncoder, attack
from benchmark.schema.base import Words, doc

if TYPE_CHECKING:
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search
    from benchmark.attacks.parts import Parts


@attack("transfer", masking_check=True)
class Transfer(AttackRecipe):
    """Texts with which an attack flipped another model: a check that this one does not just mislead the search."""

    table: Annotated[Words, doc("File of the attack table, parquet, that the texts are taken from.")]
    encoder: ReportedEncoder = "minilm"

    def search(self, parts: "Parts") -> "Search":
        """Try the table's text for each example; an example without an adversarial text in the table survives."""
        from benchmark.attacks.attacked_text import AttackedText
        from benchmark.attacks.engine import SearchResult
        from benchmark.attacks.parts import required

        table = required(parts.table, "attack table")

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            adversarial_text = table.text(case.id, case.original.columns[-1])
            if adversarial_text is None:
                return SearchResult(case.original, start)
            text = AttackedText((*case.original.columns[:-1], adversarial_text))
            (scored,) = yield from case.classify([text])
            return SearchResult(text, scored)

        return search
