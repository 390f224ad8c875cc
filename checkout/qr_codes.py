"""QR codes as SVG."""

from io import BytesIO
from typing import Any

import segno
from django.utils.safestring import SafeString, mark_safe


def qr_code(text: str) -> SafeString:
    """Return the image of a text for embedding in a page, without scripts and inline styles.

    The background is white, so that cameras can read the code on a dark page as well.
    """
    return mark_safe(_image(text).svg_inline(**_LOOK))  # noqa: S308


def qr_code_file(text: str) -> bytes:
    """Return the image of a text as an SVG file."""
    file = BytesIO()
    _image(text).save(file, kind="svg", **_LOOK)
    return file.getvalue()


_LOOK: dict[str, Any] = {"scale": 4, "border": 4, "dark": "#000", "light": "#fff", "omitsize": False}


def _image(text: str) -> segno.QRCode:
    return segno.make(text, error="m", micro=False)
