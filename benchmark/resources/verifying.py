"""Verify: hash everything that was fetched, and set aside what is not what it must be."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.resources.files import check_digest, digest_of, disk_errors, set_aside
from benchmark.resources.locations import archives_folder, cache_root, damage, resource_folder
from benchmark.resources.manifest import Resource, select
from benchmark.resources.progress import Progress, Silent, task
from benchmark.resources.receipt import full_problems
from benchmark.schema.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found of one resource.

    Attributes:
        name: the resource.
        outcome: ``ok``, ``absent``, or ``refused`` when anything of it failed.
        problems: one sentence for each thing that failed.
        set_aside: where the files that failed lie now.
    """

    name: str
    outcome: Literal["ok", "absent", "refused"]
    problems: tuple[str, ...] = ()
    set_aside: tuple[Path, ...] = ()


def verify(names: Iterable[str] | None = None, *, progress: Progress | None = None) -> tuple[Verification, ...]:
    """Hash every extracted file and kept archive of the resources; None for the whole manifest.

    What fails is renamed to ``….refused-<n>``, so that the next fetch replaces it (from the archive if that is sound).

    Raises:
        UsageError: an unknown name.
        TemperError: the cache cannot be read or renamed in.
    """
    with disk_errors(cache_root()):
        return tuple(_verify(resource, progress or Silent()) for resource in select(names))


def _verify(resource: Resource, progress: Progress) -> Verification:
    if resource.kind == "packaged":
        wrong = tuple(damage(resource) or ())
        return Verification(resource.name, "refused" if wrong else "ok", wrong)
    problems, moved = _verify_archives(resource, progress)
    folder = resource_folder(resource)
    if not folder.is_dir():
        return Verification(resource.name, "refused" if problems else "absent", tuple(problems), tuple(moved))
    with task(progress, f"checking {resource.name}", resource.unpacked):
        wrong_files = [f"{folder}: {problem}." for problem in full_problems(folder, resource, progress)]
    if wrong_files:
        moved.append(set_aside(folder))
    problems += wrong_files
    return Verification(resource.name, "refused" if problems else "ok", tuple(problems), tuple(moved))


def _verify_archives(resource: Resource, progress: Progress) -> tuple[list[str], list[Path]]:
    problems, moved = [], []
    for carrier in resource.carriers:
        path = archives_folder() / carrier.file
        if not carrier.file or not path.is_file():
            continue
        with task(progress, f"checking {path.name}", path.stat().st_size):
            found = digest_of(path, progress)
        try:
            check_digest(path, found, carrier.sha256, carrier.size)
        except IntegrityError as error:
            problems.append(str(error))
            moved.append(set_aside(path))
    return problems, moved
