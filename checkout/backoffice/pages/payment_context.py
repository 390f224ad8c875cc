"""The content of a payment's page besides the payment's own fields."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html

from checkout.audit.log import details_of
from checkout.audit.models import AuditEntry
from checkout.backoffice.attention import page as attention
from checkout.backoffice.attention.reason import Reason
from checkout.backoffice.attention.reasons_of_flows import reasons_of_flows
from checkout.backoffice.attention.reasons_of_records import reasons_of_records
from checkout.backoffice.display.localised import formats, money_text
from checkout.backoffice.display.values import (
    NOTHING,
    Table,
    badge,
    humanised,
    payment_page_link,
    quantity_text,
    short_time,
    state_text,
)
from checkout.backoffice.display.wording import KINDS, LIABILITY, STATES, first_upper
from checkout.backoffice.pages.attempts import authentication_text, card_name, card_text
from checkout.backoffice.pages.ledger import books_of
from checkout.backoffice.pages.waterfall import label_of, waterfall_of
from checkout.payments import actions
from checkout.payments.actions.staff.flows import NOTED
from checkout.payments.models import Attempt, Difference, Fact, Operation, Payment, Saga
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.providers.authentication import Authentication
from checkout.states import AttemptState

# The largest number of other payments of the shopper on a page.
MOST_OTHERS = 10
# The largest number of entries of the audit log on a page.
MOST_DEEDS = 50


def payment_context(payment: Payment, user: Any) -> dict[str, Any]:
    """Return the context of the page, in a fixed number of queries.

    It has only links that ``user`` may open.
    """
    amount, state = money_text(payment.amount), badge(payment.state)
    return {
        "title": f"{amount} · {state_text(payment.state)} · {payment.order_reference}",
        "subtitle": "",
        "head": {"amount": amount, "state": state, "meaning": STATES[payment.state], "card": _card(payment)},
        "authentication": _authentication(payment),
        "sums": list(_sums(payment)),
        "attention": list(_attention(payment, user)),
        "waterfall": waterfall_of(payment, user),
        "kinds": [(label_of(kind), meaning) for kind, meaning in KINDS.items()],
        "differing": _differing(payment, user),
        "notes": _notes(payment),
        "who_did_what": Table(
            "Who did what",
            ("When", "Who", "What", "Why"),
            list(_deeds(payment)),
            "Staff have done nothing about this payment.",
        ),
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


def _authentication(payment: Payment) -> str:
    """Return the result of 3-D Secure and who bears fraud: for the attempt with money, or the last one."""
    attempts = [each for each in payment.attempts.all() if each.card or each.three_d_secure]
    held = [each for each in attempts if each.state == AttemptState.AUTHORISED]
    attempt = max(held or attempts, key=lambda each: each.number, default=None)
    if attempt is None:
        return ""
    challenged = f"{quantity_text(attempt.challenge_count, 'challenge')}, " if attempt.challenge_count else ""
    status = attempt.three_d_secure.get("status") or ""
    told = f"{challenged}{humanised(status) or 'no result was told'}"
    if not held:
        return told
    if attempt.merchant_initiated:
        return f"charged without the shopper; {LIABILITY[Authentication.NOT_AVAILABLE]}"
    return f"{told}; {LIABILITY.get(status, 'ask the provider who bears fraud')}"


def _differing(payment: Payment, user: Any) -> Table | None:
    """Return our sums and the provider's where they differ; None if no difference is known."""
    rows = payment.differences.filter(OPEN_DIFFERENCE).exclude(kind=Difference.Kind.UNANSWERED)
    compared = [
        (
            _link(Difference, row.pk, first_upper(humanised(row.kind)), user),
            row.ours_in(formats()),
            row.theirs_in(formats()),
            short_time(row.last_seen_at),
        )
        for row in rows.order_by("pk")
    ]
    headers = ("Sum", "Ours", "The provider's", "Last compared")
    return Table("Our books and the provider's differ", headers, compared, "") if compared else None


def _notes(payment: Payment) -> list[Fact]:
    """Return the notes of staff, the latest first."""
    return list(payment.facts.filter(kind=NOTED).order_by("-pk"))


def _deeds(payment: Payment) -> Iterator[Sequence[object]]:
    """Yield the actions of staff on the payment from the audit log, the latest first."""
    for entry in AuditEntry.objects.filter(payment=payment.reference).order_by("-id")[:MOST_DEEDS]:
        yield short_time(entry.at), entry.by or NOTHING, entry.what, details_of(entry).why or NOTHING


def _others(payment: Payment) -> Iterator[Sequence[object]]:
    """Yield the latest other payments of the same shopper with the same merchant."""
    if payment.shopper_email:
        theirs = Payment.objects.filter(
            merchant=payment.merchant_id, shopper_email__iexact=payment.shopper_email
        )
        for each in theirs.exclude(pk=payment.pk).order_by("-created_at")[:MOST_OTHERS]:
            amount = money_text(each.amount)
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
            money_text(operation.amount),
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
            yield name, money_text(amount)


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
