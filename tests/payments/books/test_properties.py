"""Properties that hold for every pair of ledgers, tested on random ones."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from checkout.payments.books.compare_events import compare_dispute, compare_event, explains
from checkout.payments.books.compare_notifications import CLAIMS, claim_of
from checkout.payments.books.compare_operations import compare_answer, compare_reply, may_change
from checkout.payments.books.compare_sums import (
    AttemptSums,
    Bounds,
    compare_position,
    compare_review,
    untold_sums,
)
from checkout.payments.books.ours import OF_ANOTHER_AMOUNT, OurOperation, Ours
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.models import Difference, Operation
from checkout.payments.providers.base import EventKind, WholePosition
from checkout.states import ENDED_WITHOUT_MONEY, AttemptState
from tests.payments.books.pairs import OWED, Order, Pair, any_order, any_pair

Kind, State = Operation.Kind, Operation.State

# So many pairs with each change, and so many more that rare pairs are among them.
SIZES = [2_000, pytest.param(100_000, marks=pytest.mark.at_scale)]
OF_OURS = (Kind.CAPTURE, Kind.VOID, Kind.REFUND)
ISSUERS_EVENTS = (EventKind.CHARGED_BACK, EventKind.CHARGE_BACK_REVERSED)


def changeable(ours: Ours) -> list[OurOperation]:
    """Return the operations that an answer may decide."""
    return [each for each in ours.operations if each.kind in OF_OURS and may_change(each)]


def verdicts(pair: Pair) -> dict[str, Verdict]:
    """Return the verdict that follows from the answer for each operation that it may change."""
    return {
        each.reference: compare_answer(pair.ours, each, pair.before, pair.answer)
        for each in changeable(pair.ours)
    }


@pytest.fixture(scope="module", params=SIZES)
def pairs(request: pytest.FixtureRequest) -> list[Pair]:
    random = Random(38)  # noqa: S311 - no secret
    return [any_pair(random) for _ in range(request.param)]


@pytest.fixture(scope="module", params=SIZES)
def orders(request: pytest.FixtureRequest) -> list[Order]:
    random = Random(38)  # noqa: S311 - no secret
    return [any_order(random) for _ in range(request.param)]


def test_each_pair_gets_a_verdict_for_each_operation_and_event(pairs):
    for pair in pairs:
        for verdict in verdicts(pair).values():
            assert verdict.row
        for mine in pair.ours.operations:
            assert compare_reply(mine, pair.answer.result, order_code="", currency="GBP").row
        if pair.event.kind in ISSUERS_EVENTS:
            assert compare_dispute(pair.ours, pair.before, pair.event, pair.answer).row
        else:
            explains(pair.ours, pair.event)
            verdict = compare_event(pair.ours, pair.before, pair.event, pair.answer, may_exist=False)
            assert verdict.row


def read(ours: Ours) -> Callable[[], Ours]:
    return lambda: ours


def test_each_event_is_known_or_leads_to_one_question(pairs):
    """If an attempt has ended without money, the provider is asked only about events that report money."""
    for pair in pairs:
        claim = claim_of(pair.event, pair.ours.state, read(pair.ours), is_capture_included=False)
        is_ended = pair.ours.state in ENDED_WITHOUT_MONEY
        possible = {EventKind.AUTHORISED} if is_ended else CLAIMS
        assert claim == "" or claim in possible, pair


def test_a_review_adopts_nothing_unless_one_sum_alone_differs_and_has_room(pairs):
    concluded = set()
    for pair in pairs:
        verdict, gap = compare_review(
            pair.ours, pair.answer, may_exist=False, is_for_another=False, is_alone=True
        )
        concluded.add(verdict.conclusion)
        assert verdict.row
        assert bool(verdict.why) == (verdict.conclusion in (Conclusion.CONTRADICTION, Conclusion.OPEN))
        assert (gap is not None) == (verdict.conclusion == Conclusion.ADOPTED)
        if gap is not None:
            assert pair.ours.state == AttemptState.AUTHORISED, pair
            assert 0 < gap.minor == verdict.minor <= gap.left, pair
    assert concluded >= {Conclusion.CONFIRMED, Conclusion.REFUSED, Conclusion.ADOPTED}


def test_told_sums_agree_with_ours_exactly_if_they_are_within_their_bounds(pairs):
    for pair in pairs:
        position = pair.answer.result.position
        if not isinstance(position, WholePosition):
            continue
        captures, refunds = pair.ours.range(Kind.CAPTURE), pair.ours.range(Kind.REFUND)
        ours = AttemptSums(
            authorised=Bounds(0, OWED.minor),
            captured=Bounds(captures.least, captures.most),
            refunded=Bounds(refunds.least, refunds.most),
            charged_back=0,
        )
        compared = compare_position("order", OWED.currency, ours, position, is_disputed=False)
        agree = {each.kind: each.agrees for each in compared}
        assert agree[Difference.Kind.CAPTURED] == (captures.least <= position.captured.minor <= captures.most)
        is_refunded = refunds.least <= position.refunded.minor <= refunds.most
        assert agree[Difference.Kind.REFUNDED] == is_refunded
        untold = {each.kind for each in untold_sums("order", ours, position)}
        assert untold.isdisjoint(agree)
        assert (Difference.Kind.CHARGED_BACK in untold) == (position.charged_back is None)


def test_no_answer_makes_a_booked_operation_undecided_or_sends_it_again(pairs):
    """The answer confirms the operation, says that it failed, or shows other movements."""
    possible = {Conclusion.SETTLED, Conclusion.REFUSED, Conclusion.OPEN, Conclusion.CONTRADICTION}
    found = [
        verdict
        for pair in pairs
        for reference, verdict in verdicts(pair).items()
        if pair.ours.operation(reference).state == State.DONE and verdict.conclusion not in possible
    ]
    assert not found


def test_neither_the_order_of_what_was_told_nor_its_repetition_changes_a_verdict(pairs):
    for pair in pairs[: len(pairs) // 4]:
        turned = replace(
            pair.ours,
            told=(*reversed(pair.ours.told), *pair.ours.told),
            operations=pair.ours.operations[::-1],
        )
        before = turned if pair.before == pair.ours else pair.before
        again = replace(pair, ours=turned, before=before)
        if pair.before == pair.ours:
            assert verdicts(again) == verdicts(pair)


def test_nothing_is_settled_without_evidence_that_names_it_or_sums_or_that_leaves_no_other(pairs):
    for pair in pairs:
        result = pair.answer.result
        for reference, verdict in verdicts(pair).items():
            mine = pair.ours.operation(reference)
            if verdict.conclusion != Conclusion.SETTLED or mine.kind == Kind.VOID:
                continue
            tells_sums = result.position is not None or result.kept is not None
            others = pair.ours.without(mine).range(mine.kind)
            is_alone = not others.entries and not others.after
            assert reference in result.references or tells_sums or is_alone, (verdict, pair)


def test_an_amount_that_contradicts_an_open_operation_never_settles_it(pairs):
    for pair in pairs:
        for reference, verdict in verdicts(pair).items():
            mine = pair.ours.operation(reference)
            if mine.doubt == OF_ANOTHER_AMOUNT and mine.state != State.DONE:
                assert verdict.conclusion not in (Conclusion.SETTLED, Conclusion.ABSENT), (verdict, pair)


def test_no_answer_has_a_withdrawn_operation_sent_again(pairs):
    withdrawn = []
    for pair in pairs[: len(pairs) // 10]:
        for mine in changeable(pair.ours):
            given_up = replace(mine, is_withdrawn=True)
            others = tuple(each for each in pair.ours.operations if each != mine)
            ours = replace(pair.ours, operations=(*others, given_up))
            withdrawn.append(compare_answer(ours, given_up, ours, pair.answer))
    assert {verdict.row for verdict in withdrawn} >= {"W2", "W3"}
    assert Conclusion.ABSENT not in {verdict.conclusion for verdict in withdrawn}


def test_an_answer_from_before_a_change_of_ours_decides_nothing(pairs):
    for pair in pairs:
        for reference, verdict in verdicts(pair).items():
            kind = pair.ours.operation(reference).kind
            if pair.ours.entries(kind) != pair.before.entries(kind):
                assert verdict.conclusion == Conclusion.OPEN


def test_what_is_settled_has_arrived_and_what_is_sent_again_has_not(orders):
    """The provider tells the truth and shows all requests that arrived; only our knowledge is incomplete."""
    concluded = set()
    for order in orders:
        for mine in changeable(order.ours):
            conclusion = compare_answer(order.ours, mine, order.ours, order.answer).conclusion
            concluded.add(conclusion)
            if conclusion == Conclusion.SETTLED:
                assert mine.reference in order.arrived, order
            if conclusion in (Conclusion.ABSENT, Conclusion.REFUSED):
                assert mine.reference not in order.arrived, order
            assert conclusion != Conclusion.CONTRADICTION, order
    assert {Conclusion.SETTLED, Conclusion.ABSENT, Conclusion.UNDECIDED} <= concluded
