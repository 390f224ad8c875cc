"""Show a payment, and start an attempt to pay it."""

import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from django.db import transaction

from checkout.conf import conf
from checkout.errors import (
    IllegalTransition,
    NoProviderAccount,
    PaymentNotFound,
    ProviderMisconfigured,
    TooManyAttempts,
)
from checkout.messages import Command
from checkout.money import Money
from checkout.payments.actions.card_testing import (
    require_few_declines,
    require_wait_or_captcha,
    requires_captcha,
)
from checkout.payments.checkout_messages import AwaitPayment, PaymentTold, SubmitPayment
from checkout.payments.events import open_attempt
from checkout.payments.locking import locked_payment
from checkout.payments.models import Attempt, Fact, Merchant, OutboxMessage, Payment, ProviderAccount
from checkout.payments.models.payment import new_reference
from checkout.payments.objects.attempt import latest_attempt
from checkout.payments.providers.base import Browser, BrowserForm, CardEncryption
from checkout.payments.providers.registry import get_provider
from checkout.states import Actor, PaymentState
from messaging.compiled_queries import Compiled, batch, insert_in_batch
from messaging.libraries import typed
from messaging.outbox.models import enqueue

# The sealed card is stored in no table, so the relay can only publish a submission without it, and then the
# attempt ends as not sent. The relay therefore waits until the message with the card has surely been handled.
CARD_GRACE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command for the caller to publish, and to wait for its reply.

    ``message_id`` is that of the command's outbox row, so that it is handled once however often it is sent.
    It is empty for a mere question, which has no row.
    """

    payment: str
    command: Command[PaymentTold]
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """The data of a payment that pages may show.

    ``attempts_left`` is the number of times that it may still be tried. ``has_receipt`` says that the shopper
    gets a receipt by e-mail. ``return_url`` and ``cancel_url`` lead back to the merchant, with the
    payment's id and never its state, which anybody could type.
    """

    reference: str
    state: PaymentState
    amount: Money
    description: str
    order_reference: str
    merchant_name: str
    refusal_reason: str
    return_url: str
    cancel_url: str
    captures_automatically: bool
    created_at: datetime
    updated_at: datetime
    attempts_left: int
    has_receipt: bool = False
    card: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutPage:
    """Data of the page with the card form. ``attempt_number`` comes back with the form.

    If ``requires_captcha`` is true, a CAPTCHA must be solved before the form is shown. If
    ``offers_to_save`` is true, the shopper may have the card saved for the next purchase.
    """

    payment: PaymentView
    attempt_number: int
    requires_captcha: bool
    card_encryption: CardEncryption
    device_data: BrowserForm
    offers_to_save: bool = False


def payment_view(reference: str) -> PaymentView:
    """Return the data of a payment that pages may show; raises ``PaymentNotFound``.

    This is one query after the first attempt, when most pages are read.
    """
    attempt = _ATTEMPT.first(reference)
    return _view(_payment(reference) if attempt is None else attempt.payment, attempt)


def payment_state(reference: str) -> PaymentState:
    """Return the state of a payment that pages may show, by one query; raises ``PaymentNotFound``."""
    return _state_of(_found(_STATE.first(reference)))


def _payment(reference: str) -> Payment:
    return _found(_PAYMENT.first(reference))


def _found(payment: Payment | None) -> Payment:
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def _attempt_at(payment: Payment) -> Attempt | None:
    """Return the latest attempt. No payment becomes open again after the first one."""
    return None if payment.state == PaymentState.OPEN else latest_attempt(payment)


def _state_of(payment: Payment) -> PaymentState:
    return PaymentState.EXPIRED if payment.is_overdue else PaymentState(payment.state)


_PAYMENT = Compiled(lambda reference: Payment.objects.select_related("merchant").filter(reference=reference))
_STATE = Compiled(lambda reference: Payment.objects.filter(reference=reference).only("state", "expires_at"))
# The latest attempt with its payment, and without what no page shows.
_ATTEMPT = Compiled(
    lambda reference: (
        Attempt.objects.select_related("payment__merchant")
        .filter(payment__reference=reference)
        .defer("browser", "challenge", "three_d_secure", "payment__lines", "payment__metadata")
        .order_by("-number")[:1]
    )
)
_ACCOUNTS = Compiled(
    lambda merchant: (
        ProviderAccount.objects.select_related("merchant").filter(merchant_id=merchant).order_by("pk")
    )
)


def _view(payment: Payment, attempt: Attempt | None) -> PaymentView:
    return PaymentView(
        reference=payment.reference,
        state=_state_of(payment),
        amount=payment.amount,
        description=payment.description,
        order_reference=payment.order_reference,
        merchant_name=payment.merchant.name,
        refusal_reason=payment.refusal_reason,
        return_url=_with_id(payment.return_url, payment.reference),
        cancel_url=_with_id(payment.cancel_url, payment.reference),
        captures_automatically=payment.captures_automatically,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
        attempts_left=max(0, conf.max_attempts - _number(attempt)),
        has_receipt=bool(payment.shopper_email),
        card=attempt.card if attempt else {},
    )


def _with_id(url: str, reference: str) -> str:
    """Return a merchant's address with ``payment`` added to its query; "" stays empty."""
    if not url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, f"payment={reference}")))))


def checkout_page(reference: str, *, address: str = "") -> CheckoutPage | PaymentView:
    """Return what the card form needs, for a shopper at ``address``; or the payment, if it needs no card.

    The provider is asked for nothing then: its set-up may be gone long before the payment's page.

    Raises ``PaymentNotFound`` and ``ProviderMisconfigured``; and ``TooManyAttempts``, so that no shopper
    fills in a form that will be refused.
    """
    payment = _payment(reference)
    attempt = _attempt_at(payment)
    view = _view(payment, attempt)
    if not (view.state.may_be_paid and view.attempts_left):
        return view
    require_few_declines(payment, address)
    provider = get_provider(_account_for(payment).opened())
    return CheckoutPage(
        payment=view,
        attempt_number=_number(attempt) + 1,
        requires_captcha=requires_captcha(payment.merchant),
        card_encryption=provider.card_encryption(),
        device_data=provider.device_data_form(),
        offers_to_save=bool(payment.customer_reference) and provider.saves_cards,
    )


@transaction.atomic
@batch()
def submit_payment(
    reference: str,
    *,
    attempt_number: int,
    browser: Browser,
    device_data_reference: str,
    saves_card: bool = False,
    has_solved: bool = False,
    has_waited: bool = False,
    message_id: str = "",
) -> Pending:
    """Start a new attempt, or join the one that the same form has started before.

    ``has_solved`` says that the shopper has solved the CAPTCHA for this attempt, ``has_waited`` that the
    shopper has had to wait. ``saves_card`` is the shopper's choice, which has no effect where the page does
    not offer it. A caller that does not know if an earlier call was committed repeats it with the same
    ``message_id``, and gets the command of that call, if it was.

    Raises ``PaymentNotFound``; ``IllegalTransition`` when the payment can no longer be paid; and, before
    anything is written, ``TooManyAttempts``, ``CaptchaRequired`` and ``PatienceRequired``.
    """
    payment = locked_payment(reference)
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    attempts = _number(_attempt_at(payment))
    if attempt_number <= attempts or not PaymentState(payment.state).may_be_paid:
        # A second click, a second tab or a form from the browser's history must not start a second attempt.
        if attempts == 0:
            raise IllegalTransition(f"A payment that is {payment.state} cannot be paid.")
        return enqueued_before(payment.reference, SubmitPayment, message_id) or wait_for(payment.reference)
    if payment.is_overdue:
        raise IllegalTransition("The time to pay is over.")
    if attempts >= conf.max_attempts:
        raise TooManyAttempts(f"This payment was tried {attempts} times.")
    require_few_declines(payment, browser.ip_address)
    account = _account_for(payment)
    merchant = account.merchant
    require_wait_or_captcha(merchant, browser.ip_address, has_waited=has_waited, has_solved=has_solved)
    attempt = Attempt(
        payment=payment,
        number=attempts + 1,
        provider_account=account,
        order_code=_order_code(payment, attempts + 1),
        session_id=secrets.token_hex(16),
        capture_reference=capture_reference(payment, account),
        browser=asdict(browser),
        device_data_reference=device_data_reference,
        demands_challenge=merchant.is_under_attack,
        saves_card=saves_card
        and bool(payment.customer_reference)
        and get_provider(account.opened()).saves_cards,
    )
    open_attempt(payment, attempt, Actor.SHOPPER)
    data = {"demands_challenge": True} if attempt.demands_challenge else {}
    fact = Fact(payment=payment, attempt=attempt, source=Actor.SHOPPER, kind="submitted", data=data)
    insert_in_batch(fact)
    return enqueued(
        payment.reference,
        SubmitPayment(payment=payment.reference, attempt=attempt.order_code),
        delay_seconds=CARD_GRACE_SECONDS,
        message_id=message_id,
    )


def capture_reference(payment: Payment, account: ProviderAccount) -> str:
    """Return our name for the capture that the provider makes with the authorisation; empty if it does not.

    An account that is misconfigured includes none. The payments service reports what is wrong with it.
    """
    if payment.captures_automatically:
        with suppress(ProviderMisconfigured):
            if get_provider(account.opened()).captures_with_authorisation:
                return new_reference("op")
    return ""


def enqueued(
    reference: str,
    command: Command[PaymentTold],
    *,
    delay_seconds: float | None = None,
    message_id: str = "",
) -> Pending:
    """Write a command to the checkout service into the outbox. The caller publishes it and waits."""
    row = enqueue(
        OutboxMessage,
        *command.address,
        command,
        subject=reference,
        delay_seconds=delay_seconds,
        message_id=message_id,
    )
    return Pending(payment=reference, command=command, message_id=row.message_id)


def enqueued_before(reference: str, kind: type[Command[PaymentTold]], message_id: str) -> Pending | None:
    """Return the command that a call which ended without an answer has written with this id, if any."""
    if not message_id:
        return None
    body = (
        OutboxMessage.objects.filter(message_id=message_id, type=kind.to)
        .values_list("body", flat=True)
        .first()
    )
    if body is None:
        return None
    command = typed.decode(body, kind)
    return Pending(payment=reference, command=command, message_id=message_id)


def wait_for(reference: str) -> Pending:
    """Return a question that the checkout service answers as soon as there is news of the payment."""
    return Pending(payment=reference, command=AwaitPayment(payment=reference))


def _order_code(payment: Payment, attempt_number: int) -> str:
    """Return a code that is unique, and short enough for every provider.

    Worldpay takes fewer than 50 characters with 3DS Flex.
    """
    return f"{payment.reference}-{attempt_number}"


def _number(latest: Attempt | None) -> int:
    """Return how many attempts there have been: they are numbered."""
    return latest.number if latest else 0


def require_account(merchant: Merchant) -> None:
    """Raise ``NoProviderAccount`` if the merchant has none, so that nobody could pay."""
    _first_account(merchant.pk)


def _account_for(payment: Payment) -> ProviderAccount:
    return _first_account(payment.merchant_id)


def _first_account(merchant: int) -> ProviderAccount:
    account = _ACCOUNTS.first(merchant)
    if account is None:
        raise NoProviderAccount
    return account
