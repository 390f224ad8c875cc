"""The part of the contract that is about saved cards and their tokens."""

from checkout.money import Money
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.providers.saved_cards import (
    TOKEN_NOT_FOUND,
    IssuedToken,
    KeptToken,
    MerchantInitiated,
    StoredCard,
)
from tests.payments.providers.abilities import Abilities
from tests.payments.providers.requests_to_make import authorisation, completion


def is_gone(result: ProviderResult) -> bool:
    """Return True if the provider has no such token, or has not found it."""
    return result.outcome == Outcome.APPROVED or result.event == TOKEN_NOT_FOUND


class SavedCardContract(Abilities):
    """Tests of an adapter. ``ProviderContract`` includes them, and describes the fixtures."""

    def test_the_adapter_says_if_cards_may_be_saved_and_their_tokens_deleted(self, shop):
        able = (shop.provider.saves_cards, shop.provider.deletes_tokens)
        assert able == (self.SAVES_CARDS, self.SAVES_CARDS and self.DELETES_TOKENS)

    def pay(self, shop, order_code, card="approve", **changes):
        request = authorisation(order_code, sealed_card=shop.cards[card], **changes)
        return shop.provider.authorise(request)

    def charge(
        self,
        shop,
        order_code,
        saved: IssuedToken,
        shopper="cus_1",
        reason: MerchantInitiated | None = MerchantInitiated.RECURRING,
        **changes,
    ):
        stored = StoredCard(
            token=saved.token,
            shopper=shopper,
            reason=reason,
            scheme_transaction=saved.scheme_transaction,
        )
        request = authorisation(order_code, sealed_card="", stored_card=stored, **changes)
        return shop.provider.authorise(request)

    def test_a_saved_card_is_charged_later_without_the_shopper(self, saves_cards, shop, order_code):
        result = self.pay(shop, order_code, saves_for="cus_1")
        assert result.token is not None, result.token_fault
        assert result.token.last4 == result.card.last4
        assert result.token.token not in result.transcript
        assert shop.provider.inquire(order_code).token.token == result.token.token

        later = self.charge(shop, f"{order_code}-2", result.token)
        assert (later.outcome, later.token, later.token_fault) == (Outcome.APPROVED, None, "")
        assert later.amount == Money(1050, "GBP")
        assert result.token.token not in later.transcript

    def test_a_shopper_who_pays_with_a_saved_card_may_be_challenged(self, saves_cards, shop, order_code):
        # Other tests have saved cards for the usual customer, some of which are challenged.
        customer = "cus_at_the_page"
        saved = self.pay(shop, order_code, saves_for=customer).token
        at_once = self.charge(shop, f"{order_code}-2", saved, customer, reason=None)
        assert (at_once.outcome, at_once.token, at_once.token_fault) == (Outcome.APPROVED, None, "")

        code = f"{order_code}-3"
        first = self.charge(shop, code, saved, customer, reason=None, demands_challenge=True)
        assert first.outcome == Outcome.CHALLENGE_REQUIRED
        shop.answer_challenge(first, "approve")
        second = shop.provider.complete_challenge(completion(code, session_state=first.session_state))
        assert (second.outcome, second.token) == (Outcome.APPROVED, None)
        assert saved.token not in first.transcript + second.transcript

    def test_a_card_that_is_challenged_is_saved_once_it_is_approved(self, saves_cards, shop, order_code):
        first = self.pay(shop, order_code, "challenge", saves_for="cus_1")
        assert first.token is None
        shop.answer_challenge(first, "approve")
        second = shop.provider.complete_challenge(completion(order_code, session_state=first.session_state))
        assert second.token is not None

    def test_a_token_that_was_made_with_a_refused_payment_is_told_and_can_be_deleted(
        self, deletes_tokens, shop, order_code
    ):
        result = self.pay(shop, order_code, "refuse", saves_for="cus_1")
        assert result.outcome == Outcome.REFUSED
        if result.token is not None:
            kept = KeptToken(token=result.token.token, shopper="cus_1")
            assert shop.provider.delete_token(kept).outcome == Outcome.APPROVED
            assert self.charge(shop, f"{order_code}-2", result.token).outcome != Outcome.APPROVED

    def test_no_card_is_saved_unless_that_was_asked_for(self, shop, order_code):
        result = self.pay(shop, order_code)
        assert (result.token, result.token_fault) == (None, "")

    def test_a_token_that_the_provider_does_not_know_pays_nothing(self, saves_cards, shop, order_code):
        unknown = IssuedToken(token="991111", brand="visa", last4="1111", expiry="12/2039")
        assert self.charge(shop, order_code, unknown).outcome != Outcome.APPROVED
        assert shop.provider.inquire(order_code).outcome in (Outcome.NOT_FOUND, Outcome.REFUSED)

    def test_a_token_that_is_deleted_pays_no_more_and_may_be_deleted_again(
        self, deletes_tokens, shop, order_code
    ):
        saved = self.pay(shop, order_code, saves_for="cus_1").token
        kept = KeptToken(token=saved.token, shopper="cus_1")
        for _ in range(2):
            result = shop.provider.delete_token(kept)
            assert is_gone(result)
            assert saved.token not in repr(result)
        assert self.charge(shop, f"{order_code}-2", saved).outcome != Outcome.APPROVED
        assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED

    def test_a_card_is_saved_anew_after_its_token_was_deleted_and_that_one_is_deleted(
        self, deletes_tokens, shop, order_code
    ):
        for number in range(2):
            saved = self.pay(shop, f"{order_code}-{number}", saves_for="cus_1").token
            kept = KeptToken(token=saved.token, shopper="cus_1")
            assert self.charge(shop, f"{order_code}-{number}-later", saved).outcome == Outcome.APPROVED
            assert shop.provider.delete_token(kept).outcome == Outcome.APPROVED
            assert self.charge(shop, f"{order_code}-{number}-late", saved).outcome != Outcome.APPROVED

    def test_a_token_that_the_provider_does_not_know_is_deleted_or_not_found(self, deletes_tokens, shop):
        unknown = KeptToken(token="991111", shopper="cus_1")
        assert is_gone(shop.provider.delete_token(unknown))
