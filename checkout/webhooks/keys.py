"""Make the signing secrets of endpoints, replace them with an overlap, and read them for signing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from django.db.models import Q
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.privacy.stored_secrets import is_sealed_with_newest_key, open_secret, seal_secret
from checkout.webhooks.models import SigningSecret, WebhookEndpoint
from checkout.webhooks.signing import Keys
from messaging.outbox.clock import server_time

log = structlog.get_logger(__name__)


def add_secret(endpoint: WebhookEndpoint) -> Keys:
    """Give the endpoint a new secret. Return the secret, which the merchant sees only once."""
    keys = Keys.new()
    SigningSecret.objects.create(
        endpoint=endpoint,
        sealed_hmac=seal_secret(keys.secret, endpoint.reference),
        sealed_private_key=seal_secret(keys.private_text, endpoint.reference),
        public_key=keys.public_key,
    )
    return keys


def replace_secret(endpoint: WebhookEndpoint, overlap: timedelta) -> Keys:
    """Give the locked endpoint a new secret. The previous secret signs until the overlap ends.

    Earlier secrets, which receivers may still use, sign until their own overlap ends.
    """
    endpoint.secrets.filter(expires_at=None).update(expires_at=timezone.now() + overlap)
    return add_secret(endpoint)


def ending_secrets(endpoint: WebhookEndpoint) -> int:
    """Return the number of replaced secrets that still sign."""
    return endpoint.secrets.filter(expires_at__gt=timezone.now()).count()


def keys_of(endpoints: Collection[WebhookEndpoint]) -> Mapping[int, Sequence[Keys] | None]:
    """Return the keys that sign now, newest first, by the endpoint's primary key.

    Secrets that this process cannot decrypt with its secret keys are left out. If none of an endpoint's
    secrets can be decrypted, its value is None.
    """
    owners = {endpoint.pk: endpoint.reference for endpoint in endpoints}
    rows = SigningSecret.objects.filter(_valid_at(timezone.now()), endpoint__in=owners)
    found: dict[int, list[Keys]] = {pk: [] for pk in owners}
    unreadable = set()
    for secret in rows:
        pk = secret.endpoint_id
        try:
            sealed = (secret.sealed_hmac, secret.sealed_private_key)
            found[pk].append(_opened(*sealed, owners[pk], tuple(conf.secret_keys)))
        except StoredSecretUnreadable:
            unreadable.add(pk)
    return {pk: None if pk in unreadable and not keys else keys for pk, keys in found.items()}


@lru_cache(maxsize=4096)
def _opened(sealed_hmac: str, sealed_private_key: str, owner: str, _secret_keys: tuple[str, ...]) -> Keys:
    """Return the decrypted keys. ``_secret_keys`` is part of the cache's key, so that a change is noticed."""
    return Keys.of(open_secret(sealed_hmac, owner), open_secret(sealed_private_key, owner))


def tidy_secrets() -> int:
    """Delete expired secrets, and encrypt secrets again that were encrypted with an earlier secret key."""
    expired, _ = SigningSecret.objects.filter(expires_at__lte=server_time()).delete()
    resealed = 0
    for secret in SigningSecret.objects.select_related("endpoint"):
        if is_sealed_with_newest_key(secret.sealed_hmac):
            continue
        owner = secret.endpoint.reference
        try:
            hmac_key = open_secret(secret.sealed_hmac, owner)
            private_key = open_secret(secret.sealed_private_key, owner)
        except StoredSecretUnreadable:
            # The loop goes on, because the other secrets must be encrypted again before the earlier key is
            # removed.
            log.error("secret of a webhook endpoint unreadable", endpoint=owner, secret=secret.pk)
            continue
        SigningSecret.objects.filter(pk=secret.pk).update(
            sealed_hmac=seal_secret(hmac_key, owner), sealed_private_key=seal_secret(private_key, owner)
        )
        resealed += 1
    return expired + resealed


def _valid_at(now: datetime) -> Q:
    return Q(expires_at=None) | Q(expires_at__gt=now)
