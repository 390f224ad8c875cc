"""Libraries of other versions than the installed ones, as the product sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import pytest

from messaging.libraries import versions


@contextmanager
def installed(library: str, version: str) -> Iterator[None]:
    """Inside this context, report ``version`` for the installed ``library``."""
    actual = metadata.version

    def reported(name: str) -> str:
        return version if name == library else actual(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "version", reported)
        versions.is_made_for.cache_clear()
        try:
            yield
        finally:
            versions.is_made_for.cache_clear()
