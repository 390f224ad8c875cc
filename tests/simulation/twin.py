"""A simulated provider behind an unreliable connection."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from django.db import connection

from checkout.conf import conf
from checkout.errors import OutcomeUnknown, ProviderReplyInvalid, ProviderUnavailable
from checkout.money import Money
from checkout.payments.providers.base import (
    Authorisation,
    ChallengeCompletion,
    Modification,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.saved_cards import KeptToken
from tests.simulation.processes import outside
from tests.simulation.threads import pause
from tests.simulation.tokens import Tokens
from tests.support.memory_provider.books import Order, OrderState
from tests.support.memory_provider.provider import MemoryProvider, missing

if TYPE_CHECKING:
    from tests.simulation.world import World


T = TypeVar("T")

# The gateway's time limit for a provider call (providers/transport.py has the real figures).
TIMEOUT_SECONDS = 25.0
# A request must arrive and be visible within this time. The other half of the settling time is for sending
# it.
_SECONDS_TO_SETTLE = conf.settling_time.total_seconds() / 2
# The bounds of the seconds for which an answer that nothing was done is held up after another copy has
# arrived, and the most seconds that it waits for such a copy.
HELD_SECONDS = (1.0, 60.0)
MOST_HELD_SECONDS = 6 * 3600.0
FATES = ("unreachable", "lost", "late", "broken", "unreadable")


class Line:
    """The world of the running schedule, for all adapters of the provider."""

    world: "World"


class Twin(MemoryProvider):
    """A provider whose requests take time, during which the gateway may crash. Messages may be lost."""

    def authorise(self, request: Authorisation) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            Line.world.bank.asked_to_authorise(request)
            if request.stored_card is not None:
                self._tokens.be_charged(request.stored_card)
            asked = request
            if request.captures and Line.world.chance.issuer_refuses_capture():
                # The order stays authorised, as if nobody had asked for the capture.
                Line.world.bank.unpaid.add(request.order_code)
                asked = replace(request, captures=False)
            send = partial(super(Twin, self).authorise, asked)
            result = self._watched(request.order_code, send, seconds_left)
            if request.saves_for:
                self._tokens.be_kept(request)
            order = self.books.orders.get(request.order_code)
            if order is not None and order.state == OrderState.PENDING:
                Line.world.bank.decide_later(self, request.order_code)
            return self._tokens.told(result, is_reply=True)

        # A card that is erased or removed meanwhile must not be charged or kept.
        may_be_delayed = request.stored_card is None and not request.saves_for
        delay_seconds = Line.world.chance.seconds_until_carried_out() if may_be_delayed else 0.0
        return self._call(Verb.AUTHORISE, request.order_code, act, delay_seconds)

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            send = partial(super(Twin, self).complete_challenge, request)
            result = self._watched(request.order_code, send, seconds_left)
            return self._tokens.told(result, is_reply=True)

        return self._call(Verb.COMPLETE_CHALLENGE, request.order_code, act)

    def capture(self, request: Modification) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            if denial := self._denial(request):
                return denial
            if Line.world.chance.issuer_refuses_capture():
                # A provider that deduplicates stores this refusal, and answers the same key with it again.
                refusal = self.books.once(request.idempotency_key, lambda: _refusal(request))
                if not self.books.orders[request.order_code].manners.deduplicates:
                    return refusal
            send = partial(super(Twin, self).capture, request)
            return self._watched(request.order_code, send, seconds_left)

        return self._call(Verb.CAPTURE, request.reference, act)

    def void(self, request: Modification) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            return self._denial(request) or super(Twin, self).void(request)

        return self._call(Verb.VOID, request.reference, act)

    def refund(self, request: Modification) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            if denial := self._denial(request):
                return denial
            send = partial(super(Twin, self).refund, request)
            return self._watched(request.order_code, send, seconds_left)

        return self._call(Verb.REFUND, request.reference, act)

    def inquire(self, order_code: str) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            order = Line.world.bank.shown(order_code)
            if order is None or order.state == OrderState.CHALLENGED:
                return missing(order_code)
            return self._tokens.told(self._told(order), is_reply=False)

        return self._call(Verb.INQUIRE, order_code, act)

    def delete_token(self, kept: KeptToken) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            self._tokens.be_deleted(kept)
            return super(Twin, self).delete_token(kept)

        return self._call(Verb.DELETE_TOKEN, kept.shopper, act)

    def _denial(self, request: Modification) -> ProviderResult | None:
        """Return the answer of a provider that does not process the request; None if it does."""
        bank, order = Line.world.bank, self.books.orders[request.order_code]
        bank.asked_to_move(request.reference)
        if bank.does_not_get_through(order):
            return missing(request.order_code)
        if request.reference in bank.held_answers:
            bank.copied.add(request.reference)
        elif Line.world.chance.happens("answer_held"):
            # This copy is refused, and the next one is not.
            return bank.held_answers.setdefault(request.reference, _refusal(request))
        is_copy = any(each.reference == request.reference for each in order.taken)
        if is_copy and order.manners.deduplicates and Line.world.chance.happens("copy_refused"):
            return _refusal(request)
        return None

    @property
    def _tokens(self) -> Tokens:
        return Line.world.bank.tokens

    def be_decided(self, order: Order) -> None:
        """Carry out the late decision of an authorisation: announce it, and capture if that was requested."""
        self._watched(order.order_code, partial(self._end, order), _SECONDS_TO_SETTLE)

    def _watched(self, order_code: str, send: Callable[[], T], seconds_left: float) -> T:
        """Return the result of ``send``, and let the bank check the captures and refunds that it made."""
        known = self.books.orders.get(order_code)
        before = len(known.taken) if known else 0
        result = send()
        if (order := self.books.orders.get(order_code)) is not None:
            for movement in order.taken[before:]:
                Line.world.bank.took(order, movement, seconds_left)
        return result

    def _call(
        self, verb: Verb, about: str, act: Callable[[float], ProviderResult], delay_seconds: float = 0.0
    ) -> ProviderResult:
        """Call ``act`` at the provider, if the request arrives there.

        ``act`` receives the seconds for which its effect may stay invisible. A request that is carried out
        after ``delay_seconds`` gets no answer.
        """
        if connection.in_atomic_block:
            Line.world.violations.append(f"a transaction is held open while {verb} {about} is on its way")
        chance = Line.world.chance
        is_movement = verb in (Verb.CAPTURE, Verb.REFUND)
        fate = "fine"
        if chance.happens("provider"):
            fate = chance.one_of(FATES)
        elif is_movement and chance.happens("movement_lost"):
            fate = chance.one_of(FATES, (1, 2, 2, 4, 4))
        if about in Line.world.bank.held_answers:
            # The copy is carried out, and only the answer to the first one arrives.
            fate = "broken"
        if Line.world.disputed_money.is_cut_off(verb):
            fate = "unreachable"
        if delay_seconds:
            fate = "delayed"
        Line.world.trace.note("gateway", "asks to", verb, about, fate)
        there, back = delay_seconds or chance.around(0.3), chance.around(0.3)
        if fate == "unreachable":
            pause(there)
            Line.world.disputed_money.not_sent(verb, about)
            raise ProviderUnavailable("no connection")
        if is_movement and fate in ("lost", "late"):
            Line.world.bank.on_its_way(about)
        if fate == "late":
            # The request arrives after the gateway stopped waiting for it (``provider_call.SendWindow``).
            there = chance.between(TIMEOUT_SECONDS, _SECONDS_TO_SETTLE)
        results: list[ProviderResult] = []
        if fate != "lost":
            left = max(0.0, _SECONDS_TO_SETTLE - there)
            outside(Line.world.loop.call_later, there, self._arrive, verb, about, act, left, results)
        if fate in ("lost", "late") or there + back > TIMEOUT_SECONDS:
            pause(TIMEOUT_SECONDS)
            raise OutcomeUnknown("no answer in time")
        pause(there + back)
        if fate == "broken" or about in Line.world.bank.unanswered:
            raise OutcomeUnknown("the connection broke")
        if fate == "unreadable":
            raise ProviderReplyInvalid("not understood")
        if results[0] is Line.world.bank.held_answers.get(about):
            Line.world.trace.note("gateway", "is held up with the answer to", verb, about)
            _wait_for_another_copy(about)
        Line.world.trace.note("provider", "answered", verb, about, results[0].outcome)
        return results[0]

    def _arrive(
        self,
        verb: Verb,
        about: str,
        act: Callable[[float], ProviderResult],
        seconds_left: float,
        results: list[ProviderResult],
    ) -> None:
        result = act(seconds_left)
        is_wrong = Line.world.chance.answer_is_wrong() or (
            verb == Verb.INQUIRE and Line.world.bank.is_wrong_meanwhile(about)
        )
        if result.amount is not None and is_wrong:
            result = replace(result, amount=result.amount + Money(1, result.amount.currency))
        results.append(result)
        Line.world.trace.note("provider", "was asked to", verb, about, results[0].outcome, results[0].event)
        Line.world.bank.after_request(self)


def _wait_for_another_copy(reference: str) -> None:
    world = Line.world
    deadline = world.clock.now + MOST_HELD_SECONDS
    while reference not in world.bank.copied and world.clock.now < deadline:
        pause(30)
    pause(world.chance.seconds_of("answer_held", *HELD_SECONDS))


def _refusal(request: Modification) -> ProviderResult:
    refusal = Refusal(reason=RefusalReason.INVALID_REQUEST, description="The issuer does not pay.")
    return ProviderResult(
        outcome=Outcome.REFUSED, order_code=request.order_code, event="ERROR", refusal=refusal
    )
