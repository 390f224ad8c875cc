"""Orders about which the provider's answer says nothing: the rest is compared, and staff see them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import OutcomeUnknown, ProviderReplyInvalid
from checkout.payments.models import Attempt, Difference, Fact, Payment, ProviderCall, Reconciliation
from checkout.payments.providers.base import OrderCodeNotSendable, Outcome, ProviderResult, Verb
from checkout.states import AttemptState
from tests.reconciliation.conftest import LONG_AGO, PAID, Twinned
from tests.reconciliation.finding import found
from tests.support.memory_provider.books import OrderState
from tests.support.reconciling import reconcile


@pytest.fixture
def unclear(books):
    """Return a set. The provider's answers about the order codes in it say nothing."""
    codes: set[str] = set()
    answer = ProviderResult(outcome=Outcome.UNKNOWN, event="CONTRADICTORY")
    books.scenarios.answer("inquire", answer, of=codes)
    return codes


@pytest.fixture
def broken(books):
    """Return a set. The provider gives no answer about the order codes in it."""
    codes: set[str] = set()
    books.scenarios.answer("inquire", OutcomeUnknown("The provider answered with HTTP 500."), of=codes)
    return codes


def in_order(purchases):
    """Let the payments have changed one after the other, all of them hours ago."""
    for minutes, purchase in enumerate(purchases):
        moment = timezone.now() - timedelta(hours=9) + timedelta(minutes=minutes)
        Payment.objects.filter(pk=purchase.payment.pk).update(updated_at=moment)
    return [purchase.attempt.order_code for purchase in purchases]


def open_rows():
    return set(Difference.objects.filter(resolved_at=None).values_list("order_code", "kind"))


def test_answers_that_say_nothing_do_not_keep_the_others_from_being_compared(paid, unclear, asked):
    codes = in_order([paid() for _ in range(8)])
    unclear.update(codes[:6])
    Attempt.objects.filter(order_code=codes[7]).update(state=AttemptState.REFUSED)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    assert open_rows() == {(codes[7], "authorised"), *((code, "unanswered") for code in codes[:6])}
    asked.clear()
    reconcile()
    assert sorted(asked) == sorted({*codes[:6], codes[7]}), "the seventh has not changed"
    assert Reconciliation.objects.latest("pk").unanswered == 6


def test_an_order_that_got_no_answer_is_remembered_when_later_ones_got_one(paid, broken):
    codes = in_order([paid() for _ in range(4)])
    broken.update(codes[:2])
    Attempt.objects.filter(order_code=codes[3]).update(state=AttemptState.REFUSED)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    assert open_rows() == {(codes[0], "unanswered"), (codes[1], "unanswered"), (codes[3], "authorised")}
    compared_until = Reconciliation.objects.latest("pk").compared_until
    assert compared_until is not None
    assert compared_until > timezone.now() - timedelta(hours=1)


def test_a_provider_that_goes_away_in_the_middle_of_a_run_leaves_no_row_for_staff(paid, broken, books, asked):
    codes = in_order([paid() for _ in range(8)])

    def goes_away():
        if len(asked) == 3:
            broken.update(codes)

    with books.scenarios.before("inquire", goes_away):
        reconcile()
    assert asked == [*codes[:7], codes[1]]
    assert open_rows() == set()
    broken.clear()
    Attempt.objects.filter(order_code=codes[3]).update(state=AttemptState.REFUSED)
    assert found(reconcile()) == {("authorised", 0, PAID)}


@pytest.mark.usefixtures("shown_at_once")
def test_orders_that_never_get_an_answer_do_not_keep_new_changes_from_being_compared(paid, broken):
    codes = in_order([paid() for _ in range(10)])
    broken.update(codes[1::2])
    reconcile()
    assert open_rows() == {(code, "unanswered") for code in codes[1::2]} - {(codes[9], "unanswered")}
    broken.add(codes[0])
    Attempt.objects.filter(order_code=codes[0]).update(state=AttemptState.REFUSED)
    late = paid()
    Attempt.objects.filter(pk=late.attempt.pk).update(state=AttemptState.REFUSED)
    Payment.objects.filter(pk=late.payment.pk).update(updated_at=timezone.now())
    assert [difference.payment for difference in reconcile()] == [late.payment]


def test_staff_see_an_order_of_an_earlier_run_that_gets_no_answer_any_more(paid, broken):
    codes = in_order([paid()])
    Attempt.objects.update(state=AttemptState.REFUSED)
    reconcile()
    broken.update(codes)
    Payment.objects.filter(pk=paid().payment.pk).update(updated_at=timezone.now())
    reconcile()
    assert open_rows() == {(codes[0], "authorised"), (codes[0], "unanswered")}


def test_a_provider_that_is_away_does_not_hold_the_mark_if_nothing_changed(paid, broken):
    codes = in_order([paid()])
    Attempt.objects.update(state=AttemptState.REFUSED)
    reconcile()
    broken.update(codes)
    reconcile()
    assert (
        Reconciliation.objects.exclude(compared_until=None).values("compared_until").distinct().count() == 2
    )
    assert open_rows() == {(codes[0], "authorised")}


@pytest.mark.parametrize("number", [5, 12])
def test_neighbours_that_get_no_answer_do_not_hide_the_payments_behind_them(paid, broken, asked, number):
    codes = in_order([paid() for _ in range(number + 2)])
    broken.update(codes[:number])
    Attempt.objects.filter(order_code=codes[number]).update(state=AttemptState.REFUSED)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    assert open_rows() == {
        (codes[number], "authorised"),
        *((code, "unanswered") for code in codes[:number]),
    }
    assert len(asked) == number + number // 5 + 2, "one more for each five without an answer"
    run = Reconciliation.objects.get()
    assert run.unanswered == number
    assert run.compared_until is not None
    assert run.compared_until > timezone.now() - timedelta(hours=1)


def test_if_the_newest_orders_get_no_answer_an_older_one_shows_that_the_provider_is_there(paid, broken):
    codes = in_order([paid() for _ in range(7)][::-1])
    broken.update(codes[:5])
    reconcile()
    assert open_rows() == {(code, "unanswered") for code in codes[:5]}


def test_answers_that_say_nothing_end_a_run_only_if_they_come_in_a_row(paid, unclear, asked, monkeypatch):
    monkeypatch.setattr("checkout.reconciliation.provider_books.NOT_UNDERSTOOD", 2)
    codes = in_order([paid() for _ in range(6)])
    unclear.update(codes[::2])
    reconcile()
    assert asked == codes
    assert open_rows() == {(code, "unanswered") for code in codes[::2]}


def test_neighbours_at_the_end_that_get_no_answer_hold_no_mark(paid, broken):
    codes = in_order([paid() for _ in range(6)])
    broken.update(codes[1:])
    reconcile()
    assert open_rows() == {(code, "unanswered") for code in codes[1:]}
    compared_until = Reconciliation.objects.get().compared_until
    assert compared_until is not None
    assert compared_until > timezone.now() - timedelta(hours=1)


def test_a_provider_that_is_away_is_asked_six_questions(paid, broken, asked):
    codes = in_order([paid() for _ in range(9)])
    broken.update(codes)
    reconcile()
    assert asked == [*codes[:5], codes[8]]
    assert open_rows() == set()
    assert Reconciliation.objects.get().compared_until is None


def test_unknown_orders_that_get_no_answer_do_not_hide_those_that_were_found_after_them(
    stranger, broken, books
):
    for minutes in range(6):
        stranger(timezone.now() - timedelta(hours=5, minutes=-minutes))
    reconcile()
    codes = list(books.orders)
    broken.update(codes[:5])
    books.orders[codes[5]].state = OrderState.CANCELLED
    reconcile()
    assert open_rows() == {(code, "order") for code in codes[:5]}


def test_an_unknown_order_that_cannot_be_asked_about_is_no_sign_that_the_provider_is_there(
    stranger, broken, books
):
    for minutes in range(8):
        stranger(timezone.now() - timedelta(hours=5, minutes=-minutes))
    reconcile()
    codes = list(books.orders)
    broken.update(codes)
    books.scenarios.answer("inquire", OrderCodeNotSendable(codes[7]), of={codes[7]})
    reconcile()
    assert Reconciliation.objects.latest("pk").unanswered == 5


def test_what_was_unanswered_is_closed_when_the_provider_answers(paid, unclear):
    codes = in_order([paid(), paid()])
    unclear.add(codes[0])
    for _ in range(2):
        assert reconcile() == []
        assert open_rows() == {(codes[0], "unanswered")}
    unclear.clear()
    assert reconcile() == []
    assert open_rows() == set()


def test_the_answered_one_of_a_payments_two_orders_is_compared(paid, unclear):
    purchase = paid()
    second = purchase.try_again()
    unclear.add(second.order_code)
    Attempt.objects.filter(pk=purchase.attempt.pk).update(state=AttemptState.REFUSED)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    assert open_rows() == {(purchase.attempt.order_code, "authorised"), (second.order_code, "unanswered")}


def test_a_run_gives_up_when_no_answer_can_be_understood_and_the_next_goes_on_behind_it(
    paid, monkeypatch, books, asked
):
    monkeypatch.setattr("checkout.reconciliation.provider_books.NOT_UNDERSTOOD", 3)
    codes = in_order([paid() for _ in range(8)])
    books.scenarios.answer("inquire", ProviderReplyInvalid("This is a page of a proxy."))
    reconcile()
    assert asked == codes[:3]
    asked.clear()
    reconcile()
    assert asked == codes[2:5], "the last one stands where this run begins"


def test_an_unknown_order_that_is_not_understood_does_not_end_the_search_for_others(stranger, unclear):
    stranger(timezone.now() - timedelta(hours=5))
    reconcile()
    unclear.update(Difference.objects.values_list("order_code", flat=True))
    stranger(timezone.now() - timedelta(minutes=5))
    reconcile()
    assert Difference.objects.filter(kind="order", resolved_at=None).count() == 2
    assert Reconciliation.objects.latest("pk").listed_until is not None


def a_request_of(purchase: Twinned, verb: Verb, **fields: object) -> None:
    """Record a request that got no answer, and was sent long ago unless ``fields`` say otherwise."""
    moment = {"started_at": timezone.now() - LONG_AGO}
    key = f"{purchase.attempt.order_code}:{verb}"
    ProviderCall.objects.create(**moment | {"attempt": purchase.attempt, "verb": verb, "key": key} | fields)


@pytest.mark.parametrize("second_message", [False, True])
def test_an_order_that_may_exist_although_the_provider_denies_it_is_no_difference(
    paid, books, second_message
):
    """The order has just been sent, or its second message may have arrived long ago."""
    purchase = paid()
    verb = Verb.COMPLETE_CHALLENGE if second_message else Verb.AUTHORISE
    a_request_of(purchase, verb, **({} if second_message else {"started_at": timezone.now()}))
    books.orders.clear()
    assert reconcile() == []
    assert (Reconciliation.objects.get().untold, open_rows()) == (1, set())


def test_an_order_of_which_the_provider_has_told_money_and_that_it_denies_is_shown_to_staff(paid, books):
    purchase = paid()
    Fact.objects.create(
        payment=purchase.payment, attempt=purchase.attempt, source="provider", kind="notified_authorised"
    )
    books.orders.clear()
    assert reconcile() == []
    assert open_rows() == {(purchase.attempt.order_code, "unanswered")}


def test_an_account_that_may_not_ask_does_not_end_the_run_as_a_provider_that_is_away_does(paid, books, asked):
    codes = in_order([paid() for _ in range(8)])
    books.scenarios.answer("inquire", ProviderResult(outcome=Outcome.NOT_ABLE, event="ERROR 4"))
    assert reconcile() == []
    assert asked == codes
    assert open_rows() == {(code, "unanswered") for code in codes}
