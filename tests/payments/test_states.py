"""The tables of states and transitions."""

from typing import get_args

import pytest
from hypothesis import given, strategies as st

from checkout.errors import IllegalTransition
from checkout.states import (
    PAID,
    UNDECIDED,
    Actor,
    AttemptEvent,
    PaymentEvent,
    PaymentState,
    attempt_machine,
    payment_machine,
)

EVENTS = sorted({edge.event for edge in payment_machine.edges})


def test_every_payment_state_is_an_end_or_leads_somewhere_and_can_be_reached() -> None:
    targets = {edge.target for edge in payment_machine.edges}
    assert set(PaymentState) == targets | {PaymentState.OPEN}


def test_the_types_of_events_have_those_of_the_tables() -> None:
    assert set(get_args(PaymentEvent)) == {edge.event for edge in payment_machine.edges}
    assert set(get_args(AttemptEvent)) == {edge.event for edge in attempt_machine.edges}


@pytest.mark.parametrize("machine", [payment_machine, attempt_machine], ids=lambda machine: machine.name)
def test_no_state_has_two_edges_for_one_event(machine: object) -> None:
    seen = [(source, edge.event) for edge in machine.edges for source in edge.sources]  # type: ignore[attr-defined]
    assert len(seen) == len(set(seen))


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(list(Actor))), max_size=30))
def test_no_series_of_events_takes_a_paid_payment_back_to_payable(events: list[tuple[str, Actor]]) -> None:
    state: str = PaymentState.OPEN
    was_paid = False
    for event, actor in events:
        if payment_machine.allows(state, event, actor):
            state = payment_machine.next(state, event, actor)
        was_paid = was_paid or PaymentState(state).is_paid
        assert not (was_paid and PaymentState(state).may_be_paid)


@given(st.sampled_from(list(PaymentState)), st.sampled_from(EVENTS), st.sampled_from(list(Actor)))
def test_what_is_not_in_the_table_is_refused_with_a_reason(
    state: PaymentState, event: str, actor: Actor
) -> None:
    if payment_machine.allows(state, event, actor):
        assert payment_machine.next(state, event, actor) in list(PaymentState)
    else:
        with pytest.raises(IllegalTransition, match=r".+"):
            payment_machine.next(state, event, actor)


def test_a_shopper_cannot_make_a_payment_authorised() -> None:
    with pytest.raises(IllegalTransition):
        payment_machine.next(PaymentState.PROCESSING, "authorised", Actor.SHOPPER)


def test_nobody_is_told_the_end_of_an_undecided_payment() -> None:
    assert not UNDECIDED & PAID
    assert not PaymentState.CONFIRMING.is_decided
    assert PaymentState.REFUSED.is_decided
