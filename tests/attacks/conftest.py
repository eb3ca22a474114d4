"""Attacks from tiny parts, on both backends where a test holds for both."""

import pytest

from benchmark.attacks import run_attack
from tests.attacks.fakes import attack, parts, victim, write_lexicon

with_textattack = [pytest.mark.slow, pytest.mark.needs("textattack")]


@pytest.fixture(params=["engine", pytest.param("textattack", marks=with_textattack)])
def backend(request):
    return request.param


@pytest.fixture
def _own_cache(tmp_path_factory, monkeypatch):
    """TextAttack marks its downloads as done in the cache folder."""
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def spec(tmp_path, backend, _own_cache):
    tiny = write_lexicon(tmp_path / "tiny.tsv.gz")
    return lambda lexicon=tiny, **parameters: attack(lexicon, backend, **parameters)


@pytest.fixture
def run(tmp_path, spec):
    def attacked(examples, asked=victim, made=None, journal="journal.jsonl", in_flight=64, **parameters):
        (tmp_path / journal).unlink(missing_ok=True)
        path, made = tmp_path / journal, made or parts()
        return run_attack(spec(**parameters), examples, asked, path, parts=made, in_flight=in_flight)

    return attacked


@pytest.fixture(scope="session")
def masked_lm_folder(tmp_path_factory):
    """A tiny masked LM with pieces of words."""
    from tests.attacks.tiny_masked_lm import write_masked_lm

    return write_masked_lm(tmp_path_factory.mktemp("masked-lm"))
