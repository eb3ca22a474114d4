"""The engine: many searches at once, their questions pooled into full batches, answered with a known error."""

from benchmark.attacks.engine.case import Case, Finding
from benchmark.attacks.engine.questions import Answer, Ask, Oracle, Question
from benchmark.attacks.engine.scheduler import Failed, run_searches
from benchmark.attacks.engine.scored import Scored

__all__ = ["Answer", "Ask", "Case", "Failed", "Finding", "Oracle", "Question", "Scored", "run_searches"]
