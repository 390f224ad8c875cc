"""The common flow of captures, voids and refunds: send a request, wait for a certain outcome, book it.

Acceptance is not success: the provider has only taken the request. The outcome comes by a notification, which
the payments service stores and signals to the saga, or by an inquiry. While the outcome is unknown, the saga
inquires. The request is sent again, with the same reference and idempotency key, only if the provider's
answer shows that it never arrived. If several answers leave that open, the saga is parked until staff look
the request up at the provider and settle it.

A proven notification may contradict what our books say of an operation: that it failed, or has another
amount. This is not believed without the provider's answer. The operation is in doubt, and the saga inquires,
at once or as soon as the command under way has been answered. Meanwhile the operation keeps its state, even
if it is done and booked.

Read the table first: ``OperationSaga.table``. The methods below it are the decisions that the table mentions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.ledger.messages import PostEntries, Posting
from checkout.messages import Command
from checkout.payments.messages import InquireOperation, ProviderAnswered, ProviderOutcome
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.pauses import (
    UNDECIDED_ANSWERS,
    inquiry_delay,
    next_try,
    notification_wait,
    provider_wait,
)
from checkout.payments.sagas.signals import ChildResult, Heard, News, Signal
from checkout.payments.sagas.table import AfterSignal, Go, Step, TableSaga, again
from messaging.envelope import Reply


def entries(data: OperationData, posting: Posting) -> PostEntries:
    """Return the command to post. The ledger makes each posting once, even if the command is repeated."""
    return PostEntries(
        payment=data.payment,
        kind=posting,
        # After a return, the same booking is another posting, so it needs another reference.
        reference=f"{data.operation}/{data.returns}" if data.returns else data.operation,
        minor=data.minor,
        currency=data.currency,
        merchant_code=data.merchant_code,
    )


class OperationSaga(TableSaga[OperationData]):
    """The saga of one operation, keyed by the operation's reference.

    Its first step is named after the operation's kind. Its ``News`` go to the saga that started it. It sends
    postings to the ledger without waiting for an answer. A kind has None for postings that it does not need:
    ``posted_when_refused`` books back an operation that was only accepted, ``posted_when_undone`` one that
    was done.
    """

    asks: type[Command[ProviderAnswered]]
    posted_when_accepted: Posting | None = None
    posted_when_done: Posting | None = None
    posted_when_refused: Posting | None = None
    posted_when_undone: Posting | None = None
    data_type = OperationData

    def table(self) -> Sequence[Step[OperationData]]:
        """The steps."""
        # A notification about the operation, or a decision of staff on a parked one, ends an open operation.
        told: Mapping[Heard, AfterSignal[OperationData]] = {
            Signal.DONE: self.done_unless_booked,
            Signal.REFUSED: self.refused,
            Signal.ARRIVED: self.arrived,
            Signal.RESEND: self.resend,
            Signal.WITHDRAWN: self.withdrawn,
            Signal.UNDONE: self.refused,
        }
        return (
            Step(
                name=self.kind,
                asks=self.asks,
                within=provider_wait,
                on={
                    ProviderOutcome.APPROVED: self.answered(self.done),
                    ProviderOutcome.PENDING: self.pending,
                    ProviderOutcome.REFUSED: self.answered(self.refused),
                    ProviderOutcome.NOT_SENT: self.not_sent,
                    ProviderOutcome.NOT_FOUND: self.denied,
                    ProviderOutcome.NOT_ABLE: self.denied,
                    ProviderOutcome.CONFLICTED: self.answered(self.contradicted),
                },
                failed=self.not_answered,
                unknown=again(self.kind),
                hears={**told, Signal.DOUBTED: self.ask_afterwards(self.kind)},
                is_owed=True,
            ),
            Step(
                name=At.AWAIT_PROVIDER,
                within=notification_wait,
                unknown=self.inquire,
                hears={**told, Signal.HINTED: self.ask, Signal.DOUBTED: self.ask_in_doubt},
            ),
            Step(
                name=At.INQUIRE,
                asks=InquireOperation,
                within=provider_wait,
                on={
                    ProviderOutcome.APPROVED: self.answered(self.arrived),
                    ProviderOutcome.PENDING: self.unless_accepted(self.accepted),
                    ProviderOutcome.REFUSED: self.answered(self.refused),
                    ProviderOutcome.NOT_SENT: self.unless_accepted(self.request),
                    ProviderOutcome.NOT_SHOWN: self.unless_accepted(self.request),
                    ProviderOutcome.UNDECIDED: self.answered(self.undecided),
                    ProviderOutcome.CONFLICTED: self.answered(self.contradicted),
                },
                unknown=self.inquire,
                hears={**told, Signal.DOUBTED: self.ask_anew},
            ),
            Step(
                name=At.CONFLICTED,
                unknown=self.inquire,
                hears={**told, Signal.DOUBTED: self.ask_afterwards(At.CONFLICTED)},
            ),
            Step(
                name=At.FINISHED,
                ends=End.COMPLETED,
                hears={Signal.UNDONE: self.booked_back, Signal.DOUBTED: self.ask_about_a_finished_one},
            ),
            Step(name=At.REFUSED, ends=End.COMPENSATED),
        )

    def begin(self, data: OperationData) -> OperationDecision:
        """Send the request, unless the provider has accepted it with the authorisation."""
        return self.accepted(data) if data.is_included else self.request(data)

    def afresh(self, data: OperationData) -> OperationData:
        """Count from zero."""
        return with_changes(data, inquiries=0, tries=0, denials=0, undecided=0)

    @staticmethod
    def answered(
        follows: Callable[[OperationData], OperationDecision],
    ) -> Callable[[OperationData, ProviderAnswered], OperationDecision]:
        """Return a function that also takes the answer, and ignores it: only the answer's outcome matters."""
        return lambda data, answer: follows(data)

    def unless_accepted(
        self, follows: Callable[[OperationData], OperationDecision]
    ) -> Callable[[OperationData, ProviderAnswered], OperationDecision]:
        """Inquire again if the request was accepted before; otherwise decide as ``follows`` does."""
        return lambda data, answer: self.inquire(data) if data.is_accepted else follows(data)

    # The request

    def request(self, data: OperationData) -> OperationDecision:
        return Go(step=self.kind, data=data)

    def not_sent(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        """Send the request later: it has not left our systems."""
        return self.send_later(data, f"The provider was not reached. {answer.why}".rstrip())

    def denied(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        """Send the request later: the provider has no such order, or refuses the request of this account."""
        counted = with_changes(data, denials=data.denials + 1)
        return self.send_later(counted, answer.why or f"The provider has not carried out the {self.kind}.")

    def send_later(self, data: OperationData, why: str) -> OperationDecision:
        """Send the request later, with the same reference. After too many tries, park the saga."""
        delay_seconds, counted = next_try(data.tries, data.denials), with_changes(data, tries=data.tries + 1)
        if delay_seconds is None:
            return self.parked(self.kind, counted, why)
        return Go(
            step=self.kind,
            data=counted,
            delay_seconds=delay_seconds,
            notify_parent=self.result(News.DELAYED),
        )

    def pending(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        if data.is_accepted:
            # Staff had the request sent again. Its acceptance was signalled and booked before.
            return replace(self.await_provider(data), recalculate=True)
        return self.accepted(data)

    def not_answered(self, data: OperationData, reply: Reply) -> OperationDecision:
        """Send the request later if it certainly was not sent. If that is uncertain, inquire.

        By the contract of commands, an error that is not retryable means that nothing was done, and that
        another try would not help.
        """
        if reply.ok or reply.error is None or reply.tells_nothing:
            return self.inquire(data)
        if reply.error.retryable:
            return self.send_later(data, f"The payments service could not send it: {reply.error.message}")
        return self.parked(self.kind, data, f"The payments service rejected it: {reply.error.message}")

    def contradicted(self, data: OperationData) -> OperationDecision:
        decision = self.parked(At.CONFLICTED, data, "The provider's answer is about something else.")
        return replace(decision, transitions=("conflicted",))

    def arrived(self, data: OperationData) -> OperationDecision:
        """Finish, and end any doubt: the provider has confirmed the operation, or staff found it there."""
        return self.done(with_changes(data, is_doubted=False))

    def resend(self, data: OperationData) -> OperationDecision | None:
        """Send the request again: staff found that it never arrived. Do nothing for a refund in doubt."""
        return None if data.is_doubted else self.request(self.afresh(data))

    def withdrawn(self, data: OperationData) -> OperationDecision:
        """Inquire until the outcome is certain: a withdrawn request is not sent again, but may arrive."""
        return self.ask(with_changes(data, inquiries=0, undecided=0))

    # The unknown outcome

    def await_provider(self, data: OperationData) -> OperationDecision:
        return self.ask(data) if data.is_doubted else Go(step=At.AWAIT_PROVIDER, data=data)

    def inquire(self, data: OperationData) -> OperationDecision:
        """Ask the provider at growing intervals. If the outcome is unknown after the last, park the saga."""
        delay_seconds = inquiry_delay(data.inquiries)
        if delay_seconds is None:
            return self.parked(At.INQUIRE, data, f"The provider did not say what became of the {self.kind}.")
        return self.ask(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)

    def ask(self, data: OperationData, *, delay_seconds: float = 0) -> OperationDecision:
        return Go(
            step=At.INQUIRE,
            data=data,
            delay_seconds=delay_seconds,
            recalculate=True,
            notify_parent=None if data.is_accepted else self.result(News.DELAYED),
        )

    def undecided(self, data: OperationData) -> OperationDecision:
        """Inquire a few times more, because a notification may still come. After that, staff must decide."""
        counted = with_changes(data, undecided=data.undecided + 1)
        if counted.undecided < UNDECIDED_ANSWERS:
            return self.inquire(counted)
        why = f"The provider's answers do not tell whether the {self.kind} arrived: look it up there."
        return self.parked(At.INQUIRE, counted, why)

    # Notifications that contradict our books. While an operation is in doubt, the provider is asked

    def ask_in_doubt(self, data: OperationData) -> OperationDecision:
        """Inquire at once. An answer to an earlier inquiry is older than the notification of the doubt."""
        return self.ask(_doubted(data))

    def ask_anew(self, data: OperationData) -> OperationDecision | None:
        """Inquire because of a notification that raises doubt, unless such an inquiry is under way.

        The answer to an earlier inquiry may be older than the notification, and is not used.
        """
        is_asked = data.is_doubted and inquiry_delay(data.inquiries) is not None
        return None if is_asked else self.ask_in_doubt(data)

    def ask_about_a_finished_one(self, data: OperationData) -> OperationDecision:
        return self.ask_in_doubt(with_changes(data, is_booked=self.posted_when_done is not None))

    def ask_afterwards(self, step: str) -> Callable[[OperationData], OperationDecision]:
        """Return a decision that notes the doubt and finishes the step. After it, the saga inquires."""
        return lambda data: OperationDecision(step=step, data=_doubted(data))

    # Accepted, done or refused

    def accepted(self, data: OperationData) -> OperationDecision:
        """Signal and book that the provider took the request."""
        decision = self.await_provider(with_changes(data, is_accepted=True, inquiries=0, tries=0, denials=0))
        return replace(
            decision,
            recalculate=True,
            notify_parent=self.result(News.ACCEPTED),
            side_commands=self.acceptance_of(data),
        )

    def acceptance_of(self, data: OperationData) -> tuple[PostEntries, ...]:
        """Return the posting of the acceptance, unless it was sent before."""
        posting = self.posted_when_accepted
        return () if posting is None or data.is_accepted else (entries(data, posting),)

    def done(self, data: OperationData) -> OperationDecision:
        """Book the outcome, and finish. If the acceptance was not booked yet, book it first."""
        posting = self.posted_when_done
        if posting is None or data.is_booked:
            return self.finished(data)
        decision = self.finished(with_changes(data, is_accepted=True, is_booked=True, tries=0))
        return replace(decision, side_commands=(*self.acceptance_of(data), entries(data, posting)))

    def done_unless_booked(self, data: OperationData) -> OperationDecision | None:
        """Book the outcome once. Later signals repeat that the operation is done, even while in doubt."""
        return None if data.is_booked else self.done(data)

    def finished(self, data: OperationData) -> OperationDecision:
        if data.is_doubted:
            return self.ask(data)
        return Go(step=At.FINISHED, data=data, recalculate=True, notify_parent=self.result(News.DONE))

    def refused(self, data: OperationData) -> OperationDecision:
        """Book back the postings of the refused operation, if there are any."""
        decision = Go(step=At.REFUSED, data=data, recalculate=True, notify_parent=self.result(News.REFUSED))
        posting = self.posted_when_undone if data.is_booked else self.posted_when_refused
        if posting is None or not (data.is_booked or data.is_accepted):
            return decision
        returned = with_changes(data, is_booked=False, returns=data.returns + 1)
        return replace(decision, data=returned, side_commands=(entries(data, posting),))

    def booked_back(self, data: OperationData) -> OperationDecision:
        """Book back a finished operation that the provider does not have."""
        return self.refused(with_changes(data, is_booked=self.posted_when_done is not None))

    # Any step

    def parked(self, step: str, data: OperationData, why: str) -> OperationDecision:
        notice = self.result(News.PARKED)
        return OperationDecision(
            step=step, data=data, recalculate=True, notify_parent=notice, end=End.PARKED, why=why
        )

    def result(self, news: News) -> ChildResult:
        return ChildResult(self.kind, news)


def _doubted(data: OperationData) -> OperationData:
    return with_changes(data, is_doubted=True, inquiries=0)
