"""Compare folders byte for byte."""

from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
