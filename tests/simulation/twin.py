"""The provider's twin at the far end of a bad line."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

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

T = TypeVar("T")

# A provider is given up on after so long (providers/transport.py has the real figures).
TIMEOUT_SECONDS = 25.0
FATES = ("unreachable", "lost", "late", "broken", "unreadable")


class Line:
    """What all adapters of one schedule share: the world they are in, and what has reached the provider."""

    world: "World"


class Twin(MemoryProvider):
    """Requests take time, in which the gateway may die; some never arrive, some answers never come back."""

    def authorise(self, request: Authorisation) -> ProviderResult:
        def act() -> ProviderResult:
            Line.world.bank.asked_to_authorise(request)
            result = super(Twin, self).authorise(request)
            if self.books.orders[request.order_code].state == OrderState.PENDING:
                Line.world.bank.decide_later(self, request.order_code)
            return result

        return self._call(Verb.AUTHORISE, request.order_code, act)

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        return self._call(
            Verb.COMPLETE_CHALLENGE, request.order_code, lambda: super(Twin, self).complete_challenge(request)
        )

    def capture(self, request: Modification) -> ProviderResult:
        def act() -> ProviderResult:
            if Line.world.chance.issuer_refuses_capture():
                # Whatever was answered before under the same key is answered again.
                self.books.once(request.idempotency_key, lambda: _refusal(request))
            return super(Twin, self).capture(request)

        return self._call(Verb.CAPTURE, request.reference, act)

    def void(self, request: Modification) -> ProviderResult:
        return self._call(Verb.VOID, request.reference, lambda: super(Twin, self).void(request))

    def refund(self, request: Modification) -> ProviderResult:
        def act() -> ProviderResult:
            before = self.books.orders[request.order_code].refunded
            result = super(Twin, self).refund(request)
            if self.books.orders[request.order_code].refunded != before:
                Line.world.bank.refunded(request)
            return result

        return self._call(Verb.REFUND, request.reference, act)

    def inquire(self, order_code: str) -> ProviderResult:
        return self._call(Verb.INQUIRE, order_code, lambda: super(Twin, self).inquire(order_code))

    def _call(self, verb: Verb, about: str, act: Callable[[], ProviderResult]) -> ProviderResult:
        if connection.in_atomic_block:
            Line.world.violations.append(f"a transaction is held open while {verb} {about} is on its way")
        chance = Line.world.chance
        fate = chance.one_of(FATES) if chance.happens("provider") else "fine"
        Line.world.trace.note("gateway", "asks to", verb, about, fate)
        there, back = chance.around(0.3), chance.around(0.3)
        if fate == "unreachable":
            pause(there)
            raise ProviderUnavailable("no connection")
        if fate == "late":
            # After it was given up on, but as soon as the settling time allows for: half of that is for
            # deciding to send it (services/payments/send_window.py).
            there = chance.between(TIMEOUT_SECONDS, conf.settling_time.total_seconds() / 2)
        results: list[ProviderResult] = []
        if fate != "lost":
            outside(Line.world.loop.call_later, there, self._arrive, verb, about, act, results)
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
        self, verb: Verb, about: str, act: Callable[[], ProviderResult], results: list[ProviderResult]
    ) -> None:
        results.append(act())
        Line.world.trace.note("provider", "was asked to", verb, about, results[0].outcome, results[0].event)
        Line.world.bank.after_request(self)


def _refusal(request: Modification) -> ProviderResult:
    refusal = Refusal(reason=RefusalReason.INVALID_REQUEST, description="The issuer does not pay.")
    return ProviderResult(
        outcome=Outcome.REFUSED, order_code=request.order_code, event="ERROR", refusal=refusal
    )
