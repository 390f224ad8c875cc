"""The limits of a request's line, headers and trailers, and the requirements of HTTP/1.1 on them."""

from collections import Counter
from urllib.parse import urlsplit

from payments_gateway.serving.problems import HEADERS_TOO_LARGE, MALFORMED, RefusedError

# The limit for the request line and headers together, for trailers, and for any unfinished part.
MAX_HEAD_BYTES = 65_536
MAX_FIELDS = 100
# The limit for all fields with one name: frameworks join them, and some take long to parse the result.
MAX_BYTES_OF_A_NAME = 16_384
MAX_TARGET_BYTES = 8_192

Headers = list[tuple[bytes, bytes]]


def require_size(url: bytes, headers: Headers) -> None:
    """Raise RefusedError for too large a head. Each field counts with its colon, space and line end."""
    sizes: Counter[bytes] = Counter()
    for name, value in headers:
        sizes[name] += len(name) + len(value) + 4
    if len(url) + sizes.total() > MAX_HEAD_BYTES or max(sizes.values(), default=0) > MAX_BYTES_OF_A_NAME:
        raise RefusedError(HEADERS_TOO_LARGE)


def origin_form(url: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Return the path and query of an absolute target, and the headers with its authority as Host.

    RFC 9112, section 3.2.2: the authority replaces the Host header, so it is checked like one. Raises
    RefusedError for any other kind of target.
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
