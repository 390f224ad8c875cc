"""The content of a payment's page beside the payment's own fields."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html

from checkout.backoffice.attention import page as attention
from checkout.backoffice.attention.reason import Reason
from checkout.backoffice.attention.reasons_of_flows import reasons_of_flows
from checkout.backoffice.attention.reasons_of_records import reasons_of_records
from checkout.backoffice.display.values import NOTHING, Table, badge, duration_text, humanised
from checkout.backoffice.display.wording import KINDS, in_plain_words
from checkout.backoffice.pages.attempts import authentication_text, card_text
from checkout.backoffice.pages.ledger import books_of
from checkout.payments import actions
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.timeline import timeline_of


def payment_context(payment: Payment, user: Any) -> dict[str, Any]:
    """Return the context of the page, in a fixed number of queries. Links respect the rights of ``user``."""
    return {
        "attention": list(_attention(payment, user)),
        "timeline": [
            {
                "at": entry.at,
                "kind": entry.kind,
                "what": in_plain_words(entry),
                "name": entry.what,
                "detail": entry.detail,
                "took": duration_text(entry.duration),
            }
            for entry in timeline_of(payment)
        ],
        "kinds": KINDS.items(),
        "money": [
            Table(
                "Sums",
                ("What", "Amount"),
                list(_sums(payment)),
                "Nothing is reserved.",
            ),
            Table(
                "Captures, voids, refunds and charge-backs",
                ("Reference", "Kind", "State", "Amount", "Requested", "By", "Reason", "Refused because"),
                list(_operations(payment, user)),
                "Nothing was captured, voided, refunded or charged back.",
            ),
        ],
        "flows": [
            Table(
                "Attempts",
                ("Provider order code", "State", "Account", "Card", "3-D Secure", "Started"),
                list(_attempts(payment, user)),
                "The shopper has not tried to pay.",
            ),
            Table(
                "Sagas",
                ("Key", "Kind", "Status", "Step", "Started"),
                list(_sagas(payment, user)),
                "No flow has been started.",
            ),
        ],
        "books": books_of(payment),
    }


def _attention(payment: Payment, user: Any) -> Iterator[Reason]:
    names = attention.reasons(payment)
    yield from reasons_of_flows(payment, names, user)
    yield from reasons_of_records(payment, names, user)


def _attempts(payment: Payment, user: Any) -> Iterator[Sequence[object]]:
    for attempt in payment.attempts.select_related("provider_account"):
        name = _link(Attempt, attempt.pk, attempt.order_code, user)
        yield (
            name,
            badge(attempt.state),
            attempt.provider_account,
            card_text(attempt),
            authentication_text(attempt),
            attempt.created_at,
        )


def _operations(payment: Payment, user: Any) -> Iterator[Sequence[object]]:
    for operation in payment.operations.all():
        name = _link(Operation, operation.pk, operation.reference, user)
        yield (
            name,
            Operation.Kind(operation.kind).label.lower(),
            badge(operation.state),
            operation.amount,
            operation.created_at,
            operation.requested_by or NOTHING,
            operation.reason or NOTHING,
            humanised(operation.refusal_reason) or NOTHING,
        )


def _sums(payment: Payment) -> Iterator[Sequence[object]]:
    available = actions.available(payment.reference)
    if not (available.authorised.minor or available.captured.minor):
        return
    if available.authorised.minor:
        yield "Authorised", available.authorised
    yield "Captured", available.captured
    yield "Refunded", available.refunded
    if available.charged_back.minor:
        yield "Charged back", available.charged_back
    if available.dispute_claimed.minor:
        yield "Claimed by disputes", available.dispute_claimed
    yield "Left to capture", available.capturable
    yield "Left to refund", available.refundable


def _sagas(payment: Payment, user: Any) -> Iterator[Sequence[object]]:
    for saga in payment.sagas.all():
        name = _link(Saga, saga.pk, saga.key, user)
        yield name, saga.kind, badge(saga.status), humanised(saga.step), saga.created_at


def _link(model: type[Model], pk: int, name: str, user: Any) -> str:
    opts = model._meta
    if not user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return name
    return format_html(
        '<a href="{}">{}</a>', reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk]), name
    )
