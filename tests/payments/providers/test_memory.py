"""The in-memory provider: the contract, and its configurable behaviour."""

from dataclasses import dataclass, field

import pytest

from checkout.errors import OutcomeUnknown, ProviderReplyInvalid, ProviderUnavailable
from checkout.money import Money
from checkout.payments.providers.base import Account, EventKind, Outcome, ProviderResult, RefusalReason
from tests.payments.providers.contract import ProviderContract, order_code
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.support.memory_provider.books import Manners, OrderState, forget_books
from tests.support.memory_provider.provider import MemoryProvider

__all__ = ["order_code"]
ACCOUNT = Account(
    code="twin",
    provider="memory",
    merchant_code="TEAPOTS",
    endpoint="",
    credentials={},
    options={"captures_with_authorisation": "yes", "exponents": "HUF=0"},
)


@dataclass
class MemoryShop:
    provider: MemoryProvider = field(default_factory=lambda: MemoryProvider(ACCOUNT))
    cards = {"approve": "approve", "challenge": "challenge", "refuse": "refuse", "unreadable": "?"}

    def answer_challenge(self, result, choice):
        self.provider.answer_challenge(result.order_code, approve=choice == "approve")

    def release_rest_of(self, order_code):
        releasing = {order_code: Manners(releases_rest=True)}
        self.provider.books.manners_for = lambda code: releasing.get(code, Manners())

    def notifications(self):
        return self.provider.books.notifications()


@pytest.fixture
def shop():
    forget_books()
    yield MemoryShop()
    forget_books()


@pytest.fixture
def provider(shop):
    return shop.provider


class TestMemory(ProviderContract):
    pass


def pay(provider, card, order_code="order-1"):
    return provider.authorise(authorisation(order_code, sealed_card=card))


@pytest.mark.parametrize(("card", "error"), [("unknown", OutcomeUnknown), ("invalid", ProviderReplyInvalid)])
def test_an_answer_may_be_lost_although_the_money_is_reserved(provider, card, error):
    with pytest.raises(error):
        pay(provider, card)
    assert provider.inquire("order-1").outcome == Outcome.APPROVED
    assert provider.books.orders["order-1"].amount == Money(1050, "GBP")


@pytest.mark.parametrize(("card", "error"), [("unavailable", ProviderUnavailable), ("lost", OutcomeUnknown)])
def test_a_request_may_never_arrive(provider, card, error):
    with pytest.raises(error):
        pay(provider, card)
    assert provider.inquire("order-1").outcome == Outcome.NOT_FOUND
    assert provider.books.orders == {}


def test_a_refusal_may_be_asked_for_by_its_reason(provider):
    refusal = pay(provider, "refuse:insufficient_funds").refusal
    assert refusal is not None
    assert refusal.reason == RefusalReason.INSUFFICIENT_FUNDS


def test_a_payment_may_stay_pending(provider):
    assert pay(provider, "pending").outcome == Outcome.PENDING
    assert provider.capture(modification("capture")).outcome == Outcome.REFUSED


def test_a_challenge_nobody_answered_by_hand_ends_as_its_card_says(provider):
    for card, outcome in (("challenge", Outcome.APPROVED), ("challenge_refuse", Outcome.REFUSED)):
        first = pay(provider, card, f"order-{card}")
        request = completion(f"order-{card}", session_state=first.session_state)
        assert provider.complete_challenge(request).outcome == outcome


def test_adapters_for_one_account_share_its_books_and_no_others(provider):
    pay(provider, "approve")
    other = Account(code="other", provider="memory", merchant_code="X", endpoint="", credentials={})
    assert MemoryProvider(ACCOUNT).inquire("order-1").outcome == Outcome.APPROVED
    assert MemoryProvider(other).inquire("order-1").outcome == Outcome.NOT_FOUND


UNKIND = Manners(deduplicates=False, tells_position=False, checks_amounts=False)


@pytest.fixture
def unkind(provider):
    provider.books.manners_for = lambda _code: UNKIND
    pay(provider, "approve")
    return provider


@pytest.mark.parametrize("verb", ["capture", "refund"])
def test_without_deduplication_a_repeated_key_moves_the_money_again(unkind, verb):
    order = unkind.books.orders["order-1"]
    unkind.capture(modification("capture", minor=1000))
    for _ in range(2):
        getattr(unkind, verb)(modification(verb, minor=25, reference="again", idempotency_key="again"))
    moved = order.captured - Money(1000, "GBP") if verb == "capture" else order.refunded
    assert moved == Money(50, "GBP")
    assert [movement.reference for movement in order.taken].count("again") == 2


def test_a_void_is_never_deduplicated(provider):
    pay(provider, "approve")
    assert provider.void(modification("void")).outcome == Outcome.PENDING
    assert provider.void(modification("void")).outcome == Outcome.REFUSED


def test_without_checks_any_amount_is_captured_and_given_back(unkind):
    assert unkind.capture(modification("capture", minor=9999)).outcome == Outcome.PENDING
    assert unkind.refund(modification("refund", minor=99999)).outcome == Outcome.PENDING


def test_without_sums_an_inquiry_tells_the_last_event_alone(unkind):
    unkind.capture(modification("capture", minor=300))
    result = unkind.inquire("order-1")
    assert (result.kind, result.position) == (EventKind.CAPTURED, None)


def test_the_last_event_may_be_older_than_the_sums(provider):
    provider.books.manners_for = lambda _code: Manners(names_authorisation=True)
    pay(provider, "approve")
    assert not provider.inquire("order-1").is_behind
    provider.capture(modification("capture", minor=300))
    result = provider.inquire("order-1")
    assert (result.event, result.kind, result.is_behind) == ("AUTHORISED", EventKind.CAPTURED, True)
    assert result.position.captured == Money(300, "GBP")
    provider.refund(modification("refund", minor=100))
    result = provider.inquire("order-1")
    assert (result.event, result.kind, result.is_behind) == ("REFUNDED", EventKind.REFUNDED, False)


def last_event(provider):
    return provider.inquire("order-1").kind


def test_a_further_capture_and_a_further_refund_change_no_last_event(provider):
    pay(provider, "approve")
    seen = []
    for verb, minor in (("capture", 300), ("capture", 200), ("refund", 100), ("refund", 50), ("capture", 10)):
        getattr(provider, verb)(modification(verb, minor=minor, idempotency_key=f"{verb}-{minor}"))
        seen.append(last_event(provider))
    assert seen == ["captured", "captured", "refunded", "refunded", "refunded"]


def test_later_events_hide_earlier_ones(provider):
    pay(provider, "approve")
    order = provider.books.orders["order-1"]
    provider.capture(modification("capture"))
    provider.refund(modification("refund", minor=100))
    seen = []
    order.last_event = EventKind.SETTLED
    seen.append(last_event(provider))
    order.charged_back = Money(500, "GBP")
    seen.append(last_event(provider))
    order.charged_back = Money(0, "GBP")
    seen.append(last_event(provider))
    order.fail_refund(order.taken[-1])
    seen.append(last_event(provider))
    order.state = OrderState.EXPIRED
    seen.append(last_event(provider))
    assert seen == ["settled", "charged_back", "charge_back_reversed", "refund_failed", "expired"]
    assert order.refunded == Money(0, "GBP")


def test_a_refund_under_way_shows_in_the_last_event_and_not_in_the_sums_until_it_is_booked(provider):
    provider.books.manners_for = lambda _code: Manners(books_at_once=False)
    pay(provider, "approve")
    order = provider.books.orders["order-1"]
    provider.capture(modification("capture"))
    assert (last_event(provider), order.captured.minor) == ("authorised", 0)
    provider.books.book("TEAPOTS", order, order.under_way[0])
    assert (last_event(provider), order.captured.minor) == ("captured", 1050)
    provider.refund(modification("refund", minor=300))
    order.last_event = EventKind.SETTLED
    assert (last_event(provider), order.refunded.minor) == ("refund_sent", 0)
    provider.books.book("TEAPOTS", order, order.under_way[0])
    assert (last_event(provider), order.refunded.minor) == ("refunded", 300)


def test_what_is_under_way_counts_where_amounts_are_checked(provider):
    provider.books.manners_for = lambda _code: Manners(books_at_once=False)
    pay(provider, "approve")
    assert provider.capture(modification("capture", minor=600)).outcome == Outcome.PENDING
    assert provider.capture(modification("capture", minor=451)).outcome == Outcome.REFUSED
    assert provider.void(modification("void")).outcome == Outcome.REFUSED


def test_nobody_releases_an_authorisation_in_the_portal_whose_capture_waits_to_be_booked(provider):
    provider.books.manners_for = lambda _code: Manners(books_at_once=False)
    pay(provider, "approve")
    provider.capture(modification("capture", minor=600))
    order = provider.books.orders["order-1"]
    assert not order.cancel()
    assert order.state == OrderState.AUTHORISED


def test_only_events_that_are_announced_are_notified(provider):
    announced = Manners(announces=frozenset({EventKind.REFUND_SENT}))
    provider.books.manners_for = lambda _code: announced
    pay(provider, "approve")
    provider.capture(modification("capture"))
    provider.refund(modification("refund", minor=300))
    told = [entry for body in provider.books.notifications() for entry in provider.parse_notification(body)]
    assert [(entry.kind, entry.amount, entry.reference) for entry in told] == [
        (EventKind.REFUND_SENT, Money(300, "GBP"), "order-1-refund")
    ]


def test_a_notification_may_leave_the_amount_out(provider):
    pay(provider, "approve")
    provider.books.notify("TEAPOTS", provider.books.orders["order-1"], None)
    assert provider.parse_notification(provider.books.notifications()[-1])[0].amount is None


def test_a_bank_that_does_not_deduplicate_takes_no_payment_and_no_second_message_twice(provider):
    provider.books.manners_for = lambda code: Manners(deduplicates=False)
    assert pay(provider, "approve").outcome == Outcome.APPROVED
    assert pay(provider, "approve").event == "DUPLICATE"
    challenged = pay(provider, "challenge", "order-2")
    message = completion("order-2", session_state=challenged.session_state)
    assert provider.complete_challenge(message).outcome == Outcome.APPROVED
    assert provider.complete_challenge(message).outcome == Outcome.UNKNOWN


def test_in_a_scenario_a_request_is_answered_without_being_carried_out(provider):
    pay(provider, "approve")
    with provider.books.scenarios.answer("capture", ProviderResult(outcome=Outcome.NOT_ABLE)):
        assert provider.capture(modification("capture", reference="first")).outcome == Outcome.NOT_ABLE
    assert provider.books.orders["order-1"].taken == []
    assert provider.capture(modification("capture", reference="second")).outcome == Outcome.PENDING
    assert [request.reference for request in provider.books.scenarios.asked["capture"]] == ["first", "second"]


def test_in_a_scenario_an_answer_is_lost_as_often_as_is_said(provider):
    pay(provider, "approve")
    provider.books.scenarios.lose_answer("capture", times=1)
    with pytest.raises(OutcomeUnknown):
        provider.capture(modification("capture", minor=300))
    assert provider.books.orders["order-1"].captured == Money(300, "GBP")
    assert provider.capture(modification("capture", minor=300)).outcome == Outcome.PENDING


def test_the_later_of_two_scenarios_comes_first_and_leaves_other_orders_to_the_earlier(provider):
    for code in ("order-1", "order-2"):
        pay(provider, "approve", code)
    provider.books.scenarios.tell("inquire", kind=EventKind.SETTLED)
    provider.books.scenarios.answer("inquire", OutcomeUnknown("no answer"), of={"order-1"})
    with pytest.raises(OutcomeUnknown):
        provider.inquire("order-1")
    assert provider.inquire("order-2").kind == EventKind.SETTLED
    provider.books.scenarios.end()
    assert provider.inquire("order-1").kind == EventKind.AUTHORISED


def test_in_a_scenario_something_happens_before_or_after_a_request_is_carried_out(provider):
    pay(provider, "approve")
    order, seen = provider.books.orders["order-1"], []
    provider.books.scenarios.before("void", lambda: seen.append(order.state))
    provider.books.scenarios.meanwhile("void", lambda: seen.append(order.state))
    provider.void(modification("void"))
    assert seen == [OrderState.AUTHORISED, OrderState.CANCELLED]
