"""Screenshots of pages for people to look at, in the folder that SCREENSHOTS names."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

FOLDER = os.environ.get("SCREENSHOTS", "")
HEIGHT = 800
WIDTHS = [320, 1280]
pictures = [
    pytest.mark.browser,
    # Each test takes many screenshots, and the first one of a module starts a whole stack.
    pytest.mark.timeout(240),
    pytest.mark.skipif(not FOLDER, reason="SCREENSHOTS names no folder for pictures"),
]


def sized(width: int) -> dict[str, int]:
    """Return the size of a window of this width, in CSS pixels."""
    return {"width": width, "height": HEIGHT}


def picture(page: Page, name: str, width: int, *, full_page: bool = True) -> None:
    """Save a screenshot, and check that the page does not scroll sideways."""
    page.screenshot(path=Path(FOLDER) / f"{name}-{width}.png", full_page=full_page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
