"""The versions of libraries for which this project uses internals."""

from functools import cache
from importlib.metadata import version

import structlog

log = structlog.get_logger(__name__)


@cache
def is_made_for(library: str, release: str, shortcut: str) -> bool:
    """Return True if the installed library has the release, such as 1.4, whose internals are known.

    Otherwise write one line into the log for each process; the caller then uses the public interface.
    """
    installed = version(library)
    if f"{installed}.".startswith(f"{release}."):
        return True
    log.warning(
        "shortcut not taken", shortcut=shortcut, library=library, installed=installed, made_for=release
    )
    return False
