"""Take a provider's notification: store it, then acknowledge it, then think about it."""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from django.db import transaction
from django.db.models import F

from checkout import commands
from checkout.errors import ProviderAccountNotFound, ProviderMisconfigured, SenderNotAllowed
from checkout.messaging.outbox import AbstractOutboxMessage, enqueue
from checkout.models import OutboxMessage, ProviderAccount, ProviderNotification
from checkout.providers.base import Acknowledgement
from checkout.providers.registry import get_provider
from checkout.statements import Compiled, insert_unless_known

# Option of a provider account: a list of networks ("192.0.2.0/24") that notifications may come from.
NETWORKS = "notification_networks"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What its provider is answered, and the command to apply it, owed: None when it was known already."""

    acknowledgement: Acknowledgement
    owed: AbstractOutboxMessage | None


def record_notification(account_code: str, body: bytes, *, sender: str = "") -> Recorded:
    """Store a notification. The same body counts once.

    The caller publishes the command; if he does not come to it, the relay does after the grace period.

    ``sender`` is the IP address that it came from. Raises ``ProviderAccountNotFound``, ``SenderNotAllowed``
    for an address outside the account's networks, and ``NotificationRejected`` for a body that cannot be
    read: nothing is stored then, and the provider will send it again.
    """
    account = _ACCOUNT.first(account_code)
    if account is None:
        raise ProviderAccountNotFound("There is no such provider account.")
    _check_sender(account, sender)
    provider = get_provider(account.opened())
    parsed = provider.parse_notification(body)
    row = ProviderNotification(
        account=account, digest=hashlib.sha256(body).hexdigest(), body=provider.scrub(body)
    )
    owed = None
    with transaction.atomic():
        if insert_unless_known(row):
            owed = enqueue(
                OutboxMessage,
                "payments",
                "payments.apply_notification",
                commands.ApplyNotification(notification=row.pk),
                subject=parsed[0].order_code.rpartition("-")[0] if parsed else "",
            )
        else:
            known = ProviderNotification.objects.filter(account=account, digest=row.digest)
            known.update(copies=F("copies") + 1)
    return Recorded(provider.acknowledgement(), owed)


_ACCOUNT = Compiled(lambda code: ProviderAccount.objects.filter(code=code))


def _check_sender(account: ProviderAccount, sender: str) -> None:
    if NETWORKS not in account.options:
        return
    try:
        networks = [ip_network(network) for network in account.options[NETWORKS]]
    except (ValueError, TypeError) as error:
        # Nobody is let in by a mistake in the list; the provider sends it again once that is corrected.
        raise ProviderMisconfigured(f"{NETWORKS} of {account.code} is no list of networks.") from error
    try:
        address = ip_address(sender)
    except ValueError:
        raise SenderNotAllowed("The sender of this notification is not known.") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not any(address in network for network in networks):
        raise SenderNotAllowed("This address does not send notifications to this account.")
