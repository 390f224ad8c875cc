"""Compare our payments with the provider's books.

Nothing is corrected here. Our books are read before and after the provider is asked. They are compared only
if both readings are equal. The provider is asked about several payments at once, as many as the account
allows. One thread compares the answers, in the order of the questions.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ParamSpec, TypeVar

from checkout.payments.books.compare_sums import Compared, position_told
from checkout.payments.books.ours import has_told_of_money, may_order_exist, ours_of
from checkout.payments.calls import under_way
from checkout.payments.models import Attempt, Difference, PostponedComparison, ProviderAccount, Reconciliation
from checkout.payments.providers.base import EventKind, Outcome, Position, ProviderResult
from checkout.payments.service.attempts import attempt_of
from checkout.reconciliation.comparison import compare, compare_answer, untold
from checkout.reconciliation.differences import record
from checkout.reconciliation.our_books import OurBooks, our_books
from checkout.reconciliation.provider_books import (
    CircuitBreaker,
    NotUnderstood,
    Unanswered,
    inquiries_at_once,
    told,
)
from checkout.reconciliation.schedule import (
    Period,
    changed_payments,
    differing_payments,
    inconclusive,
    postpone,
    postpone_sums,
    postponed_payments,
)

SAVE_EVERY = 100

P = ParamSpec("P")
T = TypeVar("T")


def compare_payments(
    account: ProviderAccount,
    run: Reconciliation,
    period: Period,
    should_stop: Callable[[], bool],
) -> list[Difference]:
    """Compare payments that changed in ``period``, and those that earlier runs left. Return the differences.

    ``run`` gets the counts, and the time until which all changes were compared. If the provider does not
    answer for an order, but for later ones, the order becomes an open difference of the kind ``unanswered``,
    so that the next runs ask again. If the provider answers for no order at all, the run ends.
    """
    at_once = inquiries_at_once(account)
    with _InPlace() if at_once == 1 else ThreadPoolExecutor(at_once, "inquiry") as threads:
        comparison = _Comparison(account, run, period, should_stop, threads, at_once)
        if comparison.compare_changed():
            comparison.compare_left()
            if not comparison.pending:
                run.compared_until = period.mark(period.until)
        threads.shutdown(cancel_futures=True)
    return comparison.seen


class _InPlace(Executor):
    """An executor that runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn``, and return a finished future with its result or error."""
        called: Future[T] = Future()
        try:
            called.set_result(fn(*args, **kwargs))
        except Exception as error:
            called.set_exception(error)
        return called


class _Question:
    """An inquiry about one of our orders. A thread waits for the answer, and uses no database."""

    def __init__(self, account: ProviderAccount, code: str, threads: Executor) -> None:
        self._attempt = attempt_of(code)
        self._before = under_way(self._attempt)
        self._answer = threads.submit(told, account, code)

    def answer(self) -> ProviderResult:
        """Wait for the provider's answer, and return it. Raises the errors of ``told``.

        The answer "no such order" becomes ``UNKNOWN`` while the order may exist or may still arrive. If the
        provider must know the order by now, and has told of money held for it, ``NotUnderstood`` is raised.
        """
        result = self._answer.result()
        if result.outcome != Outcome.NOT_FOUND or not may_order_exist(self._before, self._attempt):
            return result
        if self._before.is_over(self._attempt) and has_told_of_money(self._attempt):
            raise NotUnderstood
        return replace(result, outcome=Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A payment, our books before the questions, and the question about each order, by order code.

    ``changed_at`` is None if the payment was left by an earlier run.
    """

    pk: int
    changed_at: datetime | None
    before: OurBooks
    questions: dict[str, _Question]


class _Comparison:
    """The comparison of the payments of one account.

    ``seen`` has the differences. ``pending`` has the orders without an answer since the provider's last
    answer, each with its payment. While there are any, the run's mark does not move past them.
    """

    def __init__(
        self,
        account: ProviderAccount,
        run: Reconciliation,
        period: Period,
        should_stop: Callable[[], bool],
        threads: Executor,
        at_once: int,
    ) -> None:
        self.seen: list[Difference] = []
        self.pending: list[tuple[int, Compared]] = []
        self._account, self._run, self._period, self._should_stop = account, run, period, should_stop
        self._threads, self._at_once = threads, at_once
        self._breaker = CircuitBreaker(account)
        self._postponed = postponed_payments(account)
        self._unanswered = differing_payments(account, Difference.Kind.UNANSWERED)
        self._left = self._postponed | differing_payments(account)
        self._was_cut = False

    def compare_changed(self) -> bool:
        """Compare the payments that changed, oldest first. Return False if the run had to end early."""
        changed = ((pk, moment) for moment, pk in changed_payments(self._account, self._period.since))
        for number, asked in enumerate(self._asked(changed), start=1):
            self._compare(asked)
            self._left.discard(asked.pk)
            if not self.pending and asked.changed_at is not None:
                self._run.compared_until = self._period.mark(asked.changed_at)
            if number % SAVE_EVERY == 0:
                self._run.save()
        return not self._was_cut

    def compare_left(self) -> None:
        """Compare the payments that earlier runs left. Those without an answer come last.

        Among the others the newest come first, because most captures and refunds blocked by a lock are of
        recent payments.
        """
        left = sorted(self._left, key=lambda pk: (pk in self._unanswered, -pk))
        for asked in self._asked((pk, None) for pk in left):
            self._compare(asked)

    def _asked(self, payments: Iterable[tuple[int, datetime | None]]) -> Iterator[_Asked]:
        """Yield each payment after asking the provider about it and about some of the next ones."""
        ahead: deque[_Asked] = deque()
        for pk, changed_at in payments:
            if self._must_end:
                self._was_cut = True
                return
            ahead.append(self._ask_about(pk, changed_at))
            if len(ahead) >= self._at_once:
                yield ahead.popleft()
        while ahead:
            if self._must_end:
                self._was_cut = True
                return
            yield ahead.popleft()

    def _ask_about(self, pk: int, changed_at: datetime | None) -> _Asked:
        before = our_books(pk, self._account)
        codes = () if before.is_in_progress else before.attempts
        questions = {code: _Question(self._account, code, self._threads) for code in codes}
        return _Asked(pk, changed_at, before, questions)

    @property
    def _must_end(self) -> bool:
        return self._should_stop() or self._breaker.is_exhausted

    def _compare(self, asked: _Asked) -> None:
        pk, changed_at, before = asked.pk, asked.changed_at, asked.before
        if before.is_in_progress:
            return self._postpone(pk, changed_at)
        theirs: dict[str, Position | None] = {}
        answers: list[Compared] = []
        disputed: list[str] = []
        for code, question in asked.questions.items():
            try:
                result = self._answer(code, question)
            except Unanswered:
                return self._not_answered(pk, compare_answer(code, before.currency, is_understood=False))
            theirs[code] = None if result is None else _position_of(code, before, result)
            answers.append(compare_answer(code, before.currency, is_understood=result is not None))
            if result is not None and result.kind == EventKind.CHARGED_BACK:
                disputed.append(code)
        if our_books(pk, self._account) != before:
            return self._postpone(pk, changed_at)
        not_understood = sum(not answer.agrees for answer in answers)
        self._run.unanswered += not_understood
        self._run.untold += sum(position is None for position in theirs.values()) - not_understood
        compared = compare(before, theirs, disputed)
        late = inconclusive(self._account, pk, before, compared, self._run.started_at)
        certain = [each for each in compared if each not in late]
        differing = record(self._account, pk, [*answers, *certain], untold(before, theirs))
        self.seen += differing
        if late:
            self._run.in_progress += 1
            return postpone_sums(self._account, pk, compared, self._run.started_at)
        self._run.compared += not not_understood
        if pk in self._postponed:
            # A row with a later time is about a notified operation, which the provider's queries need not
            # show yet.
            left = PostponedComparison.objects.filter(account=self._account, payment_id=pk)
            if differing or not _are_sums_told(theirs):
                left = left.filter(is_lock=False)
            left.filter(postponed_at__lte=self._run.started_at).delete()
        return None

    def _answer(self, code: str, question: _Question) -> ProviderResult | None:
        """Return the provider's answer about an order; None if the answer does not tell its sums."""
        result = None
        try:
            result = question.answer()
            self._breaker.answered(code)
        except NotUnderstood:
            self._breaker.not_understood(code)
        self._record_pending()
        return result

    def _record_pending(self) -> None:
        for pk, unanswered in self.pending:
            record(self._account, pk, [unanswered])
        self.pending.clear()

    def _not_answered(self, pk: int, unanswered: Compared) -> None:
        """Note an order without an answer.

        It is recorded as unanswered once the provider answers for another. Payments that earlier runs left
        are noted already, so they do not hold back the run's mark.
        """
        self._run.unanswered += 1
        is_reached = self._breaker.unanswered(unanswered.order_code)
        if pk not in self._left:
            self.pending.append((pk, unanswered))
        elif self._breaker.was_reached:
            record(self._account, pk, [unanswered])
        if is_reached:
            self._record_pending()

    def _postpone(self, pk: int, changed_at: datetime | None) -> None:
        """Leave a payment to the next run. The latest changes are examined again in any case."""
        self._run.in_progress += 1
        if changed_at is not None and changed_at < self._period.until:
            postpone(self._account, pk)


def _are_sums_told(theirs: Mapping[str, Position | None]) -> bool:
    """Return True if the provider has told the captured and the refunded sum of each order."""
    return all(
        position is not None and position.captured is not None and position.refunded is not None
        for position in theirs.values()
    )


def _position_of(code: str, ours: OurBooks, result: ProviderResult) -> Position | None:
    attempt = Attempt.objects.select_related("payment").get(order_code=code)
    return position_told(ours_of(attempt), ours.attempts[code], result)
