"""The hash of a method's source: what runs counts, how it is written does not, on every version of Python."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.execution import method_source
from benchmark.execution.method_source import code_of, read_source, texts_fingerprint

PLAIN = '''"""About the module."""

from functools import cache

LIMIT = 3


@cache
def scaled(x: float, factor: float = 2.0, *, text: str = "a'b") -> str:
    """Scale."""
    # A comment.
    if x > LIMIT:
        return f"{x * factor + 1:>{LIMIT}} {text!r}"
    return ""


class Empty:
    """Nothing."""
'''

REFORMATTED = """'''Another text about the module,
on two lines.'''
from functools import (
    cache,
)
LIMIT = (3)

@cache
def scaled(x: float,
           factor: float = 2.0,
           *, text: str = 'a\\'b',) -> str:
    if (x) > LIMIT :
        "A text that stands alone."
        return f'{x*factor+1:>{LIMIT}} ' f'{text!r}'  # Another comment.
    return ''
class Empty: pass
"""


def test_formatting_comments_and_docstrings_do_not_count() -> None:
    assert code_of(PLAIN) == code_of(REFORMATTED)
    assert texts_fingerprint({"0:Mine": PLAIN}) == texts_fingerprint({"0:Mine": REFORMATTED})
    assert texts_fingerprint({"0:Mine": PLAIN}) == texts_fingerprint({"0:Mine": PLAIN.replace("\n", "\r\n")})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("LIMIT = 3", "LIMIT = True"),
        ("x > LIMIT", "x >= LIMIT"),
        ("x * factor", "x / factor"),
        ("* factor + 1", "* (factor + 1)"),
        ("factor: float = 2.0", "factor: float = 2.5"),
        ("factor: float = 2.0, *", "factor: float, *"),
        ("x: float", "x: int"),
        ("@cache\n", ""),
        ("*, text", "text"),
        ("a'b", "a'c"),
        ("{text!r}", "{text!s}"),
        (">{LIMIT}", "<{LIMIT}"),
        ("    if x > LIMIT:\n        return", "    while x > LIMIT:\n        return"),
        ("from functools import cache", "from functools import lru_cache as cache"),
        ("class Empty:", "class Empty(object):"),
        ('return ""', 'return b""'),
        ('return ""', "return"),
    ],
)
def test_everything_that_runs_counts(before: str, after: str) -> None:
    assert before in PLAIN
    assert code_of(PLAIN) != code_of(PLAIN.replace(before, after))


GOLDEN = (
    "Module(body=[ImportFrom(module='a',names=[alias(name='b',asname='c',),],level=0,),"
    "Assign(targets=[Name(id='x',),],value=Dict(keys=[None,Constant(0x1),],values=[Name(id='y',),"
    "Constant('\\xe9'),],),),FunctionDef(name='f',args=arguments(args=[arg(arg='n',),],defaults=[Constant(None),],),"
    "body=[Return(value=UnaryOp(op=USub(),operand=Constant(1.5),),),],),],)"
)
SMALL = 'from a import b as c\nx = {**y, 1: "\N{LATIN SMALL LETTER E WITH ACUTE}"}\ndef f(n=None):\n    return -1.5\n'


def test_the_line_is_the_one_that_every_version_of_python_writes() -> None:
    assert code_of(SMALL) == GOLDEN
    assert "f" * 9000 in code_of(f"x = 0x{'f' * 9000}")


def interpreters() -> list[str]:
    """List this interpreter and those of other versions that run on this machine."""
    paths = [shutil.which(f"python3.{minor}") for minor in range(11, 15)]
    # A shim of pyenv is on the PATH for a version that is not installed.
    runs = [p for p in paths if p and subprocess.run([p, "-c", ""], capture_output=True, check=False).returncode == 0]
    return [sys.executable, *runs]


@pytest.mark.parametrize("python", interpreters())
def test_other_versions_of_python_write_the_same_line(python: str) -> None:
    # The module alone: another Python may lack the libraries that the package imports.
    script = (
        "import sys, types\n"
        "schema = types.ModuleType('benchmark.schema')\n"
        "schema.fingerprint = hash\n"
        "sys.modules |= {'benchmark': types.ModuleType('benchmark'), 'benchmark.schema': schema}\n"
        "sources = types.ModuleType('sources')\n"
        "sys.modules['sources'] = sources\n"
        "exec(compile(open(sys.argv[1], encoding='utf-8').read(), 'sources', 'exec'), vars(sources))\n"
        "for path in sys.argv[2:]:\n"
        "    print(sources.code_of(open(path, encoding='utf-8').read()))\n"
    )
    file = Path(method_source.__file__)
    paths = [file, Path(__file__), *sorted(file.parents[2].glob("methods/*.py"))]
    arguments = [python, "-c", script, str(file), *map(str, paths)]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [code_of(path.read_text(encoding="utf-8")) for path in paths]


def test_what_does_not_parse_and_what_is_deep_has_a_hash_too() -> None:
    assert code_of("def f(:") == "def f(:"
    deep = " + ".join(["x"] * 900)
    assert code_of(deep) != code_of(f"{deep} + x")


def test_a_file_is_read_in_its_own_encoding(tmp_path: Path) -> None:
    text = "x = '\N{LATIN SMALL LETTER E WITH ACUTE}'\n"
    (tmp_path / "marked.py").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "latin.py").write_bytes(f"# coding: latin-1\n{text}".encode("latin-1"))
    (tmp_path / "broken.py").write_bytes(text.encode("latin-1"))
    assert code_of(read_source(tmp_path / "marked.py")) == code_of(read_source(tmp_path / "latin.py")) == code_of(text)
    with pytest.raises(SyntaxError, match=r"\(broken\.py, line 1\)"):
        read_source(tmp_path / "broken.py")
