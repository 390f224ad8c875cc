"""The check that a request is for one of our hosts, ``ALLOWED_HOSTS``."""

from functools import lru_cache

from django.core.signals import setting_changed
from django.http import HttpRequest

# RFC 1035, section 2.3.4, plus a port.
_LONGEST_HOST = 255 + 6


def require_known_host(request: HttpRequest) -> None:
    """Raise DisallowedHost for a host that is not ours. Names that are ours are cached."""
    host = request.META.get("HTTP_HOST")
    if host is None or len(host) > _LONGEST_HOST or "HTTP_X_FORWARDED_HOST" in request.META:
        request.get_host()
    else:
        require_host(host)


# Refused hosts raise, so they are not cached.
@lru_cache(maxsize=256)
def require_host(host: str) -> None:
    """Raise DisallowedHost unless the name is one of our hosts."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    request.get_host()


def _invalidate_hosts(**_change: object) -> None:
    require_host.cache_clear()


# For tests, which change settings; in a running process settings stay the same.
setting_changed.connect(_invalidate_hosts)
