"""Queries of a provider's books. No lock, transaction or database connection is held meanwhile."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import structlog
from django.db import close_old_connections, connection

from checkout.errors import (
    ListIncomplete,
    OutcomeUnknown,
    ProviderError,
    ProviderMisconfigured,
    ProviderReplyInvalid,
    ProviderUnavailable,
)
from checkout.payments.models import Attempt, Difference, ProviderAccount
from checkout.payments.providers.base import (
    OrderCodeNotSendable,
    Outcome,
    Provider,
    ProviderResult,
)
from checkout.payments.providers.registry import get_provider

log = structlog.get_logger(__name__)

FIRST_WINDOW = timedelta(minutes=10)
LONGEST_WINDOW = timedelta(days=1)
# Some providers have periods in whole seconds. A shorter window would have the same list.
SHORTEST_WINDOW = timedelta(seconds=2)
# After a window with fewer than ``FEW`` orders, the next is twice as long. After one with more than ``MANY``,
# it is half as long.
FEW, MANY = 200, 2_000

LONGEST_CODE: int = Difference._meta.get_field("order_code").max_length or 0
_DIGITS = 16
_SHORTENED = re.compile(rf".*… [0-9a-f]{{{_DIGITS}}}")

T = TypeVar("T")


class Unanswered(Exception):
    """The provider did not answer, or the answer is not understood.

    Nothing is known, and nothing was changed.
    """


class NotUnderstood(Unanswered):
    """The provider was reached, but the answer does not tell its sums of the order.

    For example, the account may not make inquiries.
    """


class NotAskable(NotUnderstood):
    """The order's code cannot be sent to the provider, so nothing was asked."""


def told(account: ProviderAccount, order_code: str) -> ProviderResult:
    """Return the provider's answer about an order. Raises ``Unanswered`` or a subclass.

    ``NOT_FOUND`` is an answer: the provider has no record of the order, or none yet.
    """
    if _SHORTENED.fullmatch(order_code):
        raise NotAskable
    result = _ask(account, lambda provider: _inquire(provider, order_code))
    if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_ABLE):
        reason = result.refusal.description if result.refusal else result.event
        log.warning("provider's answer says nothing", account=account.code, order=order_code, reason=reason)
        raise NotUnderstood
    return result


def inquiries_at_once(account: ProviderAccount) -> int:
    """Return the number of inquiries that ``account`` may make at the same time; 1 if it is unusable."""
    try:
        return get_provider(account.opened()).inquiries_at_once
    except ProviderMisconfigured:
        return 1


def _inquire(provider: Provider, order_code: str) -> ProviderResult:
    """Return the answer to an inquiry. Raises ``NotAskable`` for codes that only other programs use."""
    try:
        return provider.inquire(order_code)
    except OrderCodeNotSendable as error:
        log.warning("order cannot be asked about", account=provider.account.code, reason=str(error))
        raise NotAskable from error


def unknown_orders(
    account: ProviderAccount, since: datetime, until: datetime
) -> Iterator[tuple[datetime, list[ProviderResult]]]:
    """Yield the provider's orders of a period that we do not know, in windows of time.

    Each item has the end of the window, and the orders with their ``recordable`` codes. If the provider cuts
    a list, the window is halved and asked for again. Raises ``Unanswered``. Yields nothing if the provider
    does not list orders.
    """
    if not _ask(account, lambda provider: provider.lists_orders):
        return
    window = FIRST_WINDOW
    while since < until:
        begin, end = since, min(since + window, until)
        orders = _ask(account, lambda provider, begin=begin, end=end: _orders(provider, begin, end))  # type: ignore[misc]
        if orders is None:
            if window < SHORTEST_WINDOW:
                log.warning("list of orders stays incomplete", account=account.code, since=begin.isoformat())
                raise Unanswered
            window /= 2
            continue
        yield end, _unknown(orders)
        if len(orders) < FEW:
            window = min(window * 2, LONGEST_WINDOW)
        elif len(orders) > MANY:
            window /= 2
        since = end


def _orders(provider: Provider, since: datetime, until: datetime) -> Sequence[ProviderResult] | None:
    """Return the orders of a period; None if the provider returned an incomplete list."""
    try:
        return provider.orders(since, until)
    except ListIncomplete:
        return None


def _unknown(listed: Sequence[ProviderResult]) -> list[ProviderResult]:
    orders = [replace(order, order_code=recordable(order.order_code)) for order in listed]
    codes = [order.order_code for order in orders]
    known = set(Attempt.objects.filter(order_code__in=codes).values_list("order_code", flat=True))
    return [order for order in orders if order.order_code not in known]


def recordable(order_code: str) -> str:
    """Return the code if it can be stored, otherwise its beginning with a digest.

    Orders of other programs may have longer codes than ours, or unprintable characters in them.
    """
    if len(order_code) <= LONGEST_CODE and order_code.isprintable():
        return order_code
    digest = sha256(order_code.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    beginning = order_code[: LONGEST_CODE - _DIGITS - 2]
    return "".join(each if each.isprintable() else "?" for each in beginning) + f"… {digest}"


def _ask(account: ProviderAccount, question: Callable[[Provider], T]) -> T:
    if not connection.in_atomic_block:
        close_old_connections()
    try:
        return question(get_provider(account.opened()))
    except ProviderError as error:
        # Other log lines report that a provider is unavailable.
        is_away = isinstance(error, ProviderUnavailable | OutcomeUnknown)
        write = log.info if is_away else log.warning
        write("provider could not be asked", account=account.code, reason=str(error))
        raise (NotUnderstood if isinstance(error, ProviderReplyInvalid) else Unanswered) from error


# The point at which a run stops asking

# After this number of unanswered questions in a row, another order is asked about. If that gets no answer
# either, the provider is unavailable.
UNANSWERED = 5
# After this number of answers in a row that tell no sums, the provider or our adapter must be the cause, and
# not some orders.
NOT_UNDERSTOOD = 100


class CircuitBreaker:
    """A circuit breaker, which counts unanswered questions in a row and tells when a run should give up.

    Before a run gives up, one more order is asked about: the last one with an answer or, without any, one of
    ``others``, of which the best is the last.
    """

    def __init__(self, account: ProviderAccount, others: Sequence[str] = ()) -> None:
        self._account, self._others = account, others
        self._answered = ""
        self._in_vain: list[str] = []
        self._not_understood = 0

    def answered(self, order_code: str) -> None:
        """Count an answer that was understood."""
        self._note_answer(order_code)
        self._not_understood = 0

    def not_understood(self, order_code: str) -> None:
        """Count an answer that tells no sums."""
        self._note_answer(order_code)
        self._not_understood += 1

    def unanswered(self, order_code: str) -> bool:
        """Count a question without an answer. Return True if the provider then answers for another order.

        A provider that works may fail to answer for a few orders in a row, such as those of one night.
        """
        self._in_vain.append(order_code)
        return len(self._in_vain) >= UNANSWERED and self._is_reached_elsewhere()

    @property
    def was_reached(self) -> bool:
        """True if the provider has answered at least one question."""
        return bool(self._answered)

    @property
    def is_exhausted(self) -> bool:
        """True if the run should ask no further questions."""
        return len(self._in_vain) >= UNANSWERED or self._not_understood >= NOT_UNDERSTOOD

    def _note_answer(self, order_code: str) -> None:
        self._answered = order_code
        self._in_vain.clear()

    def _is_reached_elsewhere(self) -> bool:
        """Ask about another order. Return True if the provider gives any answer."""
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
        """Yield the last order that was answered for.

        If there is none, yield the others and our newest order.
        """
        if self._answered:
            yield self._answered
            return
        yield from (order_code for order_code in reversed(self._others) if order_code not in self._in_vain)
        attempts = Attempt.objects.filter(provider_account=self._account)
        newest = attempts.exclude(order_code__in=self._in_vain).order_by("-pk")
        yield from newest.values_list("order_code", flat=True)[:1]
