"""The payments that a person should look at, and the reasons."""

from collections.abc import Mapping
from datetime import timedelta

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from checkout.backoffice.base import ModelAdmin
from checkout.conf import conf
from checkout.payments.actions.staff.flows import UNAUTHENTICATED_ACCEPTED
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.locking import read_once
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    Difference,
    Fact,
    Merchant,
    Operation,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.payment import NOTIFIED, OTHER_EVENT, UNAUTHENTICATED
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED
from checkout.states import PAID, PaymentState
from checkout.webhooks.models import WebhookEndpoint

UNSETTLED_AFTER = timedelta(minutes=5)
# Providers capture, void and refund in batches, once a day.
PENDING_AFTER = timedelta(days=1)

LABELS = {
    "unsettled": "Unsettled for too long",
    "operation": "A capture, void or refund has had no outcome for too long",
    "settle": "A capture, void or refund waits until staff say what became of it",
    "parked": "It stopped and needs a decision",
    "conflicted": "The provider's word conflicts with ours",
    "dead_letter": "A step failed and can be tried again",
    "unauthenticated": "Authorised although 3-D Secure failed",
    "information": "The shopper's bank asks for information about a dispute",
    "difference": "The provider's books differ from ours, or are not told",
}

# The provider's event by which an issuer asks for information, and the events that end the question. Issuers
# give less time than this to answer.
INFORMATION_REQUESTED = OTHER_EVENT & Q(data__event="INFORMATION_REQUESTED")
_ANSWERED = OTHER_EVENT & Q(data__event__in=("INFORMATION_SUPPLIED", "DISPUTE_EXPIRED")) | Q(
    kind__in=[f"{NOTIFIED}{claim}" for claim in BY_ISSUERS]
)
TO_BE_ANSWERED_WITHIN = timedelta(days=45)

# Conditions on records in other tables that wait for a person.
PARKED = Q(status=Saga.Status.PARKED)
NOT_DEALT_WITH = Q(dealt_with_at=None)
# Staff who disable an endpoint know about it.
FAILING_ENDPOINT = Q(failing_since__isnull=False) & (
    Q(warned_at__isnull=False) | Q(state=WebhookEndpoint.State.DISABLED)
)


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


def without_outcome() -> Q:
    """Return a condition that matches operations that have had no outcome for too long until now."""
    now = timezone.now()
    waits_for_provider = Q(state__in=(Operation.State.REQUESTED, Operation.State.UNKNOWN))
    return waits_for_provider & Q(updated_at__lt=now - UNSETTLED_AFTER) | Q(
        state=Operation.State.PENDING, updated_at__lt=now - PENDING_AFTER
    )


def begun_by_declines() -> Q:
    """Return a condition that matches merchants whose attack mode began automatically and still lasts."""
    return Q(attack_mode=Merchant.AttackMode.AUTOMATIC, attacked_until__gt=timezone.now())


def _unauthenticated() -> Q:
    """Return a condition that matches paid payments whose 3-D Secure failed, unless staff accepted that."""
    this = Q(payment=OuterRef("pk"))
    failed = Attempt.objects.filter(this & UNAUTHENTICATED)
    accepted = Fact.objects.filter(this, kind=UNAUTHENTICATED_ACCEPTED)
    return Q(Exists(failed), ~Exists(accepted), state__in=PAID)


def open_questions() -> QuerySet[Fact]:
    """Return the facts of issuers' questions that nobody has answered yet."""
    later = Fact.objects.filter(_ANSWERED, payment=OuterRef("payment"), pk__gt=OuterRef("pk"))
    since = timezone.now() - TO_BE_ANSWERED_WITHIN
    return Fact.objects.filter(INFORMATION_REQUESTED, ~Exists(later), recorded_at__gt=since)


def conditions() -> Mapping[str, Q]:
    """Return the conditions under which a payment needs attention now, by the names of the reasons."""
    this = Q(payment=OuterRef("pk"))
    contradictions = ProviderNotification.objects.filter(
        NOT_DEALT_WITH, state=ProviderNotification.State.CONFLICTED, payment__isnull=False
    )
    # With one condition joined by "or", a database would read all payments.
    conflicted = Payment.objects.filter(state=PaymentState.CONFLICTED).order_by().values("pk")
    dead = Q(subject=OuterRef("reference")) & OPEN_LETTER
    return {
        "unsettled": _unsettled(),
        "operation": Q(Exists(Operation.objects.filter(this & without_outcome()))),
        "settle": Q(Exists(Operation.objects.filter(this & TO_BE_SETTLED))),
        "parked": Q(Exists(Saga.objects.filter(this & PARKED))),
        "conflicted": Q(pk__in=conflicted.union(contradictions.order_by().values("payment"))),
        "dead_letter": Q(Exists(DeadLetter.objects.filter(dead))),
        "unauthenticated": _unauthenticated(),
        "information": Q(Exists(open_questions().filter(this))),
        "difference": Q(Exists(Difference.objects.filter(this & OPEN_DIFFERENCE))),
    }


def reasons(payment: Payment) -> list[str]:
    """Return the names of the reasons for which ``payment`` needs attention; empty if there are none.

    They are read once for each instance, because several parts of a page need them.
    """
    return read_once(payment, "reasons", _reasons)


def _reasons(payment: int) -> list[str]:
    flags = {f"is_{name}": condition for name, condition in conditions().items()}
    found = Payment.objects.filter(pk=payment).annotate(**flags).values(*flags).get()
    return [name for name in LABELS if found[f"is_{name}"]]


class NeedsAttentionFilter(admin.SimpleListFilter):
    """A filter for payments that need attention, for any reason or for one."""

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
