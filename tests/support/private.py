"""Files that other users of the machine could read."""

from pathlib import Path


def readable_by_others(folder: Path) -> list[Path]:
    """Return the files and folders below a folder that any user may read."""
    return [each for each in folder.rglob("*") if not each.is_symlink() and each.stat().st_mode & 0o004]
