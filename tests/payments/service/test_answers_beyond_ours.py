"""Answers to inquiries with more movements than our books have, and answers that say nothing."""

import pytest

from checkout.money import Money
from checkout.payments.models import Attempt, Operation, PostponedComparison, ProviderCall
from checkout.payments.providers.base import Outcome, ProviderResult
from tests.payments.service.asking import inquire_operation, operation_on
from tests.support.memory_provider.books import Books, Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(authorised: Attempt, books: Books) -> Order:
    return books.orders[authorised.order_code]


@pytest.fixture
def lost(authorised: Attempt) -> Operation:
    """Return a capture that was sent and got no answer."""
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    operation.state = Operation.State.UNKNOWN
    operation.save()
    ProviderCall.objects.create(attempt=authorised, key=operation.reference, verb="capture", was_alone=True)
    return operation


@pytest.mark.parametrize(
    ("charged_back", "captured", "compares"),
    [(1250, 1250, True), (0, 2500, True), (0, 1250, False)],
)
def test_an_answer_that_tells_of_more_than_our_books_have_has_them_compared(
    lost, order, charged_back, captured, compares
):
    order.captured, order.charged_back = Money(captured, "GBP"), Money(charged_back, "GBP")
    inquire_operation(lost)
    assert PostponedComparison.objects.filter(payment=lost.payment).exists() == compares


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.NOT_ABLE])
def test_an_account_that_may_not_ask_learns_nothing(lost, scenarios, outcome):
    answer = ProviderResult(outcome=outcome, event="ERROR 4")
    scenarios.answer("inquire", answer)
    assert (inquire_operation(lost), lost.state) == ("unknown", Operation.State.UNKNOWN)
