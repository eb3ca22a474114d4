"""The cache of resources on this machine: its folders and receipts, their state and verification, and disk errors."""

import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmark.resources.checksum import Digest, Progress, Silent, check_file, digest_of, task
from benchmark.resources.manifest import Carrier, Resource, find_resource, select
from benchmark.schema.atomic_io import DISK_FULL
from benchmark.schema.canonical import canonical_json, fingerprint
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError, nearest

State: TypeAlias = Literal["present", "absent", "damaged"]
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_PACKAGE = Path(__file__).resolve().parent.parent
RECEIPT = ".temper-receipt.json"


def cache_root() -> Path:
    """Return Temper's cache folder: ``TEMPER_CACHE``, or ``~/.cache/temper``; it need not exist yet."""
    if folder := os.environ.get("TEMPER_CACHE", "").strip():
        try:
            return expanded(folder).absolute()
        except UsageError as error:
            raise UsageError(f"TEMPER_CACHE={error}") from error
    try:
        return Path("~/.cache/temper").expanduser().absolute()
    except RuntimeError as error:
        raise UsageError("This user has no home folder. Set TEMPER_CACHE to a folder for Temper's files.") from error


def expanded(path: str | Path) -> Path:
    """Replace a ``~`` or ``~user`` at the start of a path by the home folder.

    Raises:
        UsageError: there is no such user, or the user has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: {Path(path).parts[0]} is not a home folder here. Write the whole path.") from error


def offline() -> bool:
    """Return whether ``TEMPER_OFFLINE`` forbids the network.

    Raises:
        UsageError: its value is not a known yes or no.
    """
    value = os.environ.get("TEMPER_OFFLINE", "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise UsageError(f"TEMPER_OFFLINE={value!r} is neither 1 nor 0. {nearest(value, (_TRUE | _FALSE) - {''})}")
    return value in _TRUE


def archives_folder() -> Path:
    """Return the folder of downloaded archives."""
    return cache_root() / "archives"


def resource_folder(resource: Resource) -> Path:
    """Return the folder of a resource's extracted files, which need not exist, or of a packaged file."""
    if resource.kind == "packaged":
        return (_PACKAGE / resource.file).parent
    return cache_root() / "resources" / resource.slug


def locate(name: str) -> Path:
    """Return the folder of a resource's extracted files, after a check of names and sizes against its receipt.

    `verify` also checks the hashes. For a packaged resource the folder is part of this distribution, and the hash of
    the file is checked here.

    Raises:
        UsageError: no resource has this name.
        UnavailableError: it is not on this machine; the message says how to get it.
        IntegrityError: files are missing or changed.
    """
    resource = find_resource(name)
    folder = resource_folder(resource)
    problems = damage(resource)
    if problems is None:
        raise UnavailableError(missing_sentence([resource]))
    if problems:
        raise IntegrityError(f"Resource {name} in {folder} is damaged: {problems[0]}. {_repair(resource)}.")
    return folder


def state(resource: Resource) -> State:
    """Return whether a resource is on this machine, by the same cheap check as `locate`."""
    problems = damage(resource)
    return "absent" if problems is None else "damaged" if problems else "present"


def damage(resource: Resource) -> list[str] | None:
    """List the problems of a resource's files; empty if there are none, None if there are no files."""
    folder = resource_folder(resource)
    if resource.kind != "packaged":
        return list(cheap_problems(folder, resource)) if folder.is_dir() else None
    path = _PACKAGE / resource.file
    if not path.is_file():
        return [f"{path.name} is missing"]
    sha256 = digest_of(path, Silent()).sha256
    return [] if sha256 == resource.sha256 else [f"{path.name} has the sha256 {sha256} instead of {resource.sha256}"]


def missing_sentence(resources: Sequence[Resource]) -> str:
    """Return a sentence that names missing resources and how to get them, with and without the network."""
    names = " ".join(resource.name for resource in resources)
    listed = ", ".join(f"{resource.name} ({origin(resource)}, {resource.size / 1e6:.1f} MB)" for resource in resources)
    missing = f"{listed} {'is' if len(resources) == 1 else 'are'} not in {cache_root()}"
    fetch = f"temper resources fetch {names}"
    if all(resource.kind == "folder" for resource in resources):
        return f"{missing}: put the file into a folder and run `TEMPER_RESOURCES_DIR=FOLDER {fetch}`."
    if not offline():
        return f"{missing}: run `{fetch}`."
    return (
        f"{missing}, and TEMPER_OFFLINE=1 forbids the network: on a connected machine run "
        f"`TEMPER_CACHE=FOLDER {fetch}`, copy FOLDER here, and either set TEMPER_CACHE to it "
        f"or run `TEMPER_RESOURCES_DIR=FOLDER {fetch}`."
    )


def origin(resource: Resource) -> str:
    """Return what a resource is fetched as: the requirement, or the file if it has none."""
    return resource.requirement or resource.file


def _repair(resource: Resource) -> str:
    if resource.kind == "packaged":
        return "Install the distribution again"
    return f"Run `temper resources fetch {resource.name}` to replace it"


def content_fingerprint(files: Mapping[str, Digest]) -> str:
    """Compute the fingerprint of extracted files: that of the JSON object {path: sha256 in hexadecimal digits}."""
    return fingerprint({path: digest.sha256 for path, digest in files.items()})


def write_receipt(folder: Path, resource: Resource, carrier: Carrier, files: Mapping[str, Digest]) -> None:
    """Write the receipt of an extracted folder; it holds no time stamp, so equal files have equal receipts."""
    listing = {path: {"sha256": digest.sha256, "size": digest.size} for path, digest in files.items()}
    receipt = {
        "schema": 1, "name": resource.name, "version": resource.version, "content": resource.content,
        "carrier": carrier.file or carrier.requirement, "archive": f"sha256:{carrier.sha256}", "files": listing,
    }  # fmt: skip
    (folder / RECEIPT).write_text(canonical_json(receipt) + "\n", encoding="utf-8")


def cheap_problems(folder: Path, resource: Resource) -> Iterator[str]:
    """Yield the problems of an extracted folder that its receipt and the file sizes show; no content is read."""
    files = _listing(folder)
    if files is None or content_fingerprint(files) != resource.content:
        yield f"{RECEIPT} is missing, damaged or not that of {resource.name} {resource.version}"
        return
    for path, digest in files.items():
        yield from _size_problem(folder / path, path, digest.size)


def full_problems(folder: Path, resource: Resource, progress: Progress) -> Iterator[str]:
    """Yield all problems of an extracted folder: every file is hashed, and no other file may exist."""
    problems = list(cheap_problems(folder, resource))
    yield from problems
    if problems:
        return
    files = _listing(folder) or {}
    for path, digest in files.items():
        sha256 = digest_of(folder / path, progress).sha256
        if sha256 != digest.sha256:
            yield f"{path} has the sha256 {sha256} instead of {digest.sha256}"
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    present = {path.relative_to(folder).as_posix() for path in paths}
    yield from (f"{path} is not part of the resource" for path in sorted(present - set(files) - {RECEIPT}))


def _size_problem(path: Path, name: str, size: int) -> Iterator[str]:
    try:
        status = path.lstat()
    except OSError:
        yield f"{name} is missing"
        return
    if not stat.S_ISREG(status.st_mode):
        yield f"{name} is not a regular file"
    elif status.st_size != size:
        yield f"{name} has {status.st_size:,} bytes instead of {size:,}"


def _listing(folder: Path) -> dict[str, Digest] | None:
    """Read the files that the receipt lists; None if there is no readable receipt."""
    try:
        receipt: Any = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        return {str(path): Digest(str(item["sha256"]), int(item["size"])) for path, item in receipt["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def quarantine(path: Path) -> Path:
    """Rename a file or folder that failed a check to ``<name>.refused-<n>`` and return its new path."""
    number = 1
    while (target := path.with_name(f"{path.name}.refused-{number}")).exists():
        number += 1
    path.rename(target)
    return target


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one sentence that names the folder and what to do."""
    try:
        yield
    except OSError as error:
        hint = f"{folder} (set TEMPER_CACHE to use another folder)"
        if error.errno in DISK_FULL:
            raise TemperError(f"The disk is full. No partial files were kept. Free some space at {hint}.") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise TemperError(f"No permission to write {error.filename or folder}. Check {hint}.") from error
        reason = error.strerror or error
        raise TemperError(f"Reading or writing {error.filename or folder} failed: {reason}. Check {hint}.") from error


def require_space(folder: Path, needed: int) -> None:
    """Raise ENOSPC if the disk of `folder` has fewer than `needed` bytes free."""
    stats = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if stats is not None and stats.f_bavail * stats.f_frsize < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


@dataclass(frozen=True, slots=True)
class ResourceVerification:
    """Result of `verify` for one resource.

    Attributes:
        name: the resource.
        outcome: ``ok``, ``absent``, or ``refused`` if any check failed.
        problems: one sentence per failure.
        quarantined: new paths of the files and folders that failed.
    """

    name: str
    outcome: Literal["ok", "absent", "refused"]
    problems: tuple[str, ...] = ()
    quarantined: tuple[Path, ...] = ()


def verify(names: Iterable[str] | None = None, *, progress: Progress | None = None) -> tuple[ResourceVerification, ...]:
    """Hash every extracted file and kept archive of the resources; None for the whole manifest.

    What fails is renamed to ``….refused-<n>``. The next fetch replaces it, from the archive if that is valid.

    Raises:
        UsageError: an unknown name.
        TemperError: the cache cannot be read or written.
    """
    with disk_errors(cache_root()):
        return tuple(_verify(resource, progress or Silent()) for resource in select(names))


def _verify(resource: Resource, progress: Progress) -> ResourceVerification:
    if resource.kind == "packaged":
        damaged = tuple(damage(resource) or ())
        return ResourceVerification(resource.name, "refused" if damaged else "ok", damaged)
    problems, moved = _verify_archives(resource, progress)
    folder = resource_folder(resource)
    if not folder.is_dir():
        return ResourceVerification(resource.name, "refused" if problems else "absent", tuple(problems), tuple(moved))
    with task(progress, f"checking {resource.name}", resource.unpacked):
        file_problems = [f"{folder}: {problem}." for problem in full_problems(folder, resource, progress)]
    if file_problems:
        moved.append(quarantine(folder))
    problems += file_problems
    return ResourceVerification(resource.name, "refused" if problems else "ok", tuple(problems), tuple(moved))


def _verify_archives(resource: Resource, progress: Progress) -> tuple[list[str], list[Path]]:
    problems, moved = [], []
    for carrier in resource.carriers:
        path = archives_folder() / carrier.file
        if not carrier.file or not path.is_file():
            continue
        try:
            check_file(path, carrier.sha256, carrier.size, progress)
        except IntegrityError as error:
            problems.append(str(error))
            moved.append(quarantine(path))
    return problems, moved
