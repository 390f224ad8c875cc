"""A complete response as one string of bytes, to be sent in one write."""

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from payments_gateway.serving.scope import Header

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}
# RFC 9110, sections 5.1 and 5.5: characters that are not allowed in the name and in the value of a header.
NOT_IN_A_NAME = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\[\]={} \t\\"]')
NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Headers that determine where a response ends. If an application sets one of them, it is left as it is.
FRAMING = (b"connection", b"content-length", b"transfer-encoding")
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class FramedError(Exception):
    """The response marks its end itself, and needs no Content-Length."""


def whole_response(
    status: int,
    default: Iterable[Header],
    headers: Iterable[Header],
    body: bytes,
    *,
    usual: tuple[Header, ...] = (),
    keep_alive: bool,
) -> bytes:
    """Return a response with its Content-Length.

    The text of the ``usual`` headers is cached, because many responses have the same ones. Raises FramedError
    for a response without a body or with framing of its own, and ValueError for a header that HTTP cannot
    carry.
    """
    if status in WITHOUT_BODY:
        raise FramedError(status)
    status_line = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    connection = b"" if keep_alive else b"connection: close\r\n"
    texts = (_kept_text(tuple(default)), _kept_text(usual), text_of(headers) if headers else b"")
    return b"%b%b%b%b%bcontent-length: %d\r\n\r\n%b" % (status_line, *texts, connection, len(body), body)


def text_of(headers: Iterable[Header]) -> bytes:
    """Return the lines of these headers. Raises FramedError and ValueError, as ``whole_response`` does."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    names = b"".join(parts[::4]).lower()
    if any(framing in names for framing in FRAMING):
        raise FramedError(names)
    if NOT_IN_A_NAME.search(names) or NOT_IN_A_VALUE.search(b"".join(parts[2::4])):
        raise ValueError("A header must not hold control characters, nor its name anything but a token.")
    return b"".join(parts)


@lru_cache(maxsize=256)
def _kept_text(headers: tuple[Header, ...]) -> bytes:
    return text_of(headers)
