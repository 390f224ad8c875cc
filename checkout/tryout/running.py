"""The try-out that runs here: its address, so that other commands find it, and its files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def announced(root: Path, url: str) -> Iterator[None]:
    """Announce the address of the try-out of this process, below its folder, for as long as it runs."""
    file, text = _file(root), f"{os.getpid()} {url}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        yield
    finally:
        # Another one may have been started since.
        if _text(root) == text:
            file.unlink(missing_ok=True)


@contextmanager
def private_files() -> Iterator[None]:
    """Let no other user read the files that are made in the block, also by processes that it starts."""
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
