"""Which payments a person should look at, and why."""

from collections.abc import Mapping
from datetime import timedelta

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from checkout.admin.base import ModelAdmin
from checkout.conf import conf
from checkout.models import Payment, Saga
from checkout.states import PaymentState

UNSETTLED_AFTER = timedelta(minutes=5)
# Providers capture and void in batches, once a day.
PENDING_AFTER = timedelta(days=1)

LABELS = {
    "unsettled": "Unsettled for too long",
    "parked": "Parked: a saga waits for a person",
    "conflicted": "The provider's word conflicts with ours",
}


def _unsettled() -> Q:
    now = timezone.now()
    waits_for_provider = Q(state__in=(PaymentState.PROCESSING, PaymentState.CONFIRMING))
    waits_for_shopper = Q(state=PaymentState.CHALLENGE_REQUIRED)
    waits_for_batch = Q(state__in=(PaymentState.CAPTURE_PENDING, PaymentState.VOID_PENDING))
    return (
        waits_for_provider & Q(updated_at__lt=now - UNSETTLED_AFTER)
        | waits_for_shopper & Q(updated_at__lt=now - conf.challenge_lifetime - UNSETTLED_AFTER)
        | waits_for_batch & Q(updated_at__lt=now - PENDING_AFTER)
    )


def conditions() -> Mapping[str, Q]:
    """Return what makes a payment need attention, by reason, as of now."""
    parked = Saga.objects.filter(payment=OuterRef("pk"), status=Saga.Status.PARKED)
    return {
        "unsettled": _unsettled(),
        "parked": Q(Exists(parked)),
        "conflicted": Q(state=PaymentState.CONFLICTED),
    }


def reasons(payment: Payment) -> list[str]:
    """Return why ``payment`` needs attention: nothing, when it does not."""
    this = Payment.objects.filter(pk=payment.pk)
    return [LABELS[name] for name, condition in conditions().items() if this.filter(condition).exists()]


class NeedsAttentionFilter(admin.SimpleListFilter):
    """For any of the reasons, or for one."""

    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("any", "For any reason"), *LABELS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment]:
        by_reason = conditions()
        value = self.value() or ""
        if value == "any":
            return queryset.filter(Q(*by_reason.values(), _connector=Q.OR))
        return queryset.filter(by_reason[value]) if value in by_reason else queryset
