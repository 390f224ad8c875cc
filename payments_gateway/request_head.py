"""The limits of a request's line, headers and trailers, and what HTTP/1.1 demands of them."""

from collections import Counter
from urllib.parse import urlsplit

from checkout.problems import HEADERS_TOO_LARGE, MALFORMED, RefusedError

# The limit of the request line and headers together, and of trailers; also of anything unfinished.
MAX_HEAD_BYTES = 65_536
MAX_FIELDS = 100
# The limit of all fields with one name: frameworks join them, and take long to understand some.
MAX_BYTES_OF_A_NAME = 16_384
MAX_TARGET_BYTES = 8_192

Headers = list[tuple[bytes, bytes]]


def require_size(url: bytes, headers: Headers) -> None:
    """Raise RefusedError for a head that is too large: each field has a colon, a space and a line's end."""
    sizes: Counter[bytes] = Counter()
    for name, value in headers:
        sizes[name] += len(name) + len(value) + 4
    if len(url) + sizes.total() > MAX_HEAD_BYTES or max(sizes.values(), default=0) > MAX_BYTES_OF_A_NAME:
        raise RefusedError(HEADERS_TOO_LARGE)


def origin_form(url: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Return the path and query of an absolute target, and headers in which its authority is the host.

    RFC 9112, section 3.2.2: such an authority replaces what Host says, and so it is checked like Host. Raises
    RefusedError for any other target.
    """
    try:
        target = urlsplit(url.decode("ascii"))
    except ValueError:
        raise RefusedError(MALFORMED) from None
    if target.scheme not in ("http", "https") or not target.netloc:
        raise RefusedError(MALFORMED)
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    others = [(name, value) for name, value in headers if name != b"host"]
    return path.encode("ascii"), [(b"host", target.netloc.encode("ascii")), *others]
