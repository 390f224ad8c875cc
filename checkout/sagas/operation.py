"""What captures, voids and refunds have in common: ask the provider, wait until it is certain, book it.

An acceptance is not success: the provider only took the request. The end comes by notification, which is
written down by the payments service and signalled here, or by asking. What is unknown is asked about; only
when the request should long have arrived and the provider's answer does not show it is it sent again, with
the same reference and idempotency key.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.conf import conf
from checkout.messaging.envelope import Reply
from checkout.sagas.definition import Ask, Decision, End
from checkout.sagas.pauses import OVERDUE, inquiry_delay, retry_delay


class OperationData(commands.Body, frozen=True, forbid_unknown_fields=False):
    """What the saga of one operation knows.

    ``inquiries`` and ``tries`` count what was asked in vain. ``told`` is news that came while something else
    had to be finished first: ``done`` or ``refused``. ``is_booked`` says that its end is in the ledger,
    ``is_doubted`` that the provider has yet to say whether it failed after all.
    """

    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str
    inquiries: int = 0
    tries: int = 0
    is_accepted: bool = False
    told: str = ""
    is_booked: bool = False
    is_doubted: bool = False


D = Decision[OperationData]


class OperationSaga(ABC):
    """A saga of its own per operation, keyed by the operation's reference.

    Its first step has the name of its kind. It signals ``<kind>_accepted``, ``<kind>_delayed`` (unknown, or
    not sent yet), ``<kind>_done``, ``<kind>_refused`` and ``<kind>_parked``. Postings that a kind does not
    need are empty.
    """

    kind: str
    posted_when_accepted = ""
    posted_when_done = ""
    posted_when_undone = ""
    data_type = OperationData

    @property
    def steps(self) -> frozenset[str]:
        """Every step that a saga of this kind may stand at."""
        return frozenset({*self._replies(), "await_provider", "conflicted", "finished", "refused"})

    @abstractmethod
    def command(self, data: OperationData) -> commands.Body:
        """The body of ``payments.<kind>``."""

    def start(self, data: OperationData) -> D:
        """Ask for it."""
        return self._request(data)

    def on_reply(self, step: str, data: OperationData, reply: Reply) -> D:
        """Go on from ``step``."""
        return self._replies()[step](data, reply)

    def on_signal(self, step: str, data: OperationData, signal: str) -> D | None:
        """Take what a notification has made of the operation: ``done`` or ``refused``."""
        if signal not in ("done", "refused"):
            return None
        if step in (self.kind, "await_provider", "inquire"):
            return self._done(data) if signal == "done" else self._refused(data)
        if step == "post_accepted" or (step == "post_done" and signal == "refused"):
            return D(step=step, data=with_changes(data, told=signal), counts=True)
        return None

    def on_deadline(self, step: str, data: OperationData) -> D:
        """Ask again what got lost: every command here may be repeated, the service knows its operation."""
        if step == self.kind:
            return self._request(with_changes(data, tries=data.tries + 1))
        if step == "post_accepted":
            return self._accepted(data)
        if step == "post_done":
            return self._done(data)
        if step == "post_undone":
            return self._undo(data)
        return self._inquire(data)

    def on_resume(self, step: str, data: OperationData) -> D:
        """Carry the step out again, with all its patience."""
        return self.on_deadline(step, with_changes(data, inquiries=0, tries=0))

    def _replies(self) -> dict[str, Callable[[OperationData, Reply], D]]:
        return {
            self.kind: self._answered,
            "inquire": self._inquired,
            "post_accepted": self._posted_accepted,
            "post_done": self._posted_done,
            "post_undone": self._posted_undone,
        }

    def _request(self, data: OperationData, *, delay_seconds: float = 0) -> D:
        type = f"payments.{self.kind}"
        ask = Ask(service="payments", type=type, body=self.command(data), delay_seconds=delay_seconds)
        is_overdue = data.tries >= OVERDUE
        return D(step=self.kind, data=data, ask=ask, wait=conf.provider_wait, is_overdue=is_overdue)

    def _answered(self, data: OperationData, reply: Reply) -> D:
        if reply.error is not None and not reply.error.retryable:
            # By contract nothing was done, and trying again would change nothing.
            return self._parked(self.kind, data, f"The payments service rejected it: {reply.error.message}")
        outcome = reply.result.get("outcome") if reply.ok else "not_sent"
        if outcome == "not_sent":
            again = with_changes(data, tries=data.tries + 1)
            decision = self._request(again, delay_seconds=retry_delay(data.tries))
            return replace(decision, signals=f"{self.kind}_delayed")
        return self._went_on(data, outcome)

    def _inquired(self, data: OperationData, reply: Reply) -> D:
        outcome = reply.result.get("outcome") if reply.ok else "unknown"
        if outcome in ("not_shown", "not_sent") and not data.is_accepted:
            return self._request(data)
        return self._went_on(data, outcome)

    def _went_on(self, data: OperationData, outcome: object) -> D:
        if outcome == "approved":
            return self._done(data)
        if outcome == "refused":
            return self._refused(data)
        if outcome == "pending" and not data.is_accepted:
            return self._accepted(data)
        if outcome == "conflicted":
            decision = self._parked("conflicted", data, "The provider's answer is about something else.")
            return replace(decision, events=("conflicted",))
        return self._inquire(data)

    def _inquire(self, data: OperationData) -> D:
        """Nobody knows, or nobody says: ask, later and later; a human looks when it never becomes certain."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            return self._parked("inquire", data, f"The provider did not say what became of the {self.kind}.")
        return self._ask(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)

    def _ask(self, data: OperationData, *, delay_seconds: float = 0) -> D:
        body = commands.InquireOperation(payment=data.payment, attempt=data.attempt, operation=data.operation)
        ask = Ask(
            service="payments", type="payments.inquire_operation", body=body, delay_seconds=delay_seconds
        )
        return D(
            step="inquire",
            data=data,
            ask=ask,
            counts=True,
            signals="" if data.is_accepted else f"{self.kind}_delayed",
            wait=conf.provider_wait,
        )

    def _accepted(self, data: OperationData) -> D:
        """The provider took the request. That is told and booked before anything else is."""
        accepted = with_changes(data, is_accepted=True, inquiries=0, tries=0)
        signals = f"{self.kind}_accepted"
        if self.posted_when_accepted:
            decision = self._post("post_accepted", accepted, self.posted_when_accepted)
        else:
            decision = self._await_provider(accepted)
        return replace(decision, counts=True, signals=signals)

    def _posted_accepted(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_accepted", data, "The ledger rejected the posting.")
        if data.told == "done":
            return self._done(data)
        if data.told == "refused":
            return self._refused(data)
        return self._await_provider(data)

    def _await_provider(self, data: OperationData) -> D:
        return D(step="await_provider", data=data, wait=conf.notification_wait)

    def _done(self, data: OperationData) -> D:
        if self.posted_when_accepted and not data.is_accepted:
            return self._accepted(with_changes(data, told="done"))
        if self.posted_when_done and not data.is_booked:
            done = with_changes(data, is_accepted=True, told="" if data.told == "done" else data.told)
            return replace(self._post("post_done", done, self.posted_when_done), counts=True)
        return self._finished(data)

    def _posted_done(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_done", data, "The ledger rejected the posting.")
        booked = with_changes(data, is_booked=True)
        return self._undo(booked) if data.told == "refused" else self._finished(booked)

    def _finished(self, data: OperationData) -> D:
        signals = f"{self.kind}_done"
        return D(step="finished", data=data, counts=True, signals=signals, end=End.COMPLETED)

    def _refused(self, data: OperationData) -> D:
        if data.is_booked or (self.posted_when_accepted and data.is_accepted):
            return self._undo(data)
        return self._ended_refused(data)

    def _undo(self, data: OperationData) -> D:
        """Book back what was booked too early."""
        return replace(self._post("post_undone", data, self.posted_when_undone), counts=True)

    def _posted_undone(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_undone", data, "The ledger rejected the posting.")
        return self._ended_refused(data)

    def _ended_refused(self, data: OperationData) -> D:
        signals = f"{self.kind}_refused"
        return D(step="refused", data=data, counts=True, signals=signals, end=End.COMPENSATED)

    def _post(self, step: str, data: OperationData, posting: str) -> D:
        body = commands.PostEntries(
            payment=data.payment,
            kind=posting,
            reference=data.operation,
            minor=data.minor,
            currency=data.currency,
        )
        ask = Ask(service="ledger", type="ledger.post", body=body)
        return D(step=step, data=data, ask=ask, wait=conf.service_wait)

    def _parked(self, step: str, data: OperationData, why: str) -> D:
        signals = f"{self.kind}_parked"
        return D(step=step, data=data, counts=True, signals=signals, end=End.PARKED, why=why)
