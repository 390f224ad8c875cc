"""The point at which a run gives up asking a provider."""

from collections.abc import Iterator, Sequence

from checkout.payments.models import Attempt, ProviderAccount
from checkout.reconciliation.provider_books import NotAskable, NotUnderstood, Unanswered, told

# Questions in a row without an answer, after which an order elsewhere is asked about. If that gets no answer
# either, the provider is away.
UNANSWERED = 5
# Answers in a row that say nothing: not a few orders are the cause, but the provider or our adapter.
NOT_UNDERSTOOD = 100


class CircuitBreaker:
    """A count of the questions in a row that were asked in vain.

    ``others`` are orders to ask about before the run gives up, the best last, if none was answered for yet.
    """

    def __init__(self, account: ProviderAccount, others: Sequence[str] = ()) -> None:
        self._account, self._others = account, others
        self._answered = ""
        self._in_vain: list[str] = []
        self._not_understood = 0

    def answered(self, order_code: str) -> None:
        """Note an answer that was understood."""
        self._note_answer(order_code)
        self._not_understood = 0

    def not_understood(self, order_code: str) -> None:
        """Note an answer that says nothing."""
        self._note_answer(order_code)
        self._not_understood += 1

    def unanswered(self, order_code: str) -> bool:
        """Note a question without an answer. Return True if the provider has answered for another order.

        The provider may not answer for a few orders in a row, such as those of one night, without being away.
        """
        self._in_vain.append(order_code)
        return len(self._in_vain) >= UNANSWERED and self._is_reached_elsewhere()

    @property
    def was_reached(self) -> bool:
        """Return True if the provider has answered at least one question."""
        return bool(self._answered)

    @property
    def is_exhausted(self) -> bool:
        """Return True if the run should ask no more."""
        return len(self._in_vain) >= UNANSWERED or self._not_understood >= NOT_UNDERSTOOD

    def _note_answer(self, order_code: str) -> None:
        self._answered = order_code
        self._in_vain.clear()

    def _is_reached_elsewhere(self) -> bool:
        """Ask about one order elsewhere. Return True if the provider answers, whatever it says."""
        for order_code in self._elsewhere():
            try:
                told(self._account, order_code)
            except NotAskable:
                continue
            except NotUnderstood:
                pass
            except Unanswered:
                return False
            self._note_answer(order_code)
            return True
        return False

    def _elsewhere(self) -> Iterator[str]:
        """Yield the order that was answered for last, or else the others and the newest one."""
        if self._answered:
            yield self._answered
            return
        yield from (order_code for order_code in reversed(self._others) if order_code not in self._in_vain)
        attempts = Attempt.objects.filter(provider_account=self._account)
        newest = attempts.exclude(order_code__in=self._in_vain).order_by("-pk")
        yield from newest.values_list("order_code", flat=True)[:1]
