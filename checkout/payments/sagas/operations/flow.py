"""The common flow of captures, voids and refunds: ask the provider, wait for a certain outcome, book it.

Acceptance is not success: the provider has only taken the request. The outcome comes by a notification, which
the payments service stores and signals here, or by an inquiry. While the outcome is unknown, the provider is
asked. The request is sent again, with the same reference and idempotency key, only if the provider's answer
shows that it never arrived. If several answers leave that open, the saga is parked until staff look the
request up at the provider and settle it.

A proven notification may contradict what is known of an operation: it has failed, or was made with another
amount. It is not believed by itself. The operation is in doubt, and the provider is asked, at once or as soon
as the command under way has been answered. Meanwhile it keeps its state, even if it is done and booked.

Read the table first: ``OperationSaga.table``. The methods below it are the decisions that it mentions.
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
    """Return the command to post. The ledger makes a posting once, however often it is told."""
    return PostEntries(
        payment=data.payment,
        kind=posting,
        # A booking that is made once more, after it was booked back, is another posting.
        reference=f"{data.operation}/{data.returns}" if data.returns else data.operation,
        minor=data.minor,
        currency=data.currency,
        merchant_code=data.merchant_code,
    )


class OperationSaga(TableSaga[OperationData]):
    """A saga of its own per operation, keyed by the operation's reference.

    Its first step has the name of its kind. Its ``News`` go to the saga that started it. The ledger is told
    what to post, and is not waited for. A kind has None for postings that it does not need:
    ``posted_when_refused`` books back what was only accepted, ``posted_when_undone`` what was done.
    """

    asks: type[Command[ProviderAnswered]]
    posted_when_accepted: Posting | None = None
    posted_when_done: Posting | None = None
    posted_when_refused: Posting | None = None
    posted_when_undone: Posting | None = None
    data_type = OperationData

    def table(self) -> Sequence[Step[OperationData]]:
        """The steps."""
        # A notification about the operation, or the decision of staff on a parked one, ends what is open.
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
        """Return what follows from an answer of which only the outcome matters."""
        return lambda data, answer: follows(data)

    def unless_accepted(
        self, follows: Callable[[OperationData], OperationDecision]
    ) -> Callable[[OperationData, ProviderAnswered], OperationDecision]:
        """Return what follows unless the request was accepted before: then the provider is asked again."""
        return lambda data, answer: self.inquire(data) if data.is_accepted else follows(data)

    # The request

    def request(self, data: OperationData) -> OperationDecision:
        return Go(step=self.kind, data=data)

    def not_sent(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        """Send it later: nothing has left us."""
        return self.send_later(data, f"The provider was not reached. {answer.why}".rstrip())

    def denied(self, data: OperationData, answer: ProviderAnswered) -> OperationDecision:
        """Send the request later: the provider has no such order, or this account may not do that."""
        counted = with_changes(data, denials=data.denials + 1)
        return self.send_later(counted, answer.why or f"The provider has not carried out the {self.kind}.")

    def send_later(self, data: OperationData, why: str) -> OperationDecision:
        """Send it later, with the same reference, or park it if that has been tried often enough."""
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
            # Staff had it sent again. Its acceptance has been signalled and booked before.
            return replace(self.await_provider(data), recalculate=True)
        return self.accepted(data)

    def not_answered(self, data: OperationData, reply: Reply) -> OperationDecision:
        """Send it later if it was certainly not sent, and ask what became of it if that is not certain.

        If the error is not retryable, nothing was done by contract, and trying again would change nothing.
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
        """End the saga, and any doubt: the provider has confirmed the operation, or staff found it there."""
        return self.done(with_changes(data, is_doubted=False))

    def resend(self, data: OperationData) -> OperationDecision | None:
        """Send the request again, because staff found that it never arrived. A refund in doubt did arrive."""
        return None if data.is_doubted else self.request(self.afresh(data))

    def withdrawn(self, data: OperationData) -> OperationDecision:
        """Ask what became of it until that is certain: it is not sent any more, and may have arrived."""
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
        """Inquire a few times more, as a notification may still come. Then only a person can decide."""
        counted = with_changes(data, undecided=data.undecided + 1)
        if counted.undecided < UNDECIDED_ANSWERS:
            return self.inquire(counted)
        why = f"The provider's answers do not tell whether the {self.kind} arrived: look it up there."
        return self.parked(At.INQUIRE, counted, why)

    # A notification contradicts what is known. As long as it is in doubt, the provider is asked

    def ask_in_doubt(self, data: OperationData) -> OperationDecision:
        """Ask without waiting for an answer that is under way, as it is older than this doubt."""
        return self.ask(_doubted(data))

    def ask_anew(self, data: OperationData) -> OperationDecision | None:
        """Inquire, unless an inquiry is under way.

        The answer to an earlier inquiry decides nothing if it is older than this request.
        """
        is_asked = data.is_doubted and inquiry_delay(data.inquiries) is not None
        return None if is_asked else self.ask_in_doubt(data)

    def ask_about_a_finished_one(self, data: OperationData) -> OperationDecision:
        return self.ask_in_doubt(with_changes(data, is_booked=self.posted_when_done is not None))

    def ask_afterwards(self, step: str) -> Callable[[OperationData], OperationDecision]:
        """Finish the step first. What follows it asks the provider, as long as the operation is in doubt."""
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
        """Return the posting of the acceptance, unless it was told before."""
        posting = self.posted_when_accepted
        return () if posting is None or data.is_accepted else (entries(data, posting),)

    def done(self, data: OperationData) -> OperationDecision:
        """Book the outcome, and the acceptance if it was not noticed before, and finish."""
        posting = self.posted_when_done
        if posting is None or data.is_booked:
            return self.finished(data)
        decision = self.finished(with_changes(data, is_accepted=True, is_booked=True, tries=0))
        return replace(decision, side_commands=(*self.acceptance_of(data), entries(data, posting)))

    def done_unless_booked(self, data: OperationData) -> OperationDecision | None:
        """Book the outcome once. Later events repeat that it is done, even while that is in doubt."""
        return None if data.is_booked else self.done(data)

    def finished(self, data: OperationData) -> OperationDecision:
        if data.is_doubted:
            return self.ask(data)
        return Go(step=At.FINISHED, data=data, recalculate=True, notify_parent=self.result(News.DONE))

    def refused(self, data: OperationData) -> OperationDecision:
        """Book back what was booked too early, if anything was."""
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
