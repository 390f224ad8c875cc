"""A check of each request's Content-Type, before Django or Python's codecs read it.

Python keeps the name of every codec that was ever looked up, known or not, and some codecs take quadratic
time. Django looks up what the header names when it makes a request, and what the parts of a multipart form
name when it reads the form. So the header may name the usual charsets only, and has no parameters of RFC
2231, which name one as well; and multipart forms, which none of our pages sends, are not accepted.
"""

import re
from collections.abc import Awaitable, Mapping
from typing import Any

from payments_gateway.serving.problems import MALFORMED
from payments_gateway.serving.scope import REFUSED, Application, Receive, Scope, Send

MAX_BYTES = 256
# All of these are decoded in linear time.
_CHARSET = re.compile(
    rb"utf-?8|(?:us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|(?:windows-|cp)125\d|utf-?16(?:-?[bl]e)?"
)


class ContentTypeLimit:
    """A middleware that refuses requests whose Content-Type the application does not have to understand.

    It leaves the header out, stores the refusal in the scope, and the middleware inside makes the answer.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and not all(
            is_accepted(value) for name, value in scope["headers"] if name == b"content-type"
        ):
            scope = without_content_type(scope)
            scope.setdefault(REFUSED, MALFORMED)
        return self._application(scope, receive, send)


def without_content_type(scope: Mapping[str, Any]) -> Scope:
    """Return a copy of the scope without this header."""
    return {**scope, "headers": [field for field in scope["headers"] if field[0] != b"content-type"]}


def is_accepted(content_type: bytes) -> bool:
    """Return True if a Content-Type is short, of one part, and names at most one charset, a usual one."""
    value = content_type.lower()
    if len(value) > MAX_BYTES or b"*" in value or value.lstrip().startswith(b"multipart/"):
        return False
    _, *charsets = re.split(rb"charset\s*=", value)
    return len(charsets) <= 1 and all(_is_usual(charset) for charset in charsets)


def _is_usual(charset: bytes) -> bool:
    return _CHARSET.fullmatch(charset.split(b";", 1)[0].strip(b" \t\"'")) is not None
