"""The reasons found in records: contradictions, dead letters, and books that differ."""

from collections.abc import Collection, Iterator
from typing import Any

from checkout.backoffice.attention.differences import outlook, story
from checkout.backoffice.attention.page import NOT_DEALT_WITH, open_questions
from checkout.backoffice.attention.reason import Reason, links_to, links_to_figures
from checkout.backoffice.display.wording import DISPUTE_EVENTS, fact_in_words
from checkout.backoffice.settling.page import PERMISSION as SETTLE
from checkout.payments.models import DeadLetter, Payment, ProviderNotification
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.payment import UNAUTHENTICATED
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.sagas.settlement.settleable import (
    OF_AN_ATTEMPT,
    attempts_to_settle,
    obstacle_to_settling,
)
from checkout.states import PaymentState

# Facts that tell more about a contradiction, if they were recorded after it began.
ABOUT_CONTRADICTION = ("review_stands", "review_unknown", "payment_settled_by_not_applied")


def reasons_of_records(payment: Payment, names: Collection[str], user: Any) -> Iterator[Reason]:
    """Yield the reasons among ``names`` (``attention.LABELS``) that are found in records."""
    if "conflicted" in names:
        if payment.state == PaymentState.CONFLICTED:
            yield _contradiction(payment, user)
        yield from _notifications(payment, user)
    if "dead_letter" in names:
        yield from _dead_letters(payment, user)
    if "unauthenticated" in names:
        yield _unauthenticated(payment, user)
    if "information" in names:
        yield from _questions(payment)
    if "difference" in names:
        yield from _differences(payment, user)


def _contradiction(payment: Payment, user: Any) -> Reason:
    # The contradiction began with the last event of this type.
    begun = payment.events.filter(type="payment.unknown").values_list("created_at", flat=True).first()
    since = begun or payment.updated_at
    facts = payment.facts.order_by("-pk")
    heard = facts.filter(kind__in=ABOUT_CONTRADICTION, recorded_at__gt=since).first()
    what = "The provider says of this payment what cannot be right by our books."
    if heard is not None:
        what = f"{what} {fact_in_words(heard.kind)}. {heard.data.get('why', '')}".rstrip()
    first = obstacle_to_settling(attempts_to_settle(payment)[0])
    if first:
        what = f"{what} Before it can be settled: {first}"
    links = [] if first else links_to(user, payment, ("settle", SETTLE, "Say what the provider's books have"))
    asking = links_to(user, payment, ("review", "payments.review_payment", "Have the provider asked again"))
    return Reason(what, since, [*links, *asking])


def _unauthenticated(payment: Payment, user: Any) -> Reason:
    attempts = payment.attempts.filter(UNAUTHENTICATED)
    what = (
        "3-D Secure failed: the shopper's bank did not authenticate the shopper. The payment was authorised "
        "nevertheless, and a dispute may cost you the money. Refund or void it, unless you accept that."
    )
    accepting = links_to(user, payment, ("accept", "payments.accept_payment", "Accept it"))
    return Reason(what, attempts.latest("created_at").created_at, accepting)


def _questions(payment: Payment) -> Iterator[Reason]:
    for fact in open_questions().filter(payment=payment).order_by("pk"):
        yield Reason(
            f"{DISPUTE_EVENTS[fact.data['event']]}. The provider does not tell us by when.",
            fact.recorded_at,
            outlook="It is closed when the provider tells that it was answered, or that it is too late.",
        )


def _notifications(payment: Payment, user: Any) -> Iterator[Reason]:
    conflicted = payment.notifications.filter(NOT_DEALT_WITH, state=ProviderNotification.State.CONFLICTED)
    for row in conflicted.order_by("pk"):
        sender = "The provider" if row.is_proven else "Somebody, in the provider's name and without proof,"
        what = f"{sender} told us what contradicts our books: {row.reason.rstrip('.')}."
        page = ("change", "", "See the notification, and mark it as dealt with")
        yield Reason(what, row.received_at, links_to(user, row, page))


def _dead_letters(payment: Payment, user: Any) -> Iterator[Reason]:
    letters = DeadLetter.objects.filter(OPEN_LETTER, subject=payment.reference)
    for letter in letters.order_by("pk"):
        service = f"the {letter.service} service" if letter.service else "a service"
        what = f"A step of {service} failed ({letter.type}): {letter.reason.rstrip('.')}."
        page = ("change", "", "See the message, and send it again or mark it as dealt with")
        yield Reason(what, letter.died_at, links_to(user, letter, page))


def _differences(payment: Payment, user: Any) -> Iterator[Reason]:
    rows = list(payment.differences.filter(OPEN_DIFFERENCE).order_by("pk"))
    is_settled_by_figures = any(row.kind in OF_AN_ATTEMPT for row in rows)
    figures = links_to_figures(user, payment) if is_settled_by_figures else []
    for row in rows:
        page = links_to(user, row, ("change", "", "See the difference, and mark it as dealt with"))
        links = [*page, *(figures if row.kind in OF_AN_ATTEMPT else ())]
        yield Reason(story(row), row.found_at, links, outlook(row))
