"""The provider's twin at the far end of a bad line."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import connection

from checkout.conf import conf
from checkout.errors import OutcomeUnknown, ProviderReplyInvalid, ProviderUnavailable
from checkout.providers.base import (
    Authorisation,
    ChallengeCompletion,
    Modification,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.providers.memory import MemoryProvider
from checkout.providers.memory_books import OrderState
from tests.simulation.processes import outside
from tests.simulation.threads import pause

if TYPE_CHECKING:
    from tests.simulation.world import World


# A provider is given up on after so long (providers/transport.py has the real figures).
TIMEOUT_SECONDS = 25.0
# By then, what was sent must have arrived and be seen: half of the settling time is for deciding to send it.
_SECONDS_TO_SETTLE = conf.settling_time.total_seconds() / 2
FATES = ("unreachable", "lost", "late", "broken", "unreadable")


class Line:
    """The world that all adapters of one schedule share."""

    world: "World"


class Twin(MemoryProvider):
    """Requests take time, in which the gateway may die; some never arrive, some answers never come back."""

    def authorise(self, request: Authorisation) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            Line.world.bank.asked_to_authorise(request)
            result = super(Twin, self).authorise(request)
            if self.books.orders[request.order_code].state == OrderState.PENDING:
                Line.world.bank.decide_later(self, request.order_code)
            return result

        return self._call(Verb.AUTHORISE, request.order_code, act)

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            return super(Twin, self).complete_challenge(request)

        return self._call(Verb.COMPLETE_CHALLENGE, request.order_code, act)

    def capture(self, request: Modification) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            if Line.world.chance.issuer_refuses_capture():
                # Whatever was answered before under the same key is answered again, where that is looked at.
                refusal = self.books.once(request.idempotency_key, lambda: _refusal(request))
                if not self.books.orders[request.order_code].manners.deduplicates:
                    return refusal
            return self._watched(request, super(Twin, self).capture, seconds_left)

        return self._call(Verb.CAPTURE, request.reference, act)

    def void(self, request: Modification) -> ProviderResult:
        return self._call(Verb.VOID, request.reference, lambda _: super(Twin, self).void(request))

    def refund(self, request: Modification) -> ProviderResult:
        def act(seconds_left: float) -> ProviderResult:
            return self._watched(request, super(Twin, self).refund, seconds_left)

        return self._call(Verb.REFUND, request.reference, act)

    def inquire(self, order_code: str) -> ProviderResult:
        return self._call(Verb.INQUIRE, order_code, lambda _: super(Twin, self).inquire(order_code))

    def _watched(
        self,
        request: Modification,
        send: Callable[[Modification], ProviderResult],
        seconds_left: float,
    ) -> ProviderResult:
        order = self.books.orders[request.order_code]
        before = len(order.taken)
        result = send(request)
        for movement in order.taken[before:]:
            Line.world.bank.took(order, movement, seconds_left)
        return result

    def _call(self, verb: Verb, about: str, act: Callable[[float], ProviderResult]) -> ProviderResult:
        """Let ``act`` happen at the provider, if the request gets there.

        It is told for how long, in seconds, what it does may remain invisible.
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
        Line.world.trace.note("gateway", "asks to", verb, about, fate)
        there, back = chance.around(0.3), chance.around(0.3)
        if fate == "unreachable":
            pause(there)
            raise ProviderUnavailable("no connection")
        if fate == "late":
            # After it was given up on (services/payments/send_window.py).
            there = chance.between(TIMEOUT_SECONDS, _SECONDS_TO_SETTLE)
        results: list[ProviderResult] = []
        if fate != "lost":
            left = _SECONDS_TO_SETTLE - there
            outside(Line.world.loop.call_later, there, self._arrive, verb, about, act, left, results)
        if fate in ("lost", "late") or there + back > TIMEOUT_SECONDS:
            pause(TIMEOUT_SECONDS)
            raise OutcomeUnknown("no answer in time")
        pause(there + back)
        if fate == "broken":
            raise OutcomeUnknown("the connection broke")
        if fate == "unreadable":
            raise ProviderReplyInvalid("not understood")
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
        results.append(act(seconds_left))
        Line.world.trace.note("provider", "was asked to", verb, about, results[0].outcome, results[0].event)
        Line.world.bank.after_request(self)


def _refusal(request: Modification) -> ProviderResult:
    refusal = Refusal(reason=RefusalReason.INVALID_REQUEST, description="The issuer does not pay.")
    return ProviderResult(
        outcome=Outcome.REFUSED, order_code=request.order_code, event="ERROR", refusal=refusal
    )
