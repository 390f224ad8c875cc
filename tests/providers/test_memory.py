"""The provider without a network: the contract, and what it can be told to do."""

from dataclasses import dataclass, field

import pytest

from checkout.errors import OutcomeUnknown, ProviderReplyInvalid, ProviderUnavailable
from checkout.money import Money
from checkout.providers.base import Account, Outcome, RefusalReason
from checkout.providers.memory import MemoryProvider
from checkout.providers.memory_books import forget_books
from tests.providers.contract import ProviderContract, order_code
from tests.providers.requests_to_make import authorisation, completion, modification

__all__ = ["order_code"]
ACCOUNT = Account(code="twin", provider="memory", merchant_code="TEAPOTS", endpoint="", credentials={})


@dataclass
class MemoryShop:
    provider: MemoryProvider = field(default_factory=lambda: MemoryProvider(ACCOUNT))
    cards = {"approve": "approve", "challenge": "challenge", "refuse": "refuse", "unreadable": "?"}

    def answer_challenge(self, result, choice):
        self.provider.answer_challenge(result.order_code, approve=choice == "approve")

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
    assert provider.inquire("order-1").outcome == Outcome.NOT_SENT
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
    assert MemoryProvider(other).inquire("order-1").outcome == Outcome.NOT_SENT


def test_an_order_may_capture_itself(provider):
    provider.authorise(authorisation(sealed_card="approve", settle_automatically=True))
    assert provider.books.orders["order-1"].captured == Money(1050, "GBP")
