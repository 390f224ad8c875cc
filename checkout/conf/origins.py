"""The form of web addresses that people may enter, and the origin of an address.

Requests, pages and policies use such addresses. Therefore parts that two parsers may read differently are
refused: users, backslashes, fragments, blanks, empty labels, and characters beyond ASCII.
"""

import re
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["http", "https"]
MAX_CHARACTERS = 500
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?:[/?][\w.~:@!$&'()*+,;=%/?-]*)?",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an address: scheme, host and port."""

    scheme: Scheme
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self._with_port(_DEFAULT_PORTS[self.scheme])}"

    @property
    def as_secure_host(self) -> str:
        """The host, with the port unless it is HTTPS's default."""
        return self._with_port(_DEFAULT_PORTS["https"])

    def _with_port(self, implied: int) -> str:
        return self.host if self.port == implied else f"{self.host}:{self.port}"


def origin_of(url: object) -> Origin | None:
    """Return the origin of an address, in lower case; None if the address does not have the required form."""
    if not isinstance(url, str) or len(url) > MAX_CHARACTERS:
        return None
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return None
    scheme: Scheme = "https" if found["scheme"].lower() == "https" else "http"
    host = found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    return Origin(scheme, host, port) if port < 65_536 else None
