"""Take a provider's notification: store it, then acknowledge it, then think about it."""

import hashlib

from django.db import transaction
from django.db.models import F

from checkout import commands
from checkout.errors import ProviderAccountNotFound
from checkout.messaging.outbox import enqueue
from checkout.models import OutboxMessage, ProviderAccount, ProviderNotification
from checkout.providers.base import Acknowledgement
from checkout.providers.registry import get_provider


def record_notification(account_code: str, body: bytes) -> Acknowledgement:
    """Store a notification and return the answer that its provider expects. The same body counts once.

    Raises ``ProviderAccountNotFound``, and ``NotificationRejected`` for a body that cannot be read: nothing
    is stored then, and the provider will send it again.
    """
    account = ProviderAccount.objects.filter(code=account_code).first()
    if account is None:
        raise ProviderAccountNotFound("There is no such provider account.")
    provider = get_provider(account.opened())
    parsed = provider.parse_notification(body)
    with transaction.atomic():
        row, is_new = ProviderNotification.objects.get_or_create(
            account=account,
            digest=hashlib.sha256(body).hexdigest(),
            defaults={"body": provider.scrub(body)},
        )
        if is_new:
            enqueue(
                OutboxMessage,
                "payments",
                "payments.apply_notification",
                commands.ApplyNotification(notification=row.pk),
                subject=parsed[0].order_code.rpartition("-")[0] if parsed else "",
                delay_seconds=0,
            )
        else:
            ProviderNotification.objects.filter(pk=row.pk).update(copies=F("copies") + 1)
    return provider.acknowledgement()
