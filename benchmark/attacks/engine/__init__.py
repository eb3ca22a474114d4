"""The engine: run many searches at once, pool their questions into full batches, and bound the error of each answer."""

from benchmark.attacks.engine.case import Case, ScoredItem, Search, SearchResult
from benchmark.attacks.engine.questions import Answer, Ask, Oracle, Question
from benchmark.attacks.engine.scheduler import Failure, run_searches

__all__ = [
    "Answer", "Ask", "Case", "Failure", "Oracle", "Question", "ScoredItem", "Search", "SearchResult", "run_searches",
]  # fmt: skip
