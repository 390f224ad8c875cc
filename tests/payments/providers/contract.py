"""The contract of every adapter, as tests. A subclass defines a ``shop`` that uses one provider."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

import pytest
from django.utils import timezone

from checkout.errors import AmountNotSupported, NotificationRejected
from checkout.money import Money
from checkout.payments.providers.base import (
    EventKind,
    Notification,
    Outcome,
    Provider,
    ProviderResult,
    RefusalReason,
)
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.payments.providers.saved_card_contract import SavedCardContract
from tests.support.waiting import wait_until

HOUR = timedelta(hours=1)


class Shop(Protocol):
    """One merchant at one provider.

    ``cards`` are sealed cards named approve, challenge, refuse (by the issuer) and unreadable. A method may
    call ``pytest.skip`` if the provider's test system has no means for it.
    """

    provider: Provider
    cards: Mapping[str, str]

    def answer_challenge(self, result: ProviderResult, choice: str) -> None:
        """Complete the challenge as the shopper, who approves or fails. The return must contain ``md``."""

    def release_rest_of(self, order_code: str) -> None:
        """Let the provider release the rest of this order after a first capture, which comes later."""

    def notifications(self) -> list[bytes]:
        """Return all notifications that the provider has sent so far."""


@pytest.fixture
def order_code():
    return f"order-{uuid4()}"


def _said(provider: Provider, body: bytes) -> list[Notification]:
    """Return the statements without their event ids, which are digests that also cover other content."""
    return [replace(each, event_id="") for each in provider.parse_notification(body)]


class ProviderContract(SavedCardContract):
    """The tests of the contract. Subclasses are named ``Test…`` and define the fixture ``shop``.

    ``Abilities`` has constants for abilities that a provider lacks.
    """

    def test_the_adapter_says_if_captures_are_left_to_the_provider(self, shop):
        assert shop.provider.captures_with_authorisation is self.CAPTURES_WITH_AUTHORISATION

    def capture(self, shop, order_code, minor=1050, **changes):
        return shop.provider.capture(modification("capture", order_code, minor, **changes))

    def told(self, shop, order_code):
        """Return the notifications about an order, by their kind."""
        bodies = shop.notifications()
        entries = [entry for body in bodies for entry in shop.provider.parse_notification(body)]
        return {entry.kind: entry for entry in entries if entry.order_code == order_code}

    def until(self, shop, order_code, kind):
        what = f"the provider to say {kind}"
        wait_until(lambda: shop.provider.inquire(order_code).kind == kind, what, seconds=20)

    def captured(self, shop, order_code, minor=1050):
        self.pay(shop, order_code)
        self.capture(shop, order_code, minor)
        self.until(shop, order_code, EventKind.CAPTURED)

    def test_an_approved_payment_tells_order_amount_and_what_may_be_kept_of_the_card(self, shop, order_code):
        result = self.pay(shop, order_code)
        assert (result.outcome, result.kind) == (Outcome.APPROVED, EventKind.AUTHORISED)
        assert result.order_code == order_code
        assert result.amount == Money(1050, "GBP")
        assert result.card is not None
        assert len(result.card.last4) == 4
        assert result.refusal is None

    def test_a_refusal_is_a_result_with_a_reason(self, shop, order_code):
        result = self.pay(shop, order_code, "refuse")
        assert result.outcome == Outcome.REFUSED
        assert result.refusal is not None
        assert result.refusal.reason == RefusalReason.REFUSED_BY_ISSUER

    def test_a_card_that_cannot_be_opened_is_refused_as_invalid(self, shop, order_code):
        result = self.pay(shop, order_code, "unreadable")
        assert result.outcome == Outcome.REFUSED
        assert result.refusal is not None
        assert result.refusal.reason == RefusalReason.CARD_INVALID

    def test_an_answered_challenge_leads_to_approval(self, shop, order_code):
        first = self.pay(shop, order_code, "challenge")
        assert first.outcome == Outcome.CHALLENGE_REQUIRED
        assert first.challenge is not None
        shop.answer_challenge(first, "approve")
        second = shop.provider.complete_challenge(completion(order_code, session_state=first.session_state))
        assert (second.outcome, second.order_code) == (Outcome.APPROVED, order_code)
        assert second.amount == Money(1050, "GBP")

    def test_a_failed_challenge_leads_to_a_refusal(self, shop, order_code):
        first = self.pay(shop, order_code, "challenge")
        shop.answer_challenge(first, "fail")
        second = shop.provider.complete_challenge(completion(order_code, session_state=first.session_state))
        assert second.outcome == Outcome.REFUSED
        assert second.refusal is not None
        assert second.refusal.reason == RefusalReason.AUTHENTICATION_FAILED

    @pytest.mark.parametrize("wrong", [{"session_id": "another"}, {"session_state": "machine=another"}])
    def test_a_second_message_of_another_session_settles_nothing(self, shop, order_code, wrong):
        first = self.pay(shop, order_code, "challenge")
        shop.answer_challenge(first, "approve")
        right = {"session_state": first.session_state}
        strange = completion(order_code, idempotency_key="strange-" + order_code, **{**right, **wrong})
        assert shop.provider.complete_challenge(strange).outcome == Outcome.UNKNOWN
        assert shop.provider.complete_challenge(completion(order_code, **right)).outcome == Outcome.APPROVED

    def test_an_inquiry_during_the_challenge_is_neither_approval_nor_refusal(self, shop, order_code):
        self.pay(shop, order_code, "challenge")
        assert shop.provider.inquire(order_code).outcome not in {Outcome.APPROVED, Outcome.REFUSED}

    def test_an_inquiry_finds_what_happened(self, shop, order_code):
        self.pay(shop, order_code)
        result = shop.provider.inquire(order_code)
        assert (result.outcome, result.order_code) == (Outcome.APPROVED, order_code)
        assert result.amount == Money(1050, "GBP")

    def test_an_inquiry_for_an_order_never_sent_says_so(self, shop, order_code):
        assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND

    @pytest.mark.parametrize("verb", ["capture", "refund", "void"])
    def test_an_order_never_sent_cannot_be_modified(self, shop, order_code, verb):
        result = getattr(shop.provider, verb)(modification(verb, order_code))
        assert result.outcome == Outcome.NOT_FOUND

    @pytest.mark.parametrize("verb", ["capture", "refund", "void"])
    def test_an_order_in_its_challenge_is_not_found(self, shop, order_code, verb):
        self.pay(shop, order_code, "challenge")
        result = getattr(shop.provider, verb)(modification(verb, order_code))
        assert result.outcome == Outcome.NOT_FOUND

    def test_a_challenge_is_completed_once(self, shop, order_code):
        first = self.pay(shop, order_code, "challenge")
        shop.answer_challenge(first, "approve")
        message = {"session_state": first.session_state}
        assert shop.provider.complete_challenge(completion(order_code, **message)).outcome == Outcome.APPROVED
        again = completion(order_code, idempotency_key=f"{order_code}-again", **message)
        assert shop.provider.complete_challenge(again).outcome == Outcome.UNKNOWN
        assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED

    def position(self, shop, order_code):
        found = shop.provider.inquire(order_code).position
        assert {found.authorised.currency, found.captured.currency, found.refunded.currency} == {"GBP"}
        return found.authorised.minor, found.captured.minor, found.refunded.minor

    def test_an_inquiry_tells_what_is_authorised_captured_and_refunded(
        self, tells_positions, shop, order_code
    ):
        self.pay(shop, order_code)
        assert self.position(shop, order_code) == (1050, 0, 0)
        self.capture(shop, order_code, 600)
        self.until(shop, order_code, EventKind.CAPTURED)
        assert self.position(shop, order_code) == (1050, 600, 0)
        for minor in (250, 300):
            shop.provider.refund(modification("refund", order_code, minor))
        wait_until(lambda: self.position(shop, order_code) == (1050, 600, 550), "both refunds")

    def test_a_rest_that_was_released_is_not_told_as_captured_and_given_back(
        self, tells_positions, shop, order_code
    ):
        shop.release_rest_of(order_code)
        self.captured(shop, order_code, 600)

        def told():
            result = shop.provider.inquire(order_code)
            return result.position, result.kept and result.kept.minor

        assert told() == (None, 600)
        assert self.capture(shop, order_code, 450, reference=f"{order_code}-2").outcome == Outcome.REFUSED
        shop.provider.refund(modification("refund", order_code, 250))
        wait_until(lambda: told() == (None, 350), "the refund")
        assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED

    def test_all_of_an_order_is_captured_also_where_a_rest_would_be_released(
        self, tells_positions, shop, order_code
    ):
        shop.release_rest_of(order_code)
        self.captured(shop, order_code)
        assert self.position(shop, order_code) == (1050, 1050, 0)
        assert shop.provider.inquire(order_code).kept is None

    def test_nothing_is_left_of_a_voided_order_and_nothing_was_of_a_refused_one(
        self, tells_positions, shop, order_code
    ):
        self.pay(shop, order_code, "refuse")
        assert self.position(shop, order_code) == (0, 0, 0)
        voided = f"{order_code}-voided"
        self.pay(shop, voided)
        shop.provider.void(modification("void", voided))
        wait_until(lambda: self.position(shop, voided) == (0, 0, 0), "the void")

    def test_orders_are_listed_by_the_time_of_their_submission(self, shop, order_code):
        if not shop.provider.lists_orders:
            pytest.skip("this provider lists no orders")
        challenged = f"{order_code}-challenged"
        self.captured(shop, order_code, 600)
        self.pay(shop, challenged, "challenge")
        now = timezone.now()
        told = {result.order_code: result for result in shop.provider.orders(now - HOUR, now + HOUR)}
        assert told[order_code].position == shop.provider.inquire(order_code).position
        assert told[order_code].kind == EventKind.CAPTURED
        assert challenged not in told
        assert shop.provider.orders(now - 2 * HOUR, now - HOUR) == []

    def test_it_says_if_a_repeat_is_recognised(self, shop):
        assert bool(shop.provider.recognised_key("a-key")) == self.REMEMBERS_KEYS
        assert shop.provider.remembers_keys_for > timedelta(0)

    @pytest.mark.usefixtures("remembers_keys")
    def test_a_repeat_with_the_same_key_gets_the_same_answer(self, shop, order_code):
        request = authorisation(order_code, sealed_card=shop.cards["approve"])
        first, second = shop.provider.authorise(request), shop.provider.authorise(request)
        assert first.outcome == second.outcome == Outcome.APPROVED

    @pytest.mark.usefixtures("remembers_keys")
    def test_a_capture_repeated_with_the_same_key_takes_the_money_once(self, shop, order_code):
        self.pay(shop, order_code)
        for _ in range(2):
            assert self.capture(shop, order_code, 600).outcome == Outcome.PENDING
        assert self.capture(shop, order_code, 450).outcome == Outcome.PENDING

    def test_an_order_sent_twice_is_never_called_refused(self, shop, order_code):
        self.pay(shop, order_code)
        again = self.pay(shop, order_code, idempotency_key=f"{order_code}-again")
        assert again.outcome == Outcome.UNKNOWN
        assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED

    def test_a_capture_is_pending_until_the_provider_books_it(self, shop, order_code):
        self.pay(shop, order_code)
        result = self.capture(shop, order_code)
        assert (result.outcome, result.order_code) == (Outcome.PENDING, order_code)
        assert result.amount == Money(1050, "GBP")
        self.until(shop, order_code, EventKind.CAPTURED)
        assert shop.provider.inquire(order_code).outcome == Outcome.APPROVED

    def test_an_authorisation_may_include_the_capture_which_needs_no_request(
        self, includes_captures, shop, order_code
    ):
        result = self.pay(shop, order_code, captures=True)
        assert (result.outcome, result.amount) == (Outcome.APPROVED, Money(1050, "GBP"))
        self.until(shop, order_code, EventKind.CAPTURED)
        assert not self.TELLS_POSITIONS or self.position(shop, order_code) == (1050, 1050, 0)
        assert self.capture(shop, order_code, 1).outcome == Outcome.REFUSED
        wait_until(lambda: EventKind.CAPTURED in self.told(shop, order_code), "the notification")
        told = self.told(shop, order_code)[EventKind.CAPTURED]
        assert (told.amount, told.reference) == (Money(1050, "GBP"), "")

    def test_a_challenged_authorisation_includes_the_capture_once_it_is_approved(
        self, includes_captures, shop, order_code
    ):
        first = self.pay(shop, order_code, "challenge", captures=True)
        shop.answer_challenge(first, "approve")
        shop.provider.complete_challenge(completion(order_code, session_state=first.session_state))
        self.until(shop, order_code, EventKind.CAPTURED)

    def test_a_refused_authorisation_includes_no_capture(
        self, includes_captures, tells_positions, shop, order_code
    ):
        assert self.pay(shop, order_code, "refuse", captures=True).outcome == Outcome.REFUSED
        assert self.position(shop, order_code) == (0, 0, 0)

    def test_what_is_captured_with_the_authorisation_cannot_be_voided(
        self, includes_captures, shop, order_code
    ):
        self.pay(shop, order_code, captures=True)
        assert shop.provider.void(modification("void", order_code)).outcome == Outcome.REFUSED

    def test_more_than_was_authorised_cannot_be_captured(self, shop, order_code):
        self.pay(shop, order_code)
        assert self.capture(shop, order_code, 600).outcome == Outcome.PENDING
        assert self.capture(shop, order_code, 451).outcome == Outcome.REFUSED

    def test_an_amount_that_the_account_cannot_send_exactly_is_known_before_anything_is_sent(
        self, has_unsendable_amounts, shop, order_code
    ):
        """The account sends amounts in HUF without decimals."""
        for sendable in (Money(5000, "HUF"), Money(5050, "GBP"), Money(5050, "JPY")):
            shop.provider.require_sendable(sendable)
        with pytest.raises(AmountNotSupported, match=r"50\.50 HUF"):
            shop.provider.require_sendable(Money(5050, "HUF"))
        with pytest.raises(AmountNotSupported):
            self.pay(shop, order_code, amount=Money(5050, "HUF"))
        assert shop.provider.inquire(order_code).outcome == Outcome.NOT_FOUND

    def test_a_capture_or_refund_that_the_account_cannot_send_exactly_moves_nothing(
        self, has_unsendable_amounts, shop, order_code
    ):
        whole, part = Money(12500, "HUF"), Money(5050, "HUF")
        assert self.pay(shop, order_code, amount=whole).outcome == Outcome.APPROVED
        with pytest.raises(AmountNotSupported):
            self.capture(shop, order_code, amount=part)
        self.capture(shop, order_code, amount=whole)
        with pytest.raises(AmountNotSupported):
            shop.provider.refund(modification("refund", order_code, amount=part))
        position = shop.provider.inquire(order_code).position
        assert position is None or position.refunded == Money(0, "HUF")

    def test_a_void_releases_the_authorisation(self, shop, order_code):
        self.pay(shop, order_code)
        assert shop.provider.void(modification("void", order_code)).outcome == Outcome.PENDING
        self.until(shop, order_code, EventKind.CANCELLED)
        assert self.capture(shop, order_code).outcome == Outcome.REFUSED

    def test_a_refund_gives_back_what_was_captured_and_no_more(self, shop, order_code):
        self.captured(shop, order_code)
        first = shop.provider.refund(modification("refund", order_code, 1000))
        assert (first.outcome, first.amount) == (Outcome.PENDING, Money(1000, "GBP"))
        self.until(shop, order_code, EventKind.REFUNDED)
        assert shop.provider.refund(modification("refund", order_code, 51)).outcome == Outcome.REFUSED

    def test_nothing_can_be_modified_that_was_not_approved(self, shop, order_code):
        self.pay(shop, order_code, "refuse")
        assert self.capture(shop, order_code).outcome == Outcome.REFUSED

    def test_notifications_tell_each_event_with_its_amount_and_our_reference(self, shop, order_code):
        self.captured(shop, order_code, 600)

        def told():
            return self.told(shop, order_code)

        wait_until(lambda: {EventKind.AUTHORISED, EventKind.CAPTURED} <= told().keys(), "notifications")
        authorised, captured = told()[EventKind.AUTHORISED], told()[EventKind.CAPTURED]
        assert authorised.merchant_code == shop.provider.account.merchant_code
        assert authorised.amount == Money(1050, "GBP")
        assert captured.amount == Money(600, "GBP")
        assert captured.reference == f"{order_code}-capture"
        assert authorised.event_id != captured.event_id

    def test_what_is_kept_of_a_notification_says_the_same_as_the_notification(self, shop, order_code):
        """The statements and the text of a notification are stored apart, and people only read the text."""
        self.captured(shop, order_code, 600)
        shop.provider.refund(modification("refund", order_code, 100))
        wait_until(lambda: EventKind.REFUNDED in self.told(shop, order_code), "the notification")
        for body in shop.notifications():
            kept = shop.provider.scrub(body).encode()
            assert _said(shop.provider, kept) == _said(shop.provider, body)

    @pytest.mark.parametrize("body", [b"", b"\xff\x00", b"<html>", b"[]", b"{}", b"[" * 100_000])
    def test_a_notification_that_cannot_be_read_is_rejected(self, shop, body):
        with pytest.raises(NotificationRejected):
            shop.provider.parse_notification(body)

    def test_the_acknowledgement_is_a_success(self, shop):
        assert shop.provider.acknowledgement().status == 200

    def test_a_transcript_is_scrubbed(self, shop):
        scrubbed = shop.provider.scrub(b"card 4444333322221111 <cvc>737</cvc> \xff")
        assert "4444333322221111" not in scrubbed
        assert "737" not in scrubbed

    def test_nothing_that_is_kept_shows_the_card(self, shop, order_code):
        result = self.pay(shop, order_code)
        assert shop.cards["approve"] not in result.transcript

    def test_the_browser_gets_script_key_and_forms(self, shop, order_code):
        assert shop.provider.card_encryption().script_url
        assert shop.provider.card_encryption().public_key
        assert shop.provider.device_data_form().action
        challenge = self.pay(shop, order_code, "challenge").challenge
        form = shop.provider.challenge_form(challenge, return_url="http://localhost/r/", merchant_data="md")
        assert form.action
        assert form.fields["MD"] == "md"
