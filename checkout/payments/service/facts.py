"""The facts that record a provider's answers, for staff and for later conclusions."""

from collections.abc import Mapping

from checkout.payments.books.events import IMPLY_MONEY
from checkout.payments.calls import CallsInFlight, may_be_completed
from checkout.payments.messages import ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt, Fact
from checkout.payments.models.payment import NOTIFIED
from checkout.payments.providers.base import ProviderResult, Verb
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor

# The kinds of the facts of answers that say that money is held, also if it is other money than ours.
MONEY_ANSWERED = [
    f"{verb}_{outcome}"
    for verb in (Verb.AUTHORISE, Verb.COMPLETE_CHALLENGE, Verb.INQUIRE)
    for outcome in (ProviderOutcome.APPROVED, ProviderOutcome.CONFLICTED)
]


def fact_of(attempt: Attempt, kind: str, data: Mapping[str, str], result: ProviderResult) -> Fact:
    """Return a fact of this kind with the provider's transcript. Empty values are left out."""
    return Fact(
        payment=attempt.payment,
        attempt=attempt,
        source=Actor.PROVIDER,
        kind=kind,
        data={name: scrub_text(value) for name, value in data.items() if value},
        text=scrub_text(result.transcript),
    )


def answer_fact(
    attempt: Attempt, kind: str, result: ProviderResult, answer: ProviderAnswered, *, reference: str = ""
) -> Fact:
    """Return the provider's answer as a fact, with our own outcome if it differs."""
    data = {
        "outcome": str(result.outcome),
        "event": result.event,
        "reference": reference or result.reference,
        "amount": str(result.amount) if result.amount else "",
        "position": _in_words(result),
        "refusal_code": result.refusal.code if result.refusal else "",
        "refusal_description": result.refusal.description if result.refusal else "",
        "security_code_check": result.checks.security_code if result.checks else "",
        "address_check": result.checks.address if result.checks else "",
    }
    if answer.outcome.value != result.outcome.value:
        data["taken_as"] = answer.outcome
    return fact_of(attempt, kind, data, result)


def has_told_of_money(attempt: Attempt) -> bool:
    """Return True if the provider has said that money is held, in an answer or a proven notification.

    It decides nothing, but it contradicts an answer of the provider that there is no such order. A statement
    that names another amount, or another merchant, is a reason for doubt, too.
    """
    told = [f"{NOTIFIED}{kind}" for kind in IMPLY_MONEY]
    return Fact.objects.filter(attempt=attempt, kind__in=[*told, *MONEY_ANSWERED]).exists()


def may_order_exist(before: CallsInFlight, attempt: Attempt) -> bool:
    """Return True if the order may exist, or come to exist, although the provider denies knowing it.

    ``before`` has the attempt's requests as they stood when the provider was asked. Some orders show only
    hours later.
    """
    return not before.is_over(attempt) or may_be_completed(attempt) or has_told_of_money(attempt)


def _in_words(result: ProviderResult) -> str:
    position = result.position
    if position is None:
        return f"captured and not given back {result.kept}" if result.kept is not None else ""
    told = {
        "authorised": position.authorised,
        "captured": position.captured,
        "refunded": position.refunded,
        "charged back": position.charged_back,
    }
    return ", ".join(f"{name} {sum}" for name, sum in told.items() if sum is not None)
