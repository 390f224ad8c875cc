"""Logos of merchants: images whose content alone decides their type and size, not their name.

SVG is not accepted, because it may contain scripts and load files of other hosts.
"""

import hashlib
import struct

LARGEST_BYTES = 100_000
MOST_PIXELS = 2_000
# The types, by the suffixes of our addresses.
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# The segments of JPEG that contain the size: start of frame, of each kind of coding.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NotALogo(ValueError):
    """A file that shoppers' pages do not show. The text says why, for staff."""


def name_of(content: bytes) -> str:
    """Return the name under which an image is kept: the digest of its content, and its type.

    Raises ``NotALogo`` if it is no image, or too large.
    """
    if len(content) > LARGEST_BYTES:
        raise NotALogo(f"The file may have at most {LARGEST_BYTES // 1000} kB.")
    ending, size = _measured(content)
    if not 0 < min(size) <= max(size) <= MOST_PIXELS:
        raise NotALogo(f"The image may be at most {MOST_PIXELS} pixels wide and high.")
    return f"{hashlib.sha256(content).hexdigest()}.{ending}"


def _measured(content: bytes) -> tuple[str, tuple[int, int]]:
    try:
        if content.startswith(_PNG) and content[12:16] == b"IHDR" and content[-8:-4] == b"IEND":
            width, height = struct.unpack(">II", content[16:24])
            return "png", (width, height)
        if content.startswith(_JPEG) and content.endswith(b"\xff\xd9"):
            return "jpg", _size_of_jpeg(content)
    except struct.error:
        pass
    raise NotALogo("The file is not a whole PNG or JPEG image.")


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    position = 2
    while True:
        marker, code, length = struct.unpack(">BBH", content[position : position + 4])
        if marker != 0xFF:
            raise NotALogo("The file is not a whole PNG or JPEG image.")
        if code in _FRAMES:
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        position += 2 + length
