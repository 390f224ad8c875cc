"""The form of the web addresses that people may enter, and the origin in each.

Such an address is used in requests, pages and policies. So it has no character that two parsers may read
differently: no user, no backslash, no fragment, no blank, no empty label, nothing beyond ASCII.
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
    """The part of an address that determines the receiver."""

    scheme: Scheme
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self._with_port(_DEFAULT_PORTS[self.scheme])}"

    @property
    def as_secure_host(self) -> str:
        """The host, and the port if it is not that of HTTPS."""
        return self._with_port(_DEFAULT_PORTS["https"])

    def _with_port(self, implied: int) -> str:
        return self.host if self.port == implied else f"{self.host}:{self.port}"


def origin_of(url: object) -> Origin | None:
    """Return the origin of an address in lower case; None for anything that is no such address."""
    if not isinstance(url, str) or len(url) > MAX_CHARACTERS:
        return None
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return None
    scheme: Scheme = "https" if found["scheme"].lower() == "https" else "http"
    host = found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    return Origin(scheme, host, port) if port < 65_536 else None
