"""Every situation of every saga has a deadline, waits for another saga, or has ended, after any message.

The situations are explored as a graph, from the start of each definition, by every answer, signal, deadline
and resumption. Counters of failed attempts are capped, so that the graph is finite.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as with_changes

from checkout.messages import Body
from checkout.payments.messages import ClaimOutcome, ProviderOutcome, ReviewOutcome
from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.asking import AskingData
from checkout.payments.sagas.definition import Decision, End, SagaDefinition
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.purchase.data import PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import ChildResult, News, Signal
from messaging.envelope import Reply
from messaging.errors import MalformedMessage
from tests.support.loyalty.purchase_steps import STEPS

OUTCOMES = dict.fromkeys(str(each) for each in (*ProviderOutcome, *ClaimOutcome, *ReviewOutcome))
REPLIES = (
    *(Reply.success({"outcome": outcome}) for outcome in OUTCOMES),
    Reply.success({"outcome": "approved", "refusal_reason": "authentication_failed"}),
    *(Reply.success({"decision": decision}) for decision in ("accept", "reject")),
    *(Reply.success({"held": held}) for held in (True, False)),
    *(Reply.success({"reserved": reserved, "missing": []}) for reserved in (True, False)),
    Reply.success({}),
    Reply.failure("broken", "It did not work.", retryable=False),
    Reply.failure("broken", "It did not work.", retryable=True),
    Reply.failure("order_confirmed", "Its stock is not given back.", retryable=False),
    Reply.malformed("It is no answer."),
)
# The results that a saga may report to the saga that started it.
RESULTS = [ChildResult(kind, news) for kind in ("capture", "void", "refund") for news in News]
# Steps that wait for another saga, which has its own deadlines, or sends a signal when it is parked.
WAITS_FOR_A_CHILD = {"purchase": {"capture", "void"}}
MOST_SITUATIONS = 200_000
CAPS = {"tries": 4, "denials": 1, "voids": 2, "inquiries": 3, "undecided": 6, "returns": 1}

ORDER = {"payment": "pay_1", "attempt": "pay_1-1", "minor": 500, "currency": "EUR"}


def data_of(kind: str, definition: SagaDefinition[Any]) -> Iterable[Body]:
    if definition.data_type is PurchaseData:
        about = {"email": "a@example.com", "ip_address": "", "lines": [], "capture_operation": "op_1"}
        for captures in (True, False):
            for has_card in (True, False):
                yield PurchaseData(**ORDER, **about, captures=captures, has_card=has_card)  # type: ignore[arg-type]
    elif definition.data_type is OperationData:
        yield OperationData(**ORDER, operation="op_1")  # type: ignore[arg-type]
    elif definition.data_type is AskingData:
        yield AskingData(payment="pay_1", attempt="pay_1-1", claim="expired")
        yield AskingData(payment="pay_1", attempt="pay_1-1")
    else:
        raise NotImplementedError(f"say here with what data a saga of kind {kind} begins")


def capped(decision: Decision[Any]) -> Decision[Any]:
    counters = {
        name: min(getattr(decision.data, name), most)
        for name, most in CAPS.items()
        if hasattr(decision.data, name)
    }
    object.__setattr__(decision, "data", with_changes(decision.data, **counters))
    return decision


@cache
def situations(kind: str) -> list[Decision[Any]]:
    """Return every decision that the saga can make."""
    return list(explored(kind, KINDS[kind]))


def explored(kind: str, definition: SagaDefinition[Any]) -> Iterable[Decision[Any]]:
    first = [capped(definition.start(data)) for data in data_of(kind, definition)]
    waiting = deque(first)
    seen: set[tuple[Any, ...]] = set()
    while waiting:
        decision = waiting.popleft()
        ends = (decision.ask is None, decision.child is None, decision.timeout is None, decision.end)
        situation = (decision.step, msgspec.json.encode(decision.data), ends)
        if situation in seen:
            continue
        assert len(seen) < MOST_SITUATIONS, "this saga counts something without a bound"
        seen.add(situation)
        yield decision
        waiting.extend(map(capped, followers(definition, decision, notes=kind in DEFINITIONS)))


def followers(
    definition: SagaDefinition[Any], decision: Decision[Any], *, notes: bool
) -> Iterable[Decision[Any]]:
    """Yield the situations that may follow. A step that only ``notes`` a signal stays, with other data."""
    step, data = decision.step, decision.data
    if decision.ask is not None:
        answers = (reply for reply in REPLIES if is_answer(decision, reply))
        yield from (definition.on_reply(step, data, reply) for reply in answers)
    if decision.timeout is not None:
        yield definition.on_deadline(step, data)
    if decision.end is End.PARKED:
        yield definition.on_resume(step, data)
    for signal in (*Signal, *RESULTS):
        heard = definition.on_signal(step, data, signal)
        if heard is not None and not stays(decision, heard):
            yield heard
        elif heard is not None and notes:
            yield replace(decision, data=heard.data)


def is_answer(decision: Decision[Any], reply: Reply) -> bool:
    """Return False for replies that the orchestrator keeps from the saga, as they answer no command of it."""
    try:
        return not reply.ok or bool(decision.ask.command.read_answer(reply.result))
    except MalformedMessage:
        return False


def stays(before: Decision[Any], heard: Decision[Any]) -> bool:
    """Return True if the decision leaves the awaited reply and the deadline unchanged."""
    is_elsewhere = heard.step != before.step or heard.end is not None
    return not is_elsewhere and heard.ask is None and heard.child is None


@pytest.fixture(autouse=True)
def _little_patience(settings: Any) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = (1, 2)
    settings.CHECKOUT_RETRY_DELAYS = (1, 2)


OWN = "purchase with steps of one's own"
KINDS: dict[str, SagaDefinition[Any]] = {**DEFINITIONS, OWN: Purchase(STEPS)}
EVERY_KIND = [*DEFINITIONS, pytest.param(OWN, marks=pytest.mark.slow)]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_step_waits_for_ever(kind: str) -> None:
    definition = KINDS[kind]
    steps = set()
    for decision in situations(kind):
        steps.add(decision.step)
        waits_for_a_child = decision.step in WAITS_FOR_A_CHILD.get(definition.kind, ())
        is_bounded = decision.timeout is not None or decision.end is not None or waits_for_a_child
        assert is_bounded, f"{decision.step} waits without a deadline: {decision}"
        if decision.ask is not None:
            assert decision.timeout is not None, f"{decision.step} waits for a reply without a deadline"
            assert type(decision.ask.command) is definition.questions[decision.step]
    assert steps == definition.steps


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_command_to_a_service_of_ours_that_is_not_answered_is_sent_again_or_gives_up_before_money_moves(
    kind: str,
) -> None:
    """A step that is missing in a table would otherwise fall through to asking the provider."""
    definition = KINDS[kind]
    for decision in situations(kind):
        if decision.ask is None or decision.ask.command.address[0] == "payments":
            continue
        late = definition.on_deadline(decision.step, decision.data)
        is_again = late.ask is not None and late.ask.command.to == decision.ask.command.to
        is_before_money = decision.step in ("assess_risk", "reserve_stock", "own_hold_points")
        assert is_again or is_before_money or late.end is End.PARKED, f"{decision.step}: {late}"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_answer_that_is_malformed_ends_what_may_have_moved_money(kind: str) -> None:
    definition = KINDS[kind]
    for decision in situations(kind):
        if decision.ask is None or not decision.ask.command.to.startswith("payments."):
            continue
        heard = definition.on_reply(decision.step, decision.data, Reply.malformed("It is no answer."))
        may_end = decision.ask.command.to == "payments.review"  # moves no money, so it may end
        assert heard.ask or heard.end is End.PARKED or may_end, f"{decision.step}: {heard}"
        assert "refused" not in (*heard.transitions, *heard.attempt_transitions)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_parked_step_says_why_and_can_be_resumed(kind: str) -> None:
    definition = KINDS[kind]
    for decision in situations(kind):
        if decision.end is End.PARKED:
            assert decision.why, f"{decision.step} is parked without a reason"
            again = definition.on_resume(decision.step, decision.data)
            assert again.ask or again.child or again.end in (End.COMPLETED, End.COMPENSATED), decision
