"""The common flow of captures, voids and refunds: ask the provider, wait for a certain outcome, book it.

Acceptance is not success: the provider has only taken the request. The outcome comes by a notification, which
the payments service stores and signals here, or by an inquiry. While the outcome is unknown, the provider is
asked. The request is sent again, with the same reference and idempotency key, only if the provider's answer
shows that it never arrived. If several answers leave that open, the saga is parked until staff look the
request up at the provider and settle it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.ledger.messages import PostEntries
from checkout.messages import Body, Command
from checkout.payments.messages import InquireOperation, ProviderAnswered
from checkout.payments.sagas.definition import Ask, Decision, End
from checkout.payments.sagas.pauses import OVERDUE, UNDECIDED_ANSWERS, inquiry_delay, retry_delay
from checkout.payments.sagas.repeating import asked_again
from messaging.envelope import Reply


class OperationData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of the saga of one operation.

    ``inquiries`` and ``tries`` count the questions and requests without result, ``undecided`` the answers
    that did not tell whether the operation arrived. ``told`` is an outcome, ``done`` or ``refused``, that
    came while something else had to be finished first. ``is_booked`` means that the outcome is in the ledger,
    ``is_doubted`` that the provider has yet to say whether it failed after all. ``returns`` counts how often
    the outcome was booked back.
    """

    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str
    inquiries: int = 0
    tries: int = 0
    undecided: int = 0
    is_accepted: bool = False
    told: str = ""
    is_booked: bool = False
    is_doubted: bool = False
    returns: int = 0


D = Decision[OperationData]

# The steps, besides the first one of each kind, at which the operation's outcome is not known yet.
UNTOLD = ("await_provider", "inquire", "conflicted")


def post(step: str, data: OperationData, posting: str) -> D:
    """Ask the ledger to post. It makes a posting once, however often it is asked."""
    body = PostEntries(
        payment=data.payment,
        kind=posting,
        # A booking that is made once more, after it was booked back, is another posting.
        reference=f"{data.operation}/{data.returns}" if data.returns else data.operation,
        minor=data.minor,
        currency=data.currency,
    )
    ask = Ask(command=body)
    return D(step=step, data=data, ask=ask, timeout=conf.service_wait)


class OperationSaga(ABC):
    """A saga of its own per operation, keyed by the operation's reference.

    Its first step has the name of its kind. It signals ``<kind>_accepted``, ``<kind>_delayed`` (unknown, or
    not sent yet), ``<kind>_done``, ``<kind>_refused`` and ``<kind>_parked``. Postings that a kind does not
    need are empty: ``posted_when_refused`` books back what was only accepted, ``posted_when_undone`` what was
    done.
    """

    kind: str
    asks: type[Command[ProviderAnswered]]
    posted_when_accepted = ""
    posted_when_done = ""
    posted_when_refused = ""
    posted_when_undone = ""
    data_type = OperationData

    @property
    def steps(self) -> frozenset[str]:
        """Every step that a saga of this kind may stand at."""
        return frozenset({*self.questions, *UNTOLD, "finished", "refused"})

    @abstractmethod
    def command(self, data: OperationData) -> Command[ProviderAnswered]:
        """The command to the payments service."""

    def start(self, data: OperationData) -> D:
        """Send the request."""
        return self._request(data)

    def on_reply(self, step: str, data: OperationData, reply: Reply) -> D:
        """Go on from ``step``. The ledger, which posts once, is asked again if its answer decides nothing."""
        if posting := self._postings(is_booked=data.is_booked).get(step):
            again = asked_again(lambda known: post(step, known, posting), data, reply)
            if again is not None:
                return again
        return self._replies()[step](data, reply)

    @property
    def questions(self) -> dict[str, type[Command[Any]]]:
        """The command that each step asks."""
        return {
            self.kind: self.asks,
            "inquire": InquireOperation,
            **dict.fromkeys(self._posting_steps(), PostEntries),
        }

    def _posting_steps(self) -> set[str]:
        return {step for is_booked in (True, False) for step in self._postings(is_booked=is_booked)}

    def _postings(self, *, is_booked: bool) -> dict[str, str]:
        """Return the posting of each step that has one; to undo, the posting depends on what was booked."""
        postings = {
            "post_accepted": self.posted_when_accepted,
            "post_done": self.posted_when_done,
            "post_undone": self.posted_when_undone if is_booked else self.posted_when_refused,
        }
        return {step: posting for step, posting in postings.items() if posting}

    def on_signal(self, step: str, data: OperationData, signal: str) -> D | None:
        """React to a notification about the operation, or to staff's decision on a parked one.

        After a notification the signal is ``done`` or ``refused``. Staff's decision is that the operation has
        ``arrived``, or is to be sent again (``resend``). ``hinted`` is only a reason to ask at once, as
        anybody may send hints. If staff find that the provider lacks a finished one, it is ``undone``.
        """
        if signal == "hinted":
            return self._ask(data) if step == "await_provider" else None
        if step in (self.kind, *UNTOLD):
            return self._told(data, signal)
        if step == "finished" and signal == "undone":
            return self._undone(data)
        if signal not in ("done", "refused"):
            return None
        if step == "post_accepted" or (step == "post_done" and signal == "refused"):
            return D(step=step, data=with_changes(data, told=signal), recalculate=True)
        return None

    def _told(self, data: OperationData, signal: str) -> D | None:
        if signal in ("done", "arrived"):
            return self._done(data)
        if signal == "refused":
            return self._refused(data)
        return self._resend(data) if signal == "resend" else None

    def _resend(self, data: OperationData) -> D:
        return self._request(with_changes(data, inquiries=0, tries=0, undecided=0))

    def _undone(self, data: OperationData) -> D:
        """Book back a finished operation."""
        return self._refused(with_changes(data, is_booked=bool(self.posted_when_done)))

    def on_deadline(self, step: str, data: OperationData) -> D:
        """Repeat the step's command, which may have got lost. The services know what they have done."""
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
        """Carry the step out again, with all its retries."""
        return self.on_deadline(step, with_changes(data, inquiries=0, tries=0, undecided=0))

    def _replies(self) -> dict[str, Callable[[OperationData, Reply], D]]:
        return {
            self.kind: self._answered,
            "inquire": self._inquired,
            "post_accepted": self._posted_accepted,
            "post_done": self._posted_done,
            "post_undone": self._posted_undone,
        }

    def _request(self, data: OperationData, *, delay_seconds: float = 0) -> D:
        ask = Ask(command=self.command(data), delay_seconds=delay_seconds)
        is_overdue = data.tries >= OVERDUE
        return D(step=self.kind, data=data, ask=ask, timeout=conf.provider_wait, is_overdue=is_overdue)

    def _answered(self, data: OperationData, reply: Reply) -> D:
        if reply.tells_nothing:
            return self._inquire(data)
        if reply.error is not None and not reply.error.retryable:
            # By contract nothing was done, and trying again would change nothing.
            return self._parked(self.kind, data, f"The payments service rejected it: {reply.error.message}")
        outcome = reply.result.get("outcome") if reply.ok else "not_sent"
        if outcome == "not_sent":
            again = with_changes(data, tries=data.tries + 1)
            decision = self._request(again, delay_seconds=retry_delay(data.tries))
            return replace(decision, notify_parent=f"{self.kind}_delayed")
        if outcome == "pending" and data.is_accepted:
            # Staff had it sent again. Its acceptance has been signalled and booked before.
            return replace(self._await_provider(data), recalculate=True)
        return self._went_on(data, outcome)

    def _inquired(self, data: OperationData, reply: Reply) -> D:
        outcome = reply.result.get("outcome") if reply.ok else "unknown"
        if outcome in ("not_shown", "not_sent") and not data.is_accepted:
            return self._request(data)
        if outcome == "undecided":
            return self._undecided(with_changes(data, undecided=data.undecided + 1))
        return self._went_on(data, outcome)

    def _undecided(self, data: OperationData) -> D:
        """Ask a few times more, as a notification may still come. After that only a person can find out."""
        if data.undecided < UNDECIDED_ANSWERS:
            return self._inquire(data)
        why = f"The provider's answers do not tell whether the {self.kind} arrived: look it up there."
        return self._parked("inquire", data, why)

    def _went_on(self, data: OperationData, outcome: object) -> D:
        if outcome == "approved":
            return self._done(data)
        if outcome == "refused":
            return self._refused(data)
        if outcome == "pending" and not data.is_accepted:
            return self._accepted(data)
        if outcome == "conflicted":
            decision = self._parked("conflicted", data, "The provider's answer is about something else.")
            return replace(decision, transitions=("conflicted",))
        return self._inquire(data)

    def _inquire(self, data: OperationData) -> D:
        """Ask the provider at growing intervals. If the outcome is unknown after the last, park the saga."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            return self._parked("inquire", data, f"The provider did not say what became of the {self.kind}.")
        return self._ask(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)

    def _ask(self, data: OperationData, *, delay_seconds: float = 0) -> D:
        body = InquireOperation(payment=data.payment, attempt=data.attempt, operation=data.operation)
        ask = Ask(command=body, delay_seconds=delay_seconds)
        return D(
            step="inquire",
            data=data,
            ask=ask,
            recalculate=True,
            notify_parent="" if data.is_accepted else f"{self.kind}_delayed",
            timeout=conf.provider_wait,
        )

    def _accepted(self, data: OperationData) -> D:
        """Signal and book that the provider took the request, before anything else."""
        accepted = with_changes(data, is_accepted=True, inquiries=0, tries=0)
        signals = f"{self.kind}_accepted"
        if self.posted_when_accepted:
            decision = post("post_accepted", accepted, self.posted_when_accepted)
        else:
            decision = self._await_provider(accepted)
        return replace(decision, recalculate=True, notify_parent=signals)

    def _posted_accepted(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_accepted", data, "The ledger rejected the posting.")
        if data.told == "done":
            return self._done(data)
        if data.told == "refused":
            return self._refused(data)
        return self._await_provider(data)

    def _await_provider(self, data: OperationData) -> D:
        return D(step="await_provider", data=data, timeout=conf.notification_wait)

    def _done(self, data: OperationData) -> D:
        if self.posted_when_accepted and not data.is_accepted:
            return self._accepted(with_changes(data, told="done"))
        if self.posted_when_done and not data.is_booked:
            told = "" if data.told == "done" else data.told
            done = with_changes(data, is_accepted=True, told=told, tries=0)
            return replace(post("post_done", done, self.posted_when_done), recalculate=True)
        return self._finished(data)

    def _posted_done(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_done", data, "The ledger rejected the posting.")
        booked = with_changes(data, is_booked=True)
        return self._undo(booked) if data.told == "refused" else self._finished(booked)

    def _finished(self, data: OperationData) -> D:
        signals = f"{self.kind}_done"
        return D(step="finished", data=data, recalculate=True, notify_parent=signals, end=End.COMPLETED)

    def _refused(self, data: OperationData) -> D:
        if data.is_booked or (self.posted_when_accepted and data.is_accepted):
            return self._undo(data)
        return self._ended_refused(data)

    def _undo(self, data: OperationData) -> D:
        """Book back what was booked too early."""
        undone = with_changes(data, tries=0)
        posting = self._postings(is_booked=data.is_booked)["post_undone"]
        return replace(post("post_undone", undone, posting), recalculate=True)

    def _posted_undone(self, data: OperationData, reply: Reply) -> D:
        if not reply.ok:
            return self._parked("post_undone", data, "The ledger rejected the posting.")
        returned = with_changes(data, told="", is_booked=False, returns=data.returns + 1)
        return self._done(returned) if data.told == "done" else self._ended_refused(returned)

    def _ended_refused(self, data: OperationData) -> D:
        signals = f"{self.kind}_refused"
        return D(step="refused", data=data, recalculate=True, notify_parent=signals, end=End.COMPENSATED)

    def _parked(self, step: str, data: OperationData, why: str) -> D:
        signals = f"{self.kind}_parked"
        return D(step=step, data=data, recalculate=True, notify_parent=signals, end=End.PARKED, why=why)
