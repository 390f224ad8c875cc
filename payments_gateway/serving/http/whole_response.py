"""A complete response as one string of bytes, to be sent in one write."""

import re
from collections.abc import Iterable
from http import HTTPStatus

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}
# RFC 9110, sections 5.1 and 5.5: characters that cannot be in a header's name and in its value.
NOT_IN_A_NAME = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\[\]={} \t\\"]')
NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Headers that determine where a response ends. If an application sets one of them, it is not overruled.
FRAMING = (b"connection", b"content-length", b"transfer-encoding")
Headers = Iterable[tuple[bytes, bytes]]
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class FramedError(Exception):
    """The response determines its end itself and needs no Content-Length."""


def whole_response(
    status: int, default: Headers, headers: Headers, body: bytes, *, keep_alive: bool
) -> bytes:
    """Return a response with its Content-Length.

    Raises FramedError for a response without a body or with framing of its own, and ValueError for a header
    that HTTP cannot carry.
    """
    if status in WITHOUT_BODY:
        raise FramedError(status)
    parts = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    for name, value in default:
        parts += (name, b": ", value, b"\r\n")
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    names = b"".join(parts[1::4]).lower()
    if any(framing in names for framing in FRAMING):
        raise FramedError(status)
    if NOT_IN_A_NAME.search(names) or NOT_IN_A_VALUE.search(b"".join(parts[3::4])):
        raise ValueError("A header must not hold control characters, nor its name anything but a token.")
    if not keep_alive:
        parts.append(b"connection: close\r\n")
    parts.append(b"content-length: %d\r\n\r\n" % len(body))
    parts.append(body)
    return b"".join(parts)
