"""Removal of headers that make Django look up a charset whose name the client chooses, before any view.

Python keeps the name of every codec that was ever looked up, known or not, and some codecs take quadratic
time. Django looks up the charset of a Content-Type, charsets in RFC 2231 parameters of Content-Type and
Accept, and charsets in the parts of a multipart form.
"""

import re
from collections.abc import Awaitable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from payments_gateway.serving.scope import Application, Receive, Scope, Send
from payments_gateway.serving.security.plain_forms import is_plain_multipart

MAX_CONTENT_TYPE_BYTES = 256
CONTENT_TYPE, ACCEPT = b"content-type", b"accept"
# A media type and its parameters (RFC 9110, section 8.3.1), without semicolons in quotation marks, and
# without names that end with an asterisk, which RFC 2231 uses.
_PARAMETER = rb"(?:[\w-]+=(?:\"[\w .:'()/=?,+-]*\"|[\w.:+-]*))?"
_MEDIA_TYPE = re.compile(rb"[\w.+-]+/[\w.+-]+[ \t]*(?:;[ \t]*%b[ \t]*)*" % _PARAMETER)
_CHARSET = re.compile(rb";[ \t]*charset=\"?([^;\" \t]*)")
# All of these are decoded in linear time.
_USUAL = re.compile(
    rb"utf-?8|(?:us-)?ascii|latin-?1|iso[-_]?8859[-_]\d{1,2}|(?:windows-|cp)125\d|utf-?16(?:-?[bl]e)?"
)


class PlainHeaders:
    """A middleware that removes a Content-Type or Accept that is not plain, as if it had not been sent.

    A Content-Type is plain if it is the only one, has the usual form, and names at most one charset, a usual
    one. That of a multipart form must be as browsers write it; the form itself is checked later
    (``plain_forms``). A view that needs a Content-Type refuses the request without it; other views ignore its
    absence.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            for name in _not_plain(scope["headers"]):
                scope = without(name, scope)
        return self._application(scope, receive, send)


def _not_plain(headers: Iterable[tuple[bytes, bytes]]) -> Collection[bytes]:
    """Return the names of the headers that are not plain, or that occur twice and may not."""
    names: tuple[bytes, ...] = ()
    has_content_type = False
    for name, value in headers:
        if name == CONTENT_TYPE:
            if has_content_type or not is_plain_content_type(value):
                names += (name,)
            has_content_type = True
        elif name == ACCEPT and not is_plain_accept(value):
            names += (name,)
    return names


def without(header: bytes, scope: Mapping[str, Any]) -> Scope:
    """Return a copy of the scope without this header."""
    return {**scope, "headers": [field for field in scope["headers"] if field[0] != header]}


def is_plain_content_type(value: bytes) -> bool:
    """Return True if a Content-Type has the usual form, one part, and at most one charset, a usual one."""
    return len(value) <= MAX_CONTENT_TYPE_BYTES and _has_usual_form(value)


# Nearly all requests have one of a few values, so results are cached. Those for longer values are not.
@lru_cache(maxsize=256)
def _has_usual_form(value: bytes) -> bool:
    if value.strip(b" \t").lower().startswith(b"multipart/"):
        return is_plain_multipart(value)
    value = value.strip(b" \t").lower()
    charsets = _CHARSET.findall(value)
    is_usual = len(charsets) <= 1 and all(_USUAL.fullmatch(charset) for charset in charsets)
    return is_usual and _MEDIA_TYPE.fullmatch(value) is not None


def is_plain_accept(value: bytes) -> bool:
    """Return True if every asterisk in an Accept stands for a type or subtype."""
    return b"*" not in value.replace(b"*/*", b"").replace(b"/*", b"")
