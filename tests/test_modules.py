"""The import graph has no circle, and no two modules share a name."""

from collections import Counter
from functools import cache
from graphlib import TopologicalSorter

import grimp

ROOTS = ("benchmark", "leaderboard", "methods")


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOTS, exclude_type_checking_imports=True, cache_dir=None)


def test_no_import_circle() -> None:
    """Imports inside functions count too."""
    graph = import_graph()
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imported) > 100
    TopologicalSorter(imported).prepare()


def test_no_two_modules_share_a_name() -> None:
    graph = import_graph()
    leaves = [module.rpartition(".")[2] for module in graph.modules if not graph.find_children(module)]
    assert [name for name, count in Counter(leaves).items() if count > 1] == []
