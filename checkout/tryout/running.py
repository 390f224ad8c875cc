"""The address of the try-out that runs on this machine, so that other commands find it, and its files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def announced(root: Path, url: str) -> Iterator[None]:
    """Write the address of this process's try-out to a file below its folder. Delete the file at the end."""
    file, text = _file(root), f"{os.getpid()} {url}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        yield
    finally:
        # Another try-out may have been started since.
        if _text(root) == text:
            file.unlink(missing_ok=True)


@contextmanager
def private_files() -> Iterator[None]:
    """Make files private that this process, or processes that it starts, create within the block."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def running_at(root: Path) -> str:
    """Return the address of the try-out that was started last, if it still runs; otherwise ""."""
    process, _, url = _text(root).partition(" ")
    with suppress(ValueError, ProcessLookupError, PermissionError):
        os.kill(int(process), 0)
        return url
    return ""


def _text(root: Path) -> str:
    with suppress(OSError):
        return _file(root).read_text()
    return ""


def _file(root: Path) -> Path:
    return root / ".local" / "running-at"
