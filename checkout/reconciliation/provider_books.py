"""Queries of a provider's books, made with no lock, no transaction and no database connection held."""

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
# Periods are in whole seconds at some providers. A list of a shorter one would be the same.
SHORTEST_WINDOW = timedelta(seconds=2)
# A window with fewer than ``FEW`` orders is followed by one twice as long, one with more than ``MANY`` by one
# half as long.
FEW, MANY = 200, 2_000

LONGEST_CODE: int = Difference._meta.get_field("order_code").max_length or 0
_DIGITS = 16
_SHORTENED = re.compile(rf".*… [0-9a-f]{{{_DIGITS}}}")

T = TypeVar("T")


class Unanswered(Exception):
    """The provider did not answer, or not in a way that we understand. Nothing is known, nothing changed."""


class NotUnderstood(Unanswered):
    """The provider answered, so it is not away; but the answer does not say what it has of the order.

    The account may not ask, for example.
    """


class NotAskable(NotUnderstood):
    """The order's code cannot be sent to the provider as it is. Nothing was asked."""


def told(account: ProviderAccount, order_code: str) -> ProviderResult:
    """Return the provider's answer about an order. Raises ``Unanswered``, and its subclasses.

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
    """Return how many inquiries of ``account`` may wait for their answers; 1 if the account is unusable."""
    try:
        return get_provider(account.opened()).inquiries_at_once
    except ProviderMisconfigured:
        return 1


def _inquire(provider: Provider, order_code: str) -> ProviderResult:
    """Return the answer to an inquiry. Raises ``NotAskable`` for a code that only another program sends."""
    try:
        return provider.inquire(order_code)
    except OrderCodeNotSendable as error:
        log.warning("order cannot be asked about", account=provider.account.code, reason=str(error))
        raise NotAskable from error


def unknown_orders(
    account: ProviderAccount, since: datetime, until: datetime
) -> Iterator[tuple[datetime, list[ProviderResult]]]:
    """Yield the provider's orders of this time that we do not know, window by window.

    Their codes are as ``recordable`` returns them. With each window comes the time until which the orders
    have been looked at. A list that was cut is asked for again in a window half as long. Raises
    ``Unanswered``. Yields nothing if the provider does not list orders.
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
    """Return the orders of a period; None if the provider has cut the list."""
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
    """Return the code itself, or its beginning and a digest if it cannot be stored as it is.

    Orders of other programs may have longer codes than ours, or codes with characters that are not printed.
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
        # The outage of a provider has lines of its own.
        is_away = isinstance(error, ProviderUnavailable | OutcomeUnknown)
        write = log.info if is_away else log.warning
        write("provider could not be asked", account=account.code, reason=str(error))
        raise (NotUnderstood if isinstance(error, ProviderReplyInvalid) else Unanswered) from error


# The point at which a run gives up asking

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
