"""The verification: the provider is asked if a notification that nothing of ours explains is true.

Anybody may have sent it. If the provider confirms it, the expiry of an authorisation is applied, and a
charge-back or its reversal is booked by a saga of its own. A movement that we never asked for makes the
payment conflicted, for staff. If the provider does not tell enough, the verification is parked: staff say
what they found out, or have the provider asked again.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.messages import Body, Command
from checkout.payments.messages import CheckClaim
from checkout.payments.sagas.definition import Ask, Decision, End
from checkout.payments.sagas.pauses import UNDECIDED_ANSWERS, inquiry_delay
from messaging.envelope import Reply

# The payment event of a confirmed claim. All others, such as captures that are not ours, are "conflicted".
EVENTS = {"expired": "authorisation_expired"}

CHECK = "check"


class VerificationData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of one verification.

    ``claim`` is the kind of the event that was notified, ``operation`` the one of ours that it names.
    ``minor``, ``currency``, ``event_id`` and ``is_proven`` are those of the notification, see ``CheckClaim``.
    ``undecided`` counts the answers that did not tell whether the claim is true. ``is_confirmed`` says that
    the provider has confirmed it without telling enough to book it: a later event of the order does not deny
    it then. ``waits_seconds`` is the delay before the first question.
    """

    payment: str
    attempt: str
    claim: str
    operation: str = ""
    minor: int | None = None
    currency: str = ""
    event_id: str = ""
    is_proven: bool = True
    inquiries: int = 0
    undecided: int = 0
    is_confirmed: bool = False
    waits_seconds: float = 0
    statements: tuple[str, ...] = ()
    answer: str = ""
    is_answered_by_staff: bool = False


D = Decision[VerificationData]


class Verification:
    """The definition of the verification saga."""

    kind = "verification"
    data_type = VerificationData
    steps = frozenset({CHECK, "finished"})
    questions: Mapping[str, type[Command[Any]]] = {CHECK: CheckClaim}

    def start(self, data: VerificationData) -> D:
        """Ask after ``waits_seconds``, which may be none."""
        return _check(data, delay_seconds=data.waits_seconds)

    def on_reply(self, step: str, data: VerificationData, reply: Reply) -> D:
        """Follow the provider's answer, and ask again if it decides nothing.

        A movement that cannot be booked without guessing waits for staff.
        """
        outcome = reply.result.get("outcome") if reply.ok else "unknown"
        if outcome == "denied" and data.is_confirmed:
            outcome = "undecided"
        if (ended := _ended(data, outcome)) is not None:
            return ended
        if outcome == "unclear":
            why = str(reply.result.get("why") or "The provider does not tell enough.")
            return D(step=CHECK, data=with_changes(data, is_confirmed=True), end=End.PARKED, why=why)
        if outcome == "undecided":
            return self._undecided(with_changes(data, undecided=data.undecided + 1))
        return self.on_deadline(step, data)

    def _undecided(self, data: VerificationData) -> D:
        if data.undecided < UNDECIDED_ANSWERS:
            return self.on_deadline(CHECK, data)
        why = f"The provider's answers neither confirm nor deny it: {data.claim}. Look it up there."
        return D(step=CHECK, data=data, end=End.PARKED, why=why)

    def on_signal(self, step: str, data: VerificationData, signal: str) -> D | None:
        """End when staff have settled the claim as ``confirmed``, ``denied`` or ``booked``.

        Other signals are ignored: the provider's answer will say more.
        """
        by_staff = with_changes(data, is_answered_by_staff=True)
        return _ended(by_staff, signal) if step == CHECK else None

    def on_deadline(self, step: str, data: VerificationData) -> D:
        """Ask again, at growing intervals."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            why = f"The provider neither confirmed nor denied: {data.claim}."
            return D(step=CHECK, data=data, end=End.PARKED, why=why)
        return _check(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)

    def on_resume(self, step: str, data: VerificationData) -> D:
        """Ask at once."""
        return _check(with_changes(data, inquiries=0, undecided=0), delay_seconds=0)


def _ended(data: VerificationData, outcome: object) -> D | None:
    """Return the decision that ends the saga, if the outcome is certain; None otherwise."""
    if outcome not in ("confirmed", "denied", "booked"):
        return None
    events = (EVENTS.get(data.claim, "conflicted"),) if outcome == "confirmed" else ()
    answered = with_changes(data, answer=str(outcome))
    return D(step="finished", data=answered, transitions=events, end=End.COMPLETED)


def _check(data: VerificationData, *, delay_seconds: float) -> D:
    body = CheckClaim(
        payment=data.payment,
        attempt=data.attempt,
        claim=data.claim,
        operation=data.operation,
        minor=data.minor,
        currency=data.currency,
        event_id=data.event_id,
        is_proven=data.is_proven,
    )
    ask = Ask(command=body, delay_seconds=delay_seconds)
    return D(step=CHECK, data=data, ask=ask, timeout=conf.provider_wait)
