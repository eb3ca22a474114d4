"""Backbones: the source and the exact revision of pre-trained models."""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.resources import expanded, load_manifest, locate, offline, resource_fingerprint
from benchmark.schema.base import NAME_LIMIT, Name, Schema
from benchmark.schema.canonical import file_fingerprint, fingerprint
from benchmark.schema.errors import UnavailableError, UsageError, nearest

PACKAGED = {"minilm": "minilm", "smollm2": "smollm2"}
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


@dataclass(frozen=True)
class Backbone:
    """A pre-trained model on this machine.

    Attributes:
        name: Short name, used in paths and on the leaderboard.
        source: ``artifact:minilm``, ``hub:<owner>/<name>`` or ``folder:<name of the folder>``.
        revision: Pins the content: an archive's hash, a Hub commit, or the hash of the folder's files.
        path: Folder with config.json, safetensors weights and tokenizer files.
    """

    name: str
    source: str
    revision: str
    path: Path

    def identity(self) -> dict[str, str]:
        """Return the fields that records store: everything except the path on this machine."""
        return {"name": self.name, "source": self.source, "revision": self.revision}

    def content(self) -> dict[str, str]:
        """Return the fields that keys depend on: the content, and not the name in records or of the folder."""
        kind, _, name = self.source.partition(":")
        if kind == "folder":
            return {"source": kind, "revision": self.revision}
        return {"name": name.rsplit("/", 1)[-1], "source": self.source, "revision": self.revision}

    def reference(self) -> str:
        """Return a reference that `resolve_backbone` accepts, without an alias."""
        kind, _, name = self.source.partition(":")
        return {"folder": str(self.path), "hub": f"{self.source}@{self.revision}"}.get(kind, name)


def resolve_backbone(reference: str) -> Backbone:
    """Find a backbone by packaged name, folder or Hub id, and download it from the Hub if necessary.

    Args:
        reference: ``minilm``, ``smollm2``, a folder, or ``owner/name``, with ``@revision`` to pin a commit, tag or
            branch. A prefix ``NAME=`` sets the name in records.

    Raises:
        UnavailableError: it is not on this machine and cannot be downloaded.
        UsageError: the reference or the folder is unknown, or its alias is not a valid name.
    """
    alias, equals, rest = reference.partition("=")
    # The path of a folder may contain the equals sign.
    if equals and "/" not in alias and not expanded(reference).exists():
        for problem in Schema(Name).problems(alias):
            raise UsageError(f"--backbone {reference}: the name before = {problem.message}")
        return replace(resolve_backbone(rest), name=alias)
    if reference in PACKAGED:
        resource = PACKAGED[reference]
        return Backbone(reference, f"artifact:{resource}", resource_fingerprint(resource), locate(resource))
    folder = expanded(reference.removeprefix("folder:"))
    if folder.is_dir():
        return _from_folder(folder.resolve())
    if folder.is_absolute() or reference.startswith(("folder:", "./", "../")):
        raise UsageError(f"Backbone folder not found: {folder}. Correct the path.")
    if reference.startswith("hub:") or "/" in reference or reference.partition("@")[0] in _known_hub_names():
        repository, _, revision = reference.removeprefix("hub:").partition("@")
        return _from_hub(repository, revision or None)
    raise UsageError(
        f"Backbone {reference!r} is neither packaged, nor a folder, nor a Hub id. " + nearest(reference, PACKAGED)
    )


def _known_hub_names() -> set[str]:
    """Return the papers' Hub models whose id has no owner, which would otherwise look like a typing error."""
    return {
        "bert-base-uncased", "bert-large-uncased", "roberta-base", "roberta-large", "albert-xxlarge-v2",
        "gpt2", "gpt2-large", "xlnet-large-cased",
    }  # fmt: skip


def _from_folder(folder: Path) -> Backbone:
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise UsageError(f"{folder} is not a backbone. Add config.json and weights in safetensors.")
    files = sorted(p for pattern in _HUB_FILES for p in folder.glob(pattern))
    revision = fingerprint({p.name: file_fingerprint(p) for p in files})
    # The name becomes part of a path and of a table, so replace spaces and slashes.
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", folder.name).strip("-._+") or "folder"
    if len(name) > NAME_LIMIT:
        name = f"{name[: NAME_LIMIT - 9]}-{hashlib.sha256(os.fsencode(folder.name)).hexdigest()[:8]}"
    return Backbone(name, f"folder:{name}", revision, folder)


def _from_hub(repository: str, revision: str | None) -> Backbone:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(
            snapshot_download(repository, revision=revision, allow_patterns=_HUB_FILES, local_files_only=offline())
        )
    except HFValidationError as error:
        raise UsageError(f"Backbone {repository!r} is not a Hub id of the form owner/name.") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UnavailableError(
            f"Backbone {repository!r} is not in the Hub cache and cannot be fetched ({type(error).__name__}). Run "
            f"`hf download {repository}` on a connected machine, or name a folder."
        ) from error
    if not list(path.glob("*.safetensors")):
        raise UnavailableError(f"Backbone {repository!r} has no safetensors weights; Temper loads only safetensors.")
    # The snapshot folder is named after the commit, also if the reference names a branch or tag.
    return Backbone(repository.rsplit("/", 1)[-1], f"hub:{repository}", path.name, path)


def packaged_backbones() -> dict[str, str]:
    """Return the packaged backbones' descriptions by name."""
    manifest = load_manifest()
    return {name: manifest[resource].description for name, resource in PACKAGED.items()}
