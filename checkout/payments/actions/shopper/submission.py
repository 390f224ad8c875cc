"""Start an attempt at a payment with the card that the shopper has submitted."""

import secrets
from dataclasses import asdict

from django.db import transaction

from checkout.conf import conf
from checkout.errors import IllegalTransition, TooManyAttempts
from checkout.payments.actions.accounts import account_for, capture_reference
from checkout.payments.actions.card_testing import require_few_declines, require_wait_or_captcha
from checkout.payments.actions.order_code import order_code_of
from checkout.payments.actions.saved_cards import card_to_pay_with
from checkout.payments.actions.shopper.pending import (
    CARD_GRACE_SECONDS,
    Pending,
    await_payment_command,
    enqueue_command,
    find_enqueued,
)
from checkout.payments.actions.shopper.showing import latest_attempt_at, number_of
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.events import open_attempt
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Attempt, Fact
from checkout.payments.providers.base import Browser, RefusalReason
from checkout.payments.providers.registry import get_provider
from checkout.payments.sagas.settlement.doubted_refusals import may_hold_money_after_all
from checkout.states import Actor, PaymentState
from messaging.compiled_queries import batch, insert_in_batch


@transaction.atomic
@batch()
def submit_payment(
    reference: str,
    *,
    attempt_number: int,
    browser: Browser,
    device_data_reference: str,
    saves_card: bool = False,
    saved_card: str = "",
    has_solved: bool = False,
    has_waited: bool = False,
    language: str = "",
    message_id: str = "",
) -> Pending:
    """Start a new attempt, or join the attempt that the same form has started before.

    ``has_solved`` says that the shopper has solved the CAPTCHA for this attempt, ``has_waited`` that the
    shopper has waited for a turn. ``saves_card`` is the shopper's choice, which is ignored if the page does
    not offer it. ``saved_card`` is the card that a shopper has chosen whom a customer session has identified;
    without one, the card follows with the command. ``language`` is that of the page. If it is unknown whether
    a call was committed, the caller repeats it with the same ``message_id``. If it was, its command is
    returned.

    Raises ``PaymentNotFound``, and ``IllegalTransition`` if the payment can no longer be paid. Before
    anything is written, raises ``TooManyAttempts``, ``CaptchaRequired`` and ``PatienceRequired``, and
    ``SavedCardNotFound`` and ``SavedCardNotUsable``.
    """
    payment = get_payment_for_update(reference)
    latest = latest_attempt_at(payment)
    attempts = number_of(latest)
    may_be_paid = PaymentState(payment.state).may_be_paid and not (
        attempts and may_hold_money_after_all(payment)
    )
    if attempt_number <= attempts or not may_be_paid:
        # A second click, a second tab or a form from the browser's history must not start a second attempt.
        if attempts == 0:
            raise IllegalTransition(f"A payment that is {payment.state} cannot be paid.")
        return find_enqueued(payment.reference, SubmitPayment, message_id) or await_payment_command(
            payment.reference
        )
    if payment.is_overdue:
        raise IllegalTransition("The time to pay is over.")
    if attempts >= conf.max_attempts:
        raise TooManyAttempts(f"This payment was tried {attempts} times.")
    require_few_declines(payment, browser.ip_address)
    account = account_for(payment)
    merchant = account.merchant
    # Under lock, so that a card that is being removed is not charged.
    card = card_to_pay_with(payment, account, saved_card) if saved_card else None
    require_wait_or_captcha(merchant, browser.ip_address, has_waited=has_waited, has_solved=has_solved)
    attempt = Attempt(
        payment=payment,
        number=attempts + 1,
        provider_account=account,
        order_code=order_code_of(payment.reference, attempts + 1),
        session_id=secrets.token_hex(16),
        capture_reference=capture_reference(payment, account),
        browser=asdict(browser),
        device_data_reference=device_data_reference,
        language=language,
        # After a soft decline, an issuer only approves a payment that it has authenticated itself.
        demands_challenge=merchant.is_under_attack
        or (latest is not None and latest.refusal_reason == RefusalReason.AUTHENTICATION_REQUIRED),
        saved_card=card,
        saves_card=saves_card
        and card is None
        and bool(payment.customer_reference)
        and get_provider(account.opened()).saves_cards,
    )
    open_attempt(payment, attempt, Actor.SHOPPER)
    if attempt.demands_challenge:
        demand = Fact(payment=payment, attempt=attempt, source=Actor.SAGA, kind="challenge_demanded")
        insert_in_batch(demand)
    return enqueue_command(
        payment.reference,
        SubmitPayment(payment=payment.reference, attempt=attempt.order_code),
        delay_seconds=CARD_GRACE_SECONDS if card is None else None,
        message_id=message_id,
    )
