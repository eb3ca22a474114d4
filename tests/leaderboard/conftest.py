"""Results folders that several tests read."""

import shutil

import pytest

from leaderboard import load_board
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import (
    Method,
    attacked,
    card,
    published,
    write_attachments,
    write_records,
    write_results,
)


@pytest.fixture
def results(tmp_path):
    """Two methods with three seeds each in a ranked suite."""
    return write_results(tmp_path / "results", card(), Method(), Method("roast", gain=0.06, cost=8000))


@pytest.fixture
def full_results(shared_results, tmp_path):
    """A copy of the shared results, which a test may change."""
    return shutil.copytree(shared_results, tmp_path / "full")


@pytest.fixture(scope="session")
def shared_results(tmp_path_factory):
    """Every kind of row: ranked, tied, apart and published; two suites, two backbones, one suite not ranked."""
    suite = card()
    root = write_results(
        tmp_path_factory.mktemp("results") / "full",
        suite,
        Method(),
        Method("roast", gain=0.06, cost=8000),
        Method("roast", "alpha=0.6,variant=released", gain=0.06, cost=8000),
        Method("recadam", gain=-0.02),
        Method("rift", gain=0.09, seeds=(0,)),
    )
    write_results(root, suite, Method(backbone="roberta"), Method("roast", gain=0.03, backbone="roberta"))
    demonstration = card(name="demo", ranked=False)
    write_results(root, demonstration, Method(seeds=(0,)), Method("roast", gain=0.05, seeds=(0,)))
    write_attachments(root, suite, Method("roast"), attacked(), attacked(number=1))
    write_records(root, [published(suite, "roast", "A. Author (2020), No such paper", "stores", 0.86)])
    return root


@pytest.fixture(scope="session")
def shared_board(shared_results):
    return load_board(shared_results)


@pytest.fixture(scope="session")
def shared_files(shared_board):
    """The texts of the site by their names."""
    return render_all(shared_board)
