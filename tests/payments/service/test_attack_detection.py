"""The counting of tried cards, and the attack mode that many declines start."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from checkout.payments.actions import set_attack_mode
from checkout.payments.models import AttackModeChange, Attempt, CardTrial, Merchant, Payment
from checkout.payments.providers.base import RefusalReason
from checkout.payments.service.attack_detection import NOT_OF_THE_CARD, count_card
from checkout.payments.service.service import service
from checkout.privacy import pseudonyms
from checkout.states import AttemptState
from tests.payments.service.asking import to_authorise
from tests.payments.service.delivering import deliver

pytestmark = pytest.mark.django_db


def authorised(attempt: Attempt, card: str) -> None:
    deliver(service, to_authorise(attempt, card))


def another(attempt: Attempt, number: int) -> Attempt:
    """Create an attempt at another payment from the same browser."""
    payment = Payment.objects.get(pk=attempt.payment_id)
    payment.pk, payment.reference, payment.order_reference = None, f"pay_{number}", f"B-{number}"
    payment.save()
    return Attempt.objects.create(
        payment=payment,
        number=1,
        provider_account=attempt.provider_account,
        order_code=f"{payment.reference}-1",
        session_id="a-session",
        browser=attempt.browser,
    )


def test_a_declined_card_is_counted_for_whoever_tried_it_without_saying_who_that_is(attempt):
    authorised(attempt, "refuse")
    trial = CardTrial.objects.get()
    assert (trial.is_declined, trial.merchant) == (True, attempt.payment.merchant)
    assert trial.client == pseudonyms.of_client("192.0.2.7")
    assert trial.email == pseudonyms.of_email("Shopper@example.com")
    kept = " ".join(str(value) for value in vars(trial).values())
    assert "192.0.2" not in kept
    assert "shopper" not in kept


def test_an_approved_card_makes_its_address_known(attempt):
    authorised(attempt, "approve")
    assert CardTrial.objects.get().is_declined is False


def test_a_challenge_that_is_not_over_is_no_answer_yet(attempt):
    authorised(attempt, "challenge")
    assert not CardTrial.objects.exists()


@pytest.mark.parametrize("reason", sorted(NOT_OF_THE_CARD))
def test_what_says_nothing_of_the_card_does_not_keep_shoppers_away(attempt, reason):
    authorised(attempt, f"refuse:{reason}")
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.REFUSED
    assert not CardTrial.objects.exists()


def test_an_issuer_that_names_a_reason_has_answered_for_the_card(attempt):
    authorised(attempt, f"refuse:{RefusalReason.INSUFFICIENT_FUNDS}")
    assert CardTrial.objects.get().is_declined


@pytest.mark.parametrize("address", ["", "unknown"])
def test_what_is_no_address_is_nobody(address):
    assert pseudonyms.of_client(address) == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("is_try_out", [True, False])
def test_the_machine_of_a_try_out_tries_as_many_cards_as_it_likes(attempt, settings, address, is_try_out):
    settings.CHECKOUT_TRY_OUT = is_try_out
    attempt.browser["ip_address"], attempt.state = address, AttemptState.REFUSED
    with transaction.atomic():
        count_card(attempt, is_declined=True)
    assert CardTrial.objects.exists() != is_try_out


def test_a_network_of_ipv6_is_one_client_and_a_mapped_address_is_that_of_ipv4():
    first, second = (pseudonyms.of_client(f"2001:db8::{number}") for number in (1, 2))
    assert first == second != pseudonyms.of_client("2001:db8:0:1::1")
    assert pseudonyms.of_client("::ffff:192.0.2.7") == pseudonyms.of_client("192.0.2.7")


def test_shoppers_behind_a_translator_to_ipv6_are_not_one_client():
    # A network that has only IPv6 reaches all of IPv4 through one /64 network (RFC 6052).
    first, second = (pseudonyms.of_client(f"64:ff9b::192.0.2.{number}") for number in (7, 8))
    assert first == pseudonyms.of_client("192.0.2.7") != second


def test_a_single_decline_in_less_than_a_minute_is_told_as_such(attempt, settings):
    settings.CHECKOUT_DECLINES_PER_MERCHANT = 1
    settings.CHECKOUT_DECLINES_SECONDS = 20
    authorised(attempt, "refuse")
    assert AttackModeChange.objects.get().reason == "1 card or more were declined within 1 minute."


def test_many_declines_begin_the_attack_mode_of_their_merchant_for_as_long_as_they_count(attempt, settings):
    settings.CHECKOUT_DECLINES_PER_MERCHANT = 3
    settings.CHECKOUT_DECLINES_SECONDS = 600
    began = timezone.now()
    with time_machine.travel(began, tick=False):
        authorised(attempt, "refuse")
        for number in range(2):
            assert not Merchant.objects.get().is_under_attack
            authorised(another(attempt, number), "refuse")
        assert Merchant.objects.get().is_under_attack
        change = AttackModeChange.objects.get()
        assert (change.mode, change.by) == ("automatic", "")
        assert change.reason == "3 cards or more were declined within 10 minutes."
        authorised(another(attempt, 9), "refuse")
        assert AttackModeChange.objects.count() == 1
    with time_machine.travel(began + timedelta(seconds=600), tick=False):
        assert not Merchant.objects.get().is_under_attack
        authorised(another(attempt, 10), "refuse")
        assert not Merchant.objects.get().is_under_attack, "those of before count no longer"


def test_after_staff_have_ended_the_attack_mode_only_later_declines_begin_it_again(attempt, settings):
    settings.CHECKOUT_DECLINES_PER_MERCHANT = 2
    authorised(attempt, "refuse")
    authorised(another(attempt, 1), "refuse")
    assert Merchant.objects.get().is_under_attack
    set_attack_mode(attempt.payment.merchant_id, "automatic", by="ada", reason="It was a sale.")
    authorised(another(attempt, 2), "refuse")
    assert not Merchant.objects.get().is_under_attack, "those that staff knew do not count again"
    authorised(another(attempt, 3), "refuse")
    assert Merchant.objects.get().is_under_attack


def test_declines_do_not_change_what_staff_have_decided(attempt, settings):
    settings.CHECKOUT_DECLINES_PER_MERCHANT = 1
    Merchant.objects.update(attack_mode=Merchant.AttackMode.OFF)
    authorised(attempt, "refuse")
    assert not Merchant.objects.get().is_under_attack
    assert not AttackModeChange.objects.exists()


def test_an_attempt_is_counted_once(attempt):
    attempt.state = AttemptState.REFUSED
    attempt.save()
    count_card(attempt, is_declined=True)
    count_card(attempt, is_declined=True)
    assert CardTrial.objects.count() == 1


def test_in_attack_mode_the_issuer_challenges_who_would_have_been_approved(attempt):
    Attempt.objects.update(demands_challenge=True)
    authorised(attempt, "approve")
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.CHALLENGE_REQUIRED
