"""DRF classes for authentication, permission and throttle by API key. All run in a database thread."""

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from checkout.api.access.keys import find_key, hash_of, is_allowed_from, is_well_formed, record_use
from checkout.api.access.rate_limit import limit
from checkout.api.access.unknown_keys import unknown_keys
from checkout.api.answers import catalogue
from checkout.api.answers.refusal import header_error, refusal
from checkout.api.models import ApiKey
from checkout.payments.models import Merchant
from payments_gateway.serving.problems import sent_by

if TYPE_CHECKING:
    from checkout.api.requests.view import ApiView

HEADER = "Authorization"
_LONGEST = 200
_FORM = "The header is `Authorization: Bearer sk_…`."


class KeyAuthentication(BaseAuthentication):
    """Authentication by ``Authorization: Bearer sk_…``. The key's merchant becomes the request's user."""

    def authenticate(self, request: Request) -> tuple[Merchant, ApiKey]:
        """Return the merchant and the key. Raises a refusal that names the header."""
        secret = _secret_in(request.META.get("HTTP_AUTHORIZATION", ""))
        address, hashed = request.META.get("REMOTE_ADDR", ""), hash_of(secret)
        if seconds := unknown_keys.seconds_to_wait(address, hashed):
            raise refusal(catalogue.TOO_MANY_UNKNOWN_KEYS, headers={"Retry-After": str(seconds)})
        found = find_key(secret)
        if found is None:
            unknown_keys.count(address)
            raise header_error(catalogue.KEY_UNKNOWN, HEADER)
        key, merchant = found
        sent_by(request._request, key=key.pk, merchant=merchant.code)
        if key.is_revoked or key.is_expired:
            unknown_keys.count_ended(address, hashed)
        if key.is_revoked:
            raise header_error(catalogue.KEY_REVOKED, HEADER)
        if key.is_expired:
            raise header_error(catalogue.KEY_EXPIRED, HEADER)
        if not is_allowed_from(key, address):
            raise refusal(catalogue.NETWORK_NOT_ALLOWED)
        unknown_keys.remember(hashed)
        record_use(key)
        return merchant, key

    def authenticate_header(self, request: Request) -> str:
        """See ``BaseAuthentication``."""
        return 'Bearer realm="api"'


def _secret_in(header: str) -> str:
    if not header:
        raise header_error(catalogue.KEY_MISSING, HEADER)
    scheme, _, secret = header[:_LONGEST].partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer":
        raise header_error(catalogue.KEY_MALFORMED, HEADER, _FORM)
    if not is_well_formed(secret):
        raise header_error(catalogue.KEY_MALFORMED, HEADER)
    return secret


class HasScope(BasePermission):
    """The permission check: the key must have the scope that the view needs for the request's method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True. Raises a refusal that names the missing scope."""
        api_view: ApiView = view
        scope = api_view.scope_of(request.method or "")
        if scope not in request.auth.scopes:  # type: ignore[union-attr]
            raise refusal(catalogue.SCOPE_MISSING, f"The request needs the scope {scope}.", scope=str(scope))
        return True


class KeyThrottle(BaseThrottle):
    """The throttle of DRF that applies the key's limit on requests."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True, and store the rate limit's headers for the response.

        At the limit, raises a refusal with them.
        """
        quota = limit.spend(request.auth.pk)
        api_view: ApiView = view
        api_view.quota_headers = quota.headers()
        if quota.is_exceeded:
            raise refusal(catalogue.QUOTA_EXCEEDED)
        return True
