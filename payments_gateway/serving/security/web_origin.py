"""The check that only pages of this application, on one of our hosts, open WebSockets."""

from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost

from payments_gateway.serving.conf import conf
from payments_gateway.serving.scope import Application, Receive, Scope, Send
from payments_gateway.serving.security.hosts import require_host

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEMES = {"ws": "http", "wss": "https"}

Origin = tuple[str, str, int]


class OwnPagesOnly:
    """A middleware that refuses a handshake with 403 unless it comes from a page of ours.

    The origin must be that of the request or of ``PUBLIC_URL``. Scheme, host and port must be equal, as in
    CSRF protection. A handshake must have exactly one ``Host``, one of ``ALLOWED_HOSTS``, and exactly one
    ``Origin``.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_own(scope):
            await self._application(scope, receive, send)
        else:
            await receive()  # the handshake itself
            await send({"type": "websocket.close"})


def _is_own(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    if len(hosts) != 1 or len(origins) != 1:
        return False
    try:
        require_host(hosts[0])
    except DisallowedHost:
        return False
    scheme = _SCHEMES.get(scope.get("scheme", "ws"), "")
    origin = _parse(origins[0])
    return origin is not None and origin in (_parse(f"{scheme}://{hosts[0]}"), _parse(conf.public_url))


def _parse(text: str) -> Origin | None:
    """Return scheme, host and port of an origin (RFC 6454), or None for any other text."""
    try:
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port
