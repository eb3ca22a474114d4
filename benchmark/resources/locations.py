"""Where resources lie on this machine, and what to say when they do not."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from benchmark.resources.files import digest_of
from benchmark.resources.manifest import Resource, find_resource
from benchmark.resources.progress import Silent
from benchmark.resources.receipt import cheap_problems
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError, nearest

State: TypeAlias = Literal["present", "absent", "damaged"]
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_PACKAGE = Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """Folder of all that Temper keeps: ``TEMPER_CACHE``, or ``~/.cache/temper``; it need not exist yet."""
    try:
        chosen = os.environ.get("TEMPER_CACHE", "").strip() or "~/.cache/temper"
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError("This user has no home folder; set TEMPER_CACHE to a folder for Temper's files.") from error


def offline() -> bool:
    """Whether ``TEMPER_OFFLINE`` forbids the network.

    Raises:
        UsageError: it is set to something that is neither yes nor no.
    """
    value = os.environ.get("TEMPER_OFFLINE", "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise UsageError(f"TEMPER_OFFLINE={value!r} is neither 1 nor 0. {nearest(value, (_TRUE | _FALSE) - {''})}")
    return value in _TRUE


def archives_folder() -> Path:
    """Folder of downloaded archives."""
    return cache_root() / "archives"


def resource_folder(resource: Resource) -> Path:
    """Folder of a resource's extracted files; it need not exist. For a packaged one, the folder that holds its file."""
    if resource.kind == "packaged":
        return (_PACKAGE / resource.file).parent
    return cache_root() / "resources" / resource.slug


def locate(name: str) -> Path:
    """Folder of a resource's extracted files, checked against its receipt by name and size (see `verify` for hashes).

    For a packaged resource it is the folder inside this distribution that holds the file, whose hash is checked.

    Raises:
        UsageError: no resource has this name.
        UnavailableError: it is not on this machine; the sentence says how to get it.
        IntegrityError: files are missing or changed.
    """
    resource = find_resource(name)
    folder = resource_folder(resource)
    problems = damage(resource)
    if problems is None:
        raise UnavailableError(missing_sentence([resource]))
    if problems:
        raise IntegrityError(f"The resource {name} in {folder} is damaged: {problems[0]}; {_repair(resource)}.")
    return folder


def state(resource: Resource) -> State:
    """Whether a resource is on this machine, by the same cheap check as `locate`."""
    problems = damage(resource)
    return "absent" if problems is None else "damaged" if problems else "present"


def damage(resource: Resource) -> list[str] | None:
    """What is wrong with a resource's files; empty when nothing is, None when there are none."""
    folder = resource_folder(resource)
    if resource.kind != "packaged":
        return list(cheap_problems(folder, resource)) if folder.is_dir() else None
    path = _PACKAGE / resource.file
    if not path.is_file():
        return [f"{path.name} is missing"]
    found = digest_of(path, Silent()).sha256
    return [] if found == resource.sha256 else [f"{path.name} has the sha256 {found} instead of {resource.sha256}"]


def missing_sentence(resources: Sequence[Resource]) -> str:
    """One sentence that says what is not here, and how to get it with and without the network."""
    names = " ".join(resource.name for resource in resources)
    listed = ", ".join(f"{resource.name} ({origin(resource)}, {resource.size / 1e6:.1f} MB)" for resource in resources)
    absent = f"{listed} {'is' if len(resources) == 1 else 'are'} not in {cache_root()}"
    fetch = f"temper resources fetch {names}"
    if all(resource.kind == "folder" for resource in resources):
        return f"{absent}: put the file into a folder and run `TEMPER_RESOURCES_DIR=FOLDER {fetch}`."
    if not offline():
        return f"{absent}: run `{fetch}`."
    return (
        f"{absent}, and TEMPER_OFFLINE=1 forbids the network: on a connected machine run "
        f"`TEMPER_CACHE=FOLDER {fetch}`, carry FOLDER here, and either set TEMPER_CACHE to it "
        f"or run `TEMPER_RESOURCES_DIR=FOLDER {fetch}`."
    )


def origin(resource: Resource) -> str:
    """What a resource is fetched as: the requirement, or the file when it has none."""
    return resource.requirement or resource.file


def _repair(resource: Resource) -> str:
    if resource.kind == "packaged":
        return "install the distribution again"
    return f"run `temper resources fetch {resource.name}` to replace it"
