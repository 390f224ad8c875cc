"""Orders that are in the provider's books and not in ours."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.models import Attempt, Difference, ProviderAccount, Reconciliation
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.reconciliation import reconcile_when_due
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.reconciliation.later import let_pass
from tests.support.memory_provider.books import Manners, Order, OrderState, books_of
from tests.support.reconciling import reconcile


@pytest.fixture
def stranger(account, books):
    order = Order(
        order_code="from-nowhere",
        session_id="s",
        amount=Money(999, "EUR"),
        state=OrderState.AUTHORISED,
        submitted_at=timezone.now() - LONG_AGO,
    )
    books.orders[order.order_code] = order
    return order


def test_an_order_that_only_the_provider_knows_is_a_difference(stranger, paid):
    paid()
    (difference,) = reconcile()
    assert (difference.kind, difference.order_code) == ("order", "from-nowhere")
    assert (difference.ours_minor, difference.theirs_minor, difference.currency) == (0, 999, "EUR")
    assert difference.payment is None


def test_an_order_that_was_found_before_is_listed_once_when_it_is_looked_for_again(stranger):
    assert len(reconcile()) == 1
    assert len(reconcile(since=timezone.now() - timedelta(days=30))) == 1


def test_it_stays_until_its_money_is_given_back(stranger):
    assert len(reconcile()) == 1
    assert len(reconcile()) == 1
    stranger.state = OrderState.CANCELLED
    assert reconcile() == []


@pytest.mark.parametrize("manners", [Manners(), Manners(releases_rest=True)])
@pytest.mark.parametrize("back", ["refunded", "charged_back"])
def test_money_that_was_captured_ends_it_when_all_of_it_has_gone_back(stranger, manners, back):
    stranger.manners, stranger.captured = manners, stranger.amount
    assert [difference.theirs_minor for difference in reconcile()] == [999]
    setattr(stranger, back, Money(998, "EUR"))
    assert [difference.theirs_minor for difference in reconcile()] == [999]
    setattr(stranger, back, stranger.amount)
    assert reconcile() == []


def test_a_rest_that_may_still_be_held_is_money(stranger):
    stranger.captured = stranger.refunded = Money(500, "EUR")
    assert len(reconcile()) == 1


def test_it_stays_until_we_know_it(stranger, paid):
    reconcile()
    Attempt.objects.filter(pk=paid().attempt.pk).update(order_code="from-nowhere")
    assert "order" not in {difference.kind for difference in reconcile()}


def test_an_order_without_money_is_none(stranger):
    stranger.state = OrderState.REFUSED
    assert reconcile() == []


def test_an_order_that_is_in_its_challenge_when_it_is_listed_is_found_later(stranger):
    stranger.state, stranger.submitted_at = OrderState.CHALLENGED, timezone.now() - timedelta(minutes=25)
    assert reconcile() == []
    stranger.state = OrderState.AUTHORISED
    let_pass(timedelta(minutes=10))
    assert [difference.order_code for difference in reconcile()] == ["from-nowhere"]


def test_the_time_of_the_challenges_is_that_of_the_settings(stranger, settings):
    settings.CHECKOUT_CHALLENGE_SECONDS, settings.CHECKOUT_MAX_CHALLENGES = 7200, 1
    stranger.state, stranger.submitted_at = OrderState.CHALLENGED, timezone.now() - timedelta(hours=2)
    assert reconcile() == []
    stranger.state = OrderState.AUTHORISED
    assert [difference.order_code for difference in reconcile()] == ["from-nowhere"]


@pytest.fixture
def periods(books):
    """Return the list of the periods for which the provider was asked to list orders."""
    return books.scenarios.asked["list"]


def test_the_list_is_gone_through_from_where_the_last_run_ended(stranger, periods):
    reconcile()
    first = list(periods)
    assert all(end == begin for (_, end), (begin, _) in pairwise(first))
    assert first[0][0] <= stranger.submitted_at < first[-1][1]
    periods.clear()
    reached = Reconciliation.objects.get().listed_until
    assert stranger.submitted_at < reached < first[-1][1]
    reconcile()
    assert periods[0][0] == reached


def test_a_run_that_is_stopped_has_the_rest_listed_by_the_next(account, periods):
    reconcile_when_due(should_stop=lambda: bool(periods))
    [(_, end)] = periods
    assert Reconciliation.objects.get().listed_until == end
    periods.clear()
    reconcile()
    assert periods[0][0] == end


def test_a_run_that_is_stopped_leaves_what_was_found_before_open(account, books, asked):
    submitted_every_second(books, timezone.now() - LONG_AGO)
    assert len(reconcile()) == len(books.orders)
    Reconciliation.objects.update(started_at=timezone.now() - 2 * LONG_AGO)
    asked.clear()
    assert len(reconcile_when_due(should_stop=lambda: len(asked) == 2)) == len(asked) == 2
    assert Difference.objects.filter(resolved_at=None).count() == len(books.orders)


def test_orders_of_two_accounts_with_the_same_code_are_apart(account, stranger):
    elsewhere = replace(stranger, session_id="t")
    books_of("other").orders[stranger.order_code] = elsewhere
    ProviderAccount.objects.create(
        merchant=account.merchant, code="other", provider="memory", merchant_code="X", endpoint=""
    )
    assert (len(reconcile("twin")), len(reconcile("other"))) == (1, 1)
    stranger.state = OrderState.CANCELLED
    assert reconcile("twin") == []
    assert Difference.objects.get(resolved_at=None).account.code == "other"


def test_busy_times_are_asked_for_in_shorter_pieces(account, books, periods, monkeypatch):
    monkeypatch.setattr("checkout.reconciliation.provider_books.FEW", 1)
    monkeypatch.setattr("checkout.reconciliation.provider_books.MANY", 1)
    begin = timezone.now() - LONG_AGO
    for number in range(6):
        books.orders[f"o-{number}"] = Order(
            order_code=f"o-{number}",
            session_id="s",
            amount=Money(PAID, "GBP"),
            state=OrderState.REFUSED,
            submitted_at=begin + timedelta(minutes=number),
        )
    reconcile(since=begin)
    lengths = [until - since for since, until in periods]
    assert lengths[1] == lengths[0] / 2
    assert lengths[-2] > lengths[1]


def submitted_every_second(books, begin, number=8):
    for second in range(number):
        books.orders[f"o-{second}"] = Order(
            order_code=f"o-{second}",
            session_id="s",
            amount=Money(PAID, "GBP"),
            state=OrderState.AUTHORISED,
            submitted_at=begin + timedelta(seconds=2 * second),
        )


def test_a_list_that_was_cut_is_asked_for_in_halves_until_it_is_whole(account, books, periods):
    begin = timezone.now() - LONG_AGO
    submitted_every_second(books, begin)
    books.longest_list = 2
    found = reconcile(since=begin)
    assert {difference.order_code for difference in found} == set(books.orders)
    assert Reconciliation.objects.get().unanswered == 0
    assert min(until - since for since, until in periods) < timedelta(seconds=10)


def test_nothing_behind_a_list_that_stays_cut_counts_as_looked_through(account, books):
    begin = timezone.now() - LONG_AGO
    submitted_every_second(books, begin)
    books.longest_list = 0
    assert reconcile(since=begin) == []
    run = Reconciliation.objects.get()
    assert run.unanswered == 1
    assert run.listed_until is None or run.listed_until <= begin


def test_a_provider_that_lists_nothing_is_not_asked_to(stranger, periods):
    ProviderAccount.objects.update(options={"lists_orders": "no"})
    assert reconcile() == []
    assert Reconciliation.objects.get().unanswered == 0
    assert periods == []


def test_an_order_that_could_not_be_read_at_first_gets_its_currency_later(stranger, books):
    stranger.amount = Money(1000, "JPY")
    listed = [ProviderResult(outcome=Outcome.UNKNOWN, order_code=stranger.order_code, event="UNREADABLE")]
    with books.scenarios.answer("list", listed):
        (difference, *_) = reconcile()
    assert (difference.ours, difference.theirs) == ("nothing", "not told")
    (difference,) = reconcile()
    assert (difference.theirs_minor, difference.currency) == (1000, "JPY")
    assert (difference.ours, difference.theirs) == ("¥0", "¥1,000")
