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
from checkout.backoffice.display.values import (
    NOTHING,
    Table,
    badge,
    duration_text,
    humanised,
    payment_page_link,
    short_time,
    state_text,
)
from checkout.backoffice.display.wording import KINDS, STATES, in_plain_words
from checkout.backoffice.pages.attempts import authentication_text, card_name, card_text
from checkout.backoffice.pages.ledger import books_of
from checkout.localised_money import localised_money
from checkout.payments import actions
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.timeline import Kind, timeline_of

# The most other payments of a shopper that a page shows.
MOST_OTHERS = 10


def payment_context(payment: Payment, user: Any) -> dict[str, Any]:
    """Return the context of the page, in a fixed number of queries. Links respect the rights of ``user``."""
    timeline = [
        {
            "at": entry.at,
            "kind": entry.kind,
            "what": in_plain_words(entry),
            "name": entry.what,
            "detail": entry.detail,
            "took": duration_text(entry.duration),
        }
        for entry in timeline_of(payment)
    ]
    amount, state = localised_money(payment.amount), badge(payment.state)
    return {
        "title": f"{amount} · {state_text(payment.state)} · {payment.order_reference}",
        "subtitle": "",
        "head": {"amount": amount, "state": state, "meaning": STATES[payment.state], "card": _card(payment)},
        "sums": list(_sums(payment)),
        "attention": list(_attention(payment, user)),
        "timeline": timeline,
        "facts_only": [entry for entry in timeline if entry["kind"] in (Kind.EVENT, Kind.FACT)],
        "kinds": KINDS.items(),
        "operations": Table(
            "Captures, voids, refunds and charge-backs",
            ("Reference", "Kind", "State", "Amount", "Requested", "By", "Reason", "Refused because"),
            list(_operations(payment, user)),
            "Nothing was captured, voided, refunded or charged back.",
        ),
        "others": Table(
            "The shopper's other payments",
            ("Order", "Date", "State", "Amount"),
            list(_others(payment)),
            "None with this e-mail address and merchant.",
        ),
        "flows": [
            Table(
                "Attempts",
                ("Provider order code", "State", "Account", "Card", "3-D Secure", "Started"),
                list(_attempts(payment, user)),
                "The shopper has not tried to pay.",
            ),
            Table(
                "Flows",
                ("Key", "Kind", "Status", "Step", "Started"),
                list(_sagas(payment, user)),
                "No flow has been started.",
            ),
        ],
        "books": books_of(payment),
    }


def last_attempt(payment: Payment) -> Attempt | None:
    """Return the payment's latest attempt."""
    return max(payment.attempts.all(), key=lambda attempt: attempt.number, default=None)


def _card(payment: Payment) -> str:
    attempt = last_attempt(payment)
    return card_name(attempt) if attempt and attempt.card else ""


def _others(payment: Payment) -> Iterator[Sequence[object]]:
    """Yield the latest other payments of the same shopper with the same merchant."""
    if payment.shopper_email:
        theirs = Payment.objects.filter(
            merchant=payment.merchant_id, shopper_email__iexact=payment.shopper_email
        )
        for each in theirs.exclude(pk=payment.pk).order_by("-created_at")[:MOST_OTHERS]:
            amount = localised_money(each.amount)
            yield payment_page_link(each), short_time(each.created_at), badge(each.state), amount


def _attention(payment: Payment, user: Any) -> Iterator[Reason]:
    names = attention.reasons(payment)
    yield from reasons_of_flows(payment, names, user)
    yield from reasons_of_records(payment, names, user)


def _attempts(payment: Payment, user: Any) -> Iterator[Sequence[object]]:
    for attempt in payment.attempts.all():
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
            localised_money(operation.amount),
            operation.created_at,
            operation.requested_by or NOTHING,
            operation.reason or NOTHING,
            humanised(operation.refusal_reason) or NOTHING,
        )


def _sums(payment: Payment) -> Iterator[tuple[str, str]]:
    available = actions.available(payment.reference)
    if not (available.authorised.minor or available.captured.minor):
        return
    named = (
        ("authorised", available.authorised, False),
        ("paid", available.captured, True),
        ("refunded", available.refunded, True),
        ("disputed", available.charged_back, True),
        ("claimed by disputes", available.dispute_claimed, False),
        ("can be captured", available.capturable, False),
        ("can be refunded", available.refundable, True),
    )
    for name, amount, is_always_told in named:
        if amount.minor or is_always_told:
            yield name, localised_money(amount)


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
