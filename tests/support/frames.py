"""Buttons in frames of another site."""

from playwright.sync_api import Locator


def click_in_frame(button: Locator) -> None:
    """Click on a button that stands in a frame.

    On a busy machine Chromium loses a mouse click on another site's frame that was painted a moment ago: the
    click is routed by the picture before. So the frame's own process is asked to click.
    """
    button.dispatch_event("click")
