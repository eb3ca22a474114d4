"""Verify fetched resources: hash every file, and quarantine what does not match the manifest."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.resources.cache import (
    archives_folder,
    cache_root,
    damage,
    disk_errors,
    full_problems,
    quarantine,
    resource_folder,
)
from benchmark.resources.checksum import Progress, Silent, check_digest, digest_of, task
from benchmark.resources.manifest import Resource, select
from benchmark.schema.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class Verification:
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


def verify(names: Iterable[str] | None = None, *, progress: Progress | None = None) -> tuple[Verification, ...]:
    """Hash every extracted file and kept archive of the resources; None for the whole manifest.

    What fails is renamed to ``….refused-<n>``. The next fetch replaces it, from the archive if that is valid.

    Raises:
        UsageError: an unknown name.
        TemperError: the cache cannot be read or written.
    """
    with disk_errors(cache_root()):
        return tuple(_verify(resource, progress or Silent()) for resource in select(names))


def _verify(resource: Resource, progress: Progress) -> Verification:
    if resource.kind == "packaged":
        damaged = tuple(damage(resource) or ())
        return Verification(resource.name, "refused" if damaged else "ok", damaged)
    problems, moved = _verify_archives(resource, progress)
    folder = resource_folder(resource)
    if not folder.is_dir():
        return Verification(resource.name, "refused" if problems else "absent", tuple(problems), tuple(moved))
    with task(progress, f"checking {resource.name}", resource.unpacked):
        file_problems = [f"{folder}: {problem}." for problem in full_problems(folder, resource, progress)]
    if file_problems:
        moved.append(quarantine(folder))
    problems += file_problems
    return Verification(resource.name, "refused" if problems else "ok", tuple(problems), tuple(moved))


def _verify_archives(resource: Resource, progress: Progress) -> tuple[list[str], list[Path]]:
    problems, moved = [], []
    for carrier in resource.carriers:
        path = archives_folder() / carrier.file
        if not carrier.file or not path.is_file():
            continue
        with task(progress, f"checking {path.name}", path.stat().st_size):
            digest = digest_of(path, progress)
        try:
            check_digest(path, digest, carrier.sha256, carrier.size)
        except IntegrityError as error:
            problems.append(str(error))
            moved.append(quarantine(path))
    return problems, moved
