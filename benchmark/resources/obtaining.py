"""Obtain: a verified archive of a resource from the cache, a carried folder or the network, in this order."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.resources.files import check_digest, digest_of, pump, require_space, set_aside
from benchmark.resources.locations import archives_folder, missing_sentence, offline
from benchmark.resources.manifest import Carrier, Resource
from benchmark.resources.progress import Progress, task
from benchmark.resources.transport import Transport
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError

_LOG = logging.getLogger("temper.resources")


@dataclass(frozen=True, slots=True)
class Obtainer:
    """Ways to an archive.

    Attributes:
        progress: shows copies and hashes.
        source: folder of carried archives, or another machine's cache folder, if any.
        transport: downloads one carrier.
    """

    progress: Progress
    source: Path | None
    transport: Transport

    def local(self, resource: Resource) -> Iterator[tuple[Carrier, Path]]:
        """Files (archives) and folders (extracted trees) on this machine that could hold the resource, unverified."""
        carried = [self.source, self.source / "archives"] if self.source else []
        for carrier in resource.carriers:
            files = [place / carrier.file for place in (archives_folder(), *carried) if carrier.file]
            yield from ((carrier, path) for path in files if path.is_file())
        trees = [self.source / resource.slug, self.source / "resources" / resource.slug] if self.source else []
        bare = Carrier(resource.sha256, resource.size, resource.requirement, resource.file)
        yield from ((bare, tree) for tree in trees if tree.is_dir())

    def obtain(self, resource: Resource, downloads: Path) -> tuple[Carrier, Path]:
        """Find or download a resource.

        Args:
            resource: what is wanted.
            downloads: an empty temporary folder on the cache's disk.

        Returns:
            The carrier, and its verified archive in the cache, or a folder of members whose contents the caller checks.

        Raises:
            UnavailableError: it cannot be had from anywhere.
            IntegrityError: what was carried in or served is not the pinned file.
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
        """Whether a cached archive is the pinned file; one that is not is set aside."""
        try:
            self._check(carrier, path, path)
        except IntegrityError as error:
            _LOG.warning("%s It was set aside as %s.", error, set_aside(path).name)
            return False
        return True

    def _copied(self, carrier: Carrier, path: Path, downloads: Path) -> Path:
        """Copy a carried archive into the cache, verifying it on the way."""
        require_space(downloads, carrier.size)
        copy = downloads / carrier.file
        shown = task(self.progress, f"copying {carrier.file}", path.stat().st_size)
        with shown, path.open("rb") as source, copy.open("wb") as target:
            found = pump(source, target, self.progress)
        check_digest(path, found, carrier.sha256, carrier.size)
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
        # A file that was tampered with is worse news than one that is not there.
        raise next((error for error in failures if isinstance(error, IntegrityError)), failures[0])

    def _downloaded(self, resource: Resource, carrier: Carrier, folder: Path) -> Path:
        got = self.transport(resource, carrier, folder)
        if got.is_dir():
            return got
        kept = archives_folder() / carrier.file
        self._check(carrier, got, kept)
        return got.replace(kept)

    def _check(self, carrier: Carrier, path: Path, shown: Path) -> None:
        with task(self.progress, f"checking {shown.name}", path.stat().st_size):
            found = digest_of(path, self.progress)
        check_digest(path, found, carrier.sha256, carrier.size)


def local_only(resource: Resource) -> bool:
    """Whether a resource may not or cannot come over the network."""
    return offline() or resource.kind == "folder"
