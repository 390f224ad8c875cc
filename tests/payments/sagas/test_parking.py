"""Captures, voids and refunds that the provider does not carry out, and that staff withdraw."""

import pytest

from checkout.conf import conf
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.operations.kinds import Capture, Refund, Void
from checkout.payments.sagas.pauses import DENIALS, UNREACHED_FOR, next_try
from tests.payments.sagas.conversation import Conversation

SAGAS = {"capture": Capture, "void": Void, "refund": Refund}
KINDS = pytest.mark.parametrize("kind", SAGAS)
WHY = "Could not find payment for order"


def asked(kind: str) -> Conversation:
    data = OperationData(payment="pay_1", attempt="pay_1-1", operation="op_1", minor=1250, currency="GBP")
    return Conversation(SAGAS[kind](), data).asks(f"payments.{kind}")


@KINDS
@pytest.mark.parametrize("outcome", ["not_found", "not_able"])
def test_what_the_provider_does_not_carry_out_waits_for_staff_after_ten_answers(
    kind: str, outcome: str
) -> None:
    saga = asked(kind)
    for number in range(DENIALS - 1):
        delay = conf.retry_delays[min(number, len(conf.retry_delays) - 1)]
        saga.answered(outcome=outcome, why=WHY).asks(f"payments.{kind}", operation="op_1").after(delay)
        saga.signals(f"{kind}_delayed")
    saga.answered(outcome=outcome, why=WHY).ended("parked").signals(f"{kind}_parked")
    assert saga.decision.why == WHY


@KINDS
def test_it_is_tried_as_often_again_when_staff_want_that(kind: str) -> None:
    saga = asked(kind)
    for _ in range(DENIALS):
        saga.answered(outcome="not_able")
    saga.ended("parked").resumed().asks(f"payments.{kind}", operation="op_1")
    for _ in range(DENIALS - 1):
        saga.answered(outcome="not_able").asks(f"payments.{kind}")
    saga.answered(outcome="not_able").ended("parked")


@KINDS
def test_an_outage_makes_no_decisions_for_a_week(kind: str) -> None:
    saga, seconds = asked(kind), 0.0
    while seconds < UNREACHED_FOR.total_seconds():
        saga.answered(outcome="not_sent", why="No route to host").asks(f"payments.{kind}")
        assert saga.decision.ask is not None
        seconds += saga.decision.ask.delay_seconds
    saga.answered(outcome="not_sent", why="No route to host").ended("parked")
    assert "No route to host" in saga.decision.why


def test_only_answers_count_towards_the_ten() -> None:
    assert next_try(100, DENIALS - 1) is not None
    assert next_try(100, DENIALS) is None


@KINDS
def test_what_is_withdrawn_before_it_was_sent_ends_as_refused(kind: str) -> None:
    saga = asked(kind).answered(outcome="not_able").asks(f"payments.{kind}")
    saga.told("refused").ended("compensated").signals(f"{kind}_refused")


@KINDS
def test_what_is_withdrawn_and_may_have_arrived_is_asked_about(kind: str) -> None:
    saga = asked(kind).told("withdrawn").asks("payments.inquire_operation", operation="op_1").after(0)
    saga.answered(outcome="unknown").asks("payments.inquire_operation").after(conf.inquiry_delays[0])
    saga.answered(outcome="refused", refusal_reason="withdrawn").ended("compensated")
