"""Multipart forms, with which browsers send files: only forms whose parts look as browsers write them.

In other forms, Django would look up charsets that the headers of a part name (RFC 2231), and decode encodings
of its own. Such a form is not read, as if its Content-Type had not been sent. The check takes time in
proportion to the size of the form.
"""

import re

MULTIPART = b"multipart/form-data"
MOST_PARTS = 100
_TYPE = re.compile(rb"multipart/form-data;[ ]?boundary=([A-Za-z0-9'_-]{1,70})")
# Neither quotation marks nor backslashes, at which Django could end a value early.
_TEXT = rb'"[^"\\\r\n]{0,255}"'
_HEADERS = re.compile(
    rb"\r\ncontent-disposition: form-data; name=%b(?:; filename=%b)?"
    rb"(?:\r\ncontent-type: [\w.+-]+/[\w.+-]+)?\r\n\r\n" % (_TEXT, _TEXT),
    re.IGNORECASE,
)


def is_plain_multipart(content_type: bytes) -> bool:
    """Return True if a Content-Type is that of a multipart form, as browsers write it."""
    return _TYPE.fullmatch(content_type) is not None


def is_plain_form(content_type: bytes, body: bytes) -> bool:
    """Return True if a multipart form has a few parts, each with the headers that browsers write."""
    found = _TYPE.fullmatch(content_type)
    if found is None:
        return False
    before, *parts = body.split(b"--" + found[1], MOST_PARTS + 1)
    if before or not parts or len(parts) > MOST_PARTS:
        return False
    *parts, end = parts
    return end in (b"--\r\n", b"--") and all(_HEADERS.match(part) for part in parts)
