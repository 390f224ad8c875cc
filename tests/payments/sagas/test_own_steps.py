"""An installation's own steps in the purchase, as conversations, and as a graph that is explored."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec.structs import replace as with_changes

from checkout.messages import Answer, Command, Done, Success
from checkout.orders.messages import OrderLine
from checkout.own.step import OwnStep, Place, validate_steps
from checkout.payments.sagas.purchase.data import PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from tests.payments.sagas.conversation import Conversation
from tests.payments.sagas.test_table import A_PURCHASE
from tests.support.loyalty.messages import Points, PointsHeld
from tests.support.loyalty.purchase_steps import STEPS

HOLD, AWARD = STEPS
CAPTURE = "op_1"


def a_purchase(*steps: OwnStep, **changes: Any) -> Conversation:
    return Conversation(Purchase(steps or STEPS), with_changes(A_PURCHASE, **changes))


def holding(*steps: OwnStep, **changes: Any) -> Conversation:
    saga = a_purchase(*steps, **changes).answered(decision="accept").answered(reserved=True)
    return saga.asks("loyalty.hold", payment="pay_1", attempt="pay_1-1", minor=500)


def authorising(**changes: Any) -> Conversation:
    return holding(**changes).answered(held=True).asks("payments.authorise")


def awarding(*steps: OwnStep, **changes: Any) -> Conversation:
    saga = holding(*steps, **changes).answered(held=True).answered(outcome="approved")
    saga.told("capture_accepted").asks("orders.confirm").answered()
    return saga.tells("notifications.send_receipt").asks("loyalty.award", attempt="pay_1-1")


def test_the_steps_are_taken_before_the_authorisation_and_after_the_receipt() -> None:
    saga = awarding().answered().ended("completed").tells_nothing()
    assert saga.events == ["authorised"]


def test_a_step_after_the_capture_is_taken_without_a_receipt_and_for_a_capture_by_hand_too() -> None:
    saga = authorising(email="", captures=False).answered(outcome="approved").asks("orders.confirm")
    saga.answered().tells_nothing().asks("loyalty.award", captures=False).answered().ended("completed")


def test_a_refusal_before_the_authorisation_refuses_with_its_reason_and_undoes_what_was_begun() -> None:
    saga = holding().answered(held=False).answers_the_shopper().asks("orders.release")
    assert (saga.events, saga.decision.refusal_reason) == (["refused"], "points_short")
    assert saga.decision.attempt_transitions == ("not_sent",)
    saga.answered().asks("loyalty.release", attempt="pay_1-1").answered().ended("compensated")


def test_a_step_before_the_authorisation_that_is_not_answered_refuses_and_is_undone() -> None:
    saga = holding().waited_too_long().answers_the_shopper().asks("orders.release")
    assert saga.decision.refusal_reason == "provider_error"
    saga.answered().asks("loyalty.release").answered().ended("compensated")


def test_an_error_before_the_authorisation_refuses() -> None:
    holding().answered_with_an_error().asks("orders.release").answered().asks("loyalty.release")


def test_a_passing_error_has_the_question_repeated() -> None:
    holding().answered_with_an_error(retryable=True).asks("loyalty.hold").answered(held=True).asks(
        "payments.authorise"
    )


def test_a_payment_that_the_provider_refuses_undoes_the_step() -> None:
    saga = authorising().answered(outcome="refused", refusal_reason="card_expired").asks("orders.release")
    saga.answered().asks("loyalty.release").answered().ended("compensated")


def test_nothing_is_undone_that_was_not_begun() -> None:
    saga = a_purchase().answered(decision="accept").answered(reserved=False)
    saga.asks("orders.release").answered().ended("compensated")


def test_an_undo_is_asked_until_it_is_done_and_is_reported_when_it_is_overdue() -> None:
    saga = authorising().answered(outcome="refused").answered().asks("loyalty.release")
    for _ in range(3):
        saga.answered_with_an_error().asks("loyalty.release")
    assert saga.decision.is_overdue
    saga.waited_too_long().asks("loyalty.release").answered().ended("compensated")


def test_several_steps_are_undone_in_the_opposite_order() -> None:
    second = replace(HOLD, name="hold_more")
    saga = holding(HOLD, second).answered(held=True).asks("loyalty.hold").answered(held=False)
    saga.asks("orders.release").answered()
    assert saga.decision.step == "undo_hold_more"
    saga.answered()
    assert saga.decision.step == "undo_hold_points"
    saga.answered().ended("compensated")


def test_an_unknown_outcome_after_the_capture_is_asked_again_and_then_a_task_for_staff() -> None:
    saga = awarding()
    for _ in range(3):
        saga.waited_too_long().asks("loyalty.award")
    saga.waited_too_long().ended("parked")
    assert "award_points was not answered" in saga.decision.why
    assert "refused" not in saga.events
    saga.resumed().asks("loyalty.award").answered().ended("completed")


def test_an_error_after_the_capture_is_a_task_for_staff() -> None:
    saga = awarding().answered_with_an_error().ended("parked")
    assert saga.decision.why == "The step award_points was not done: It did not work."
    saga.resumed().asks("loyalty.award").answered().ended("completed")


def test_an_answer_with_which_the_step_does_not_go_on_is_a_task_for_staff() -> None:
    late = replace(HOLD, name="late", place=Place.AFTER_CAPTURE, refuses={}, undo=None)
    saga = a_purchase(late).answered(decision="accept").answered(reserved=True).answered(outcome="approved")
    saga.told("capture_accepted").answered().asks("loyalty.hold").answered(held=False)
    saga.ended("parked")
    assert saga.decision.why == "The step late was not done: short"


def test_a_step_that_may_not_be_repeated_is_asked_again_by_staff_only() -> None:
    once = replace(AWARD, may_be_repeated=False)
    saga = awarding(HOLD, once).waited_too_long().ended("parked")
    saga.resumed().asks("loyalty.award").answered_malformed().ended("parked")
    assert awarding(HOLD, once).answered_malformed().decision.end == "parked"


def test_before_the_authorisation_such_a_step_refuses_instead() -> None:
    once = replace(HOLD, may_be_repeated=False)
    holding(once).answered_malformed().asks("orders.release").answered().asks("loyalty.release")


def test_a_cancelled_order_undoes_both_steps_the_later_one_first() -> None:
    saga = awarding().answered().told("void_done").asks("orders.cancel").answered()
    saga.asks("loyalty.take_back").ignores("review_held").answered()
    saga.asks("loyalty.release").ignores("review_captured").answered().ended("compensated")


def test_a_parked_step_after_the_capture_is_undone_with_the_order() -> None:
    saga = awarding().answered_with_an_error().ended("parked").told("void_done").asks("orders.cancel")
    saga.answered().asks("loyalty.take_back").answered().asks("loyalty.release")


def test_a_capture_that_is_refused_late_leaves_the_purchase_unpaid_for_staff() -> None:
    saga = awarding().told("capture_refused").answered().ended("parked")
    assert saga.decision.step == "unpaid"


def test_a_capture_that_is_refused_late_begins_no_further_step() -> None:
    saga = awarding(HOLD, AWARD, replace(AWARD, name="award_more")).told("capture_refused")
    assert saga.answered().ended("parked").decision.step == "unpaid"
    saga.told("void_done").asks("orders.cancel").answered().asks("loyalty.take_back")
    saga.answered().asks("loyalty.release").answered().ended("compensated")


def test_a_step_after_the_capture_is_finished_if_staff_find_the_money_taken() -> None:
    saga = awarding().told("review_captured").ignores("capture_refused").answered().ended("completed")
    assert saga.decision.step == "finished"


def test_what_is_left_to_staff_stays_so_when_they_find_the_money_taken() -> None:
    saga = authorising().answered(outcome="refused").answered().asks("loyalty.release")
    saga.told("review_held").asks("orders.confirm").answered().answered().ended("parked")
    saga.told("review_captured").ignores("capture_refused")
    assert saga.decision.step == "settle_undone"
    saga.told("review_not_captured")
    assert saga.decision.step == "settle_undone"
    saga.resumed().ended("parked")
    assert saga.decision.step == "unpaid"


def test_a_step_after_the_capture_is_finished_if_staff_find_that_nothing_was_taken() -> None:
    saga = awarding(HOLD, AWARD, replace(AWARD, name="award_more")).told("review_captured")
    saga.told("review_not_captured").answered().ended("parked")
    assert saga.decision.step == "unpaid"


def test_money_that_is_found_while_a_step_is_undone_leaves_the_step_to_staff() -> None:
    saga = authorising().answered(outcome="refused").answered().asks("loyalty.release")
    saga.told("review_captured").asks("orders.confirm").answered()
    saga.asks("loyalty.award").answered().ended("parked")
    assert saga.decision.step == "settle_undone"
    saga.resumed().ended("completed")


@pytest.mark.parametrize("step", ["reserve_stock", "confirm_order", "finished"])
def test_a_purchase_of_the_earlier_release_takes_the_steps_that_lie_ahead(step: str) -> None:
    """The data of an earlier release lacks the new fields, which have defaults."""
    assert {"own_begun", "own_undone", "is_order_cancelled"} <= set(PurchaseData.__struct_fields__)
    saga = a_purchase()
    old = with_changes(A_PURCHASE, tries=1)
    saga.decision = replace(saga.decision, step=step, data=old, end=None)
    if step == "reserve_stock":
        saga.answered(reserved=True).asks("loyalty.hold")
    elif step == "finished":
        saga.told("void_done").asks("orders.cancel").answered().ended("compensated")
    else:
        saga.answered().asks("loyalty.award")


def test_a_step_that_is_no_longer_configured_is_left_to_staff_and_not_forgotten() -> None:
    saga = authorising().answered(outcome="refused")
    without = Conversation(Purchase([]), A_PURCHASE)
    without.decision = saga.decision
    without.answered().ended("parked")
    assert "hold_points is not configured any more" in without.decision.why
    without.resumed().asks("orders.release").answered().ended("compensated")


@pytest.mark.parametrize("place", list(Place))
def test_a_step_that_was_moved_while_a_purchase_stands_at_it_neither_ends_it_nor_begins_it_anew(
    place: Place,
) -> None:
    """The purchase would otherwise end without its authorisation, or be authorised or refused once more."""
    step = replace(HOLD, refuses={}, undo=None, place=Place.AFTER_CAPTURE)
    steps = {Place.AFTER_CAPTURE: step, Place.BEFORE_AUTHORISATION: replace(HOLD, undo=None)}
    earlier = steps.pop(place)
    [later] = steps.values()
    saga = a_purchase(earlier).answered(decision="accept").answered(reserved=True)
    if place is Place.AFTER_CAPTURE:
        saga.answered(outcome="approved").told("capture_accepted").answered()
    saga.asks("loyalty.hold")
    moved = Conversation(Purchase([later]), A_PURCHASE)
    for happens in ("answered", "answered_with_an_error", "waited_too_long"):
        moved.decision = saga.decision
        getattr(moved, happens)(**({"held": True} if happens == "answered" else {})).ended("parked")
        assert f"belongs {place}" in moved.decision.why
        moved.resumed().ended("parked")
    back = Conversation(Purchase([earlier]), A_PURCHASE)
    back.decision = moved.decision
    back.resumed()
    assert back.decision.step == (
        "release_stock" if place is Place.BEFORE_AUTHORISATION else "own_hold_points"
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "Hold points"}, "a name has at most 40 small letters"),
        ({"refuses": {}}, "what follows from short is not said"),
        ({"goes_on": []}, "no answer lets the purchase go on"),
        ({"goes_on": [Points.HELD, Points.SHORT]}, "short cannot both go on and refuse"),
        ({"goes_on": [Success.DONE], "refuses": {}}, "HoldPoints never answers done"),
        ({"place": Place.AFTER_CAPTURE}, "it refuses nothing, because the money has been taken"),
        ({"refuses": {Points.SHORT: "No points!"}}, "'No points!' is no reason"),
        ({"undo": HOLD.asks}, "HoldPoints is a Command[Done]"),
        ({"within_seconds": 0}, "within_seconds is more than 0"),
        ({"place": "before authorisation"}, "not a Place, so that it would never be taken"),
        ({"asks": Points}, "is no class of commands"),
        ({"asks": None}, "None is no class of commands"),
        ({"goes_on": Points.HELD}, "goes_on is a list"),
        ({"advice": {"points_missing": "You have none."}}, "there is advice for points_missing"),
        ({"advice": {"points_short": ""}}, "the advice for points_short has 1 to 200 characters"),
    ],
)
def test_a_step_that_cannot_be_taken_is_named(changes: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in validate_steps([replace(HOLD, **changes)]))


def test_two_steps_have_two_names_and_a_command_has_fields_of_the_purchase() -> None:
    assert list(validate_steps([HOLD, HOLD])) == ["Two steps are called 'hold_points'."]
    assert not list(validate_steps(STEPS))


class Strange(Command[Done], frozen=True):
    to = "loyalty.strange"
    again = "nothing changes"

    shoe_size: int


def test_a_purchase_has_no_other_fields_than_its_own() -> None:
    [fault] = validate_steps([replace(AWARD, undo=Strange)])
    assert fault == "Step 'award_points': a purchase has no shoe_size for Strange."


class Nameless(Command[Done], frozen=True):
    """A command whose author has forgotten its type on the wire."""

    attempt: str


class AwardAmount(Command[Done], frozen=True):
    """A command whose author declares the amount and the lines as texts."""

    to = "loyalty.award_amount"
    again = "nothing more is awarded"

    minor: str
    lines: str
    email: str | None = None


class AwardUnread(Command[Done], frozen=True):
    """A command whose author imports a type for the type checker only."""

    to = "loyalty.award_unread"
    again = "nothing more is awarded"

    lines: "list[NotImported]"  # type: ignore[name-defined]  # noqa: F821


class AwardAgain(Command[Done], frozen=True):
    """A command that was copied with its type on the wire."""

    to = "loyalty.award"
    again = "nothing more is awarded"

    attempt: str


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        (
            {"asks": Nameless},
            ["Step 'award_points': Nameless lacks its type on the wire, such as to = \"gifts.wrap\"."],
        ),
        (
            {"asks": AwardAmount},
            [
                "Step 'award_points': AwardAmount cannot be filled in: minor is of type int.",
                "Step 'award_points': AwardAmount cannot be filled in: lines is of type list.",
            ],
        ),
        (
            {"asks": AwardUnread},
            ["Step 'award_points': AwardUnread cannot be filled in: name 'NotImported' is not defined."],
        ),
        ({"undo": AwardAgain}, ["AwardPoints and AwardAgain are both called 'loyalty.award'."]),
    ],
)
def test_a_command_that_no_service_could_read_is_named(changes: dict[str, Any], faults: list[str]) -> None:
    assert list(validate_steps([replace(AWARD, **changes)])) == faults


def test_a_command_may_narrow_the_types_of_the_purchase() -> None:
    class Narrow(Command[Done], frozen=True):
        to = "loyalty.narrow"
        again = "nothing changes"

        minor: Annotated[int, msgspec.Meta(ge=100_000)]
        currency: Literal["EUR"]
        lines: list[OrderLine]
        captures: bool
        is_test: bool
        merchant_code: str

    assert not list(validate_steps([replace(AWARD, asks=Narrow)]))


class PointsHeldAtATill(PointsHeld, frozen=True):
    """An answer with one more field, which says the same."""

    till: str


class HoldAtATill(Command[PointsHeldAtATill], frozen=True):
    to = "loyalty.hold_at_a_till"
    again = "nothing more is held"

    attempt: str


class SaysNothing(Answer, frozen=True):
    """An answer whose author has forgotten to declare what it says."""


class AskNothing(Command[SaysNothing], frozen=True):
    to = "loyalty.ask_nothing"
    again = "nothing changes"

    attempt: str


def test_an_answer_may_say_what_its_base_class_says() -> None:
    step = replace(HOLD, asks=HoldAtATill)
    assert not list(validate_steps([step]))
    saga = a_purchase(step).answered(decision="accept").answered(reserved=True)
    saga.asks("loyalty.hold_at_a_till").answered(held=True, till="2").asks("payments.authorise")


def test_an_answer_that_says_no_words_is_named() -> None:
    assert "Step 'hold_points': AskNothing never answers held, short." in list(
        validate_steps([replace(HOLD, asks=AskNothing)])
    )
