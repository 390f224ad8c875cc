"""The verification: a notification says what we know nothing of, so the provider is asked if it is true.

Anybody may have sent it. What the provider confirms about its own doing is applied; that money was moved
which we never asked to move is for staff.
"""

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.conf import conf
from checkout.messaging.envelope import Reply
from checkout.sagas.definition import Ask, Decision, End
from checkout.sagas.pauses import inquiry_delay

# What a confirmed claim makes of the payment. Captures, voids and refunds that are not ours are the rest.
EVENTS = {
    "expired": "authorisation_expired",
    "charged_back": "charged_back",
    "charge_back_reversed": "charge_back_reversed",
}


class VerificationData(commands.Body, frozen=True, forbid_unknown_fields=False):
    """``claim`` is the kind of the event that was notified, ``operation`` the one of ours that it names."""

    payment: str
    attempt: str
    claim: str
    operation: str = ""
    inquiries: int = 0


D = Decision[VerificationData]


class Verification:
    """The definition of the verification saga."""

    kind = "verification"
    data_type = VerificationData
    steps = frozenset({"check", "finished"})

    def start(self, data: VerificationData) -> D:
        """Ask at once."""
        return _check(data, delay_seconds=0)

    def on_reply(self, step: str, data: VerificationData, reply: Reply) -> D:
        """Believe the provider; ask again when it says nothing."""
        outcome = reply.result.get("outcome") if reply.ok else "unknown"
        if outcome == "confirmed":
            events = (EVENTS.get(data.claim, "conflicted"),)
            return D(step="finished", data=data, events=events, end=End.COMPLETED)
        if outcome == "denied":
            return D(step="finished", data=data, end=End.COMPLETED)
        return self.on_deadline(step, data)

    def on_signal(self, step: str, data: VerificationData, signal: str) -> D | None:
        """Nothing that is signalled says more than the provider will."""
        return None

    def on_deadline(self, step: str, data: VerificationData) -> D:
        """Ask again, later and later."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            why = f"The provider neither confirmed nor denied: {data.claim}."
            return D(step="check", data=data, end=End.PARKED, why=why)
        return _check(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)

    def on_resume(self, step: str, data: VerificationData) -> D:
        """Ask at once."""
        return _check(with_changes(data, inquiries=0), delay_seconds=0)


def _check(data: VerificationData, *, delay_seconds: float) -> D:
    body = commands.CheckClaim(
        payment=data.payment, attempt=data.attempt, claim=data.claim, operation=data.operation
    )
    ask = Ask(service="payments", type="payments.check_claim", body=body, delay_seconds=delay_seconds)
    return D(step="check", data=data, ask=ask, wait=conf.provider_wait)
