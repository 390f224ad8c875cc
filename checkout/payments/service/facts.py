"""The facts that record a provider's answers, for staff and for later decisions (``books.ours``)."""

from collections.abc import Mapping

from checkout.payments.messages import ProviderAnswered
from checkout.payments.models import Attempt, Fact
from checkout.payments.providers.base import ProviderResult
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor


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
