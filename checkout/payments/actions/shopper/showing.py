"""Show a payment, and the page with the card form."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from django.db import transaction
from django.db.models import Q

from checkout.conf import conf
from checkout.errors import PaymentNotFound
from checkout.mail.of_tests import may_get_test_receipts
from checkout.money import Money
from checkout.payments.actions.accounts import account_for
from checkout.payments.actions.card_testing import require_few_declines, requires_captcha
from checkout.payments.actions.links import own_links
from checkout.payments.actions.saved_cards import offered_cards, own_card, remove_card
from checkout.payments.card_brands import SCHEMES
from checkout.payments.models import (
    Appearance,
    Attempt,
    Operation,
    Payment,
    SavedCard,
    appearance_of,
)
from checkout.payments.models.payment import WATCH
from checkout.payments.objects.attempt import latest_attempt
from checkout.payments.providers.base import BrowserForm, CardEncryption
from checkout.payments.providers.registry import get_provider
from checkout.payments.totals import OPEN, sums_of
from checkout.states import AttemptState, PaymentState
from messaging.compiled_queries import Compiled
from messaging.outbox.clock import server_time

_IN_PARTS = {PaymentState.PARTIALLY_CAPTURED, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED}
# States in which the shopper has paid, without later changes that concern the shopper.
_PAID = {
    PaymentState.AUTHORISED,
    PaymentState.CAPTURE_PENDING,
    PaymentState.CAPTURED,
    PaymentState.PARTIALLY_CAPTURED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The sums of a payment that was partly taken, or partly or fully refunded.

    ``reserved`` may still be taken, and ``under_way`` is being taken now.
    """

    captured: Money
    refunded: Money
    reserved: Money
    under_way: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """The data of a payment that pages may show.

    ``is_test`` says that no money moves. ``attempts_left`` is the number of further attempts. ``has_receipt``
    says that the shopper gets a receipt by e-mail. ``return_url`` and ``cancel_url`` lead back to the
    merchant, if their origin is registered now. They have the payment's id, but not its state, which anybody
    could type. ``taken`` is set in states whose sums may differ from the amount. ``card`` is empty until the
    payment is decided, and if a payment link leads to it. ``dated_at`` is the time at which the shopper paid,
    or else the time of the latest change, and ``minutes_behind_utc`` the zone of the browser, if it is known.
    ``may_be_cancelled`` says that the shopper may still cancel it, and ``is_called_off`` that somebody has
    done so while the latest attempt was under way. ``language`` is that of the pages on which this attempt
    was made, and ``appearance`` what the merchant shows of itself.
    """

    reference: str
    state: PaymentState
    amount: Money
    description: str
    order_reference: str
    merchant_code: str
    merchant_name: str
    locale: str
    language: str
    appearance: Appearance
    minutes_behind_utc: int | None
    is_test: bool
    refusal_reason: str
    return_url: str
    cancel_url: str
    captures_automatically: bool
    created_at: datetime
    dated_at: datetime
    attempts_left: int
    may_be_cancelled: bool = False
    is_called_off: bool = False
    has_receipt: bool = False
    card: dict[str, str] = field(default_factory=dict)
    taken: Taken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCard:
    """As much of a saved card as its owner needs to choose it. ``expiry`` is ``MM/YYYY``."""

    reference: str
    brand: str
    last4: str
    expiry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutPage:
    """Data of the page with the card form. The form sends ``attempt_number`` back.

    If ``requires_captcha``, a CAPTCHA must be solved before the form is shown. If ``offers_to_save``, the
    shopper may save the card for the next purchase. ``accepted_brands`` are names; none if all are accepted.
    ``saved_cards`` are those of the payment's customer, if the shopper is known to be that customer.
    """

    payment: PaymentView
    attempt_number: int
    requires_captcha: bool
    card_encryption: CardEncryption
    device_data: BrowserForm
    offers_to_save: bool = False
    accepted_brands: tuple[str, ...] = ()
    saved_cards: tuple[OfferedCard, ...] = ()


def payment_view(reference: str) -> PaymentView:
    """Return the data of a payment that pages may show. Raises ``PaymentNotFound``.

    This takes one query if there has been an attempt, as for most pages. The sums of ``taken`` need another
    query, and so does the card of a decided payment.
    """
    attempt = _ATTEMPT.first(reference)
    return _view(_payment(reference) if attempt is None else attempt.payment, attempt)


def payment_state(reference: str) -> PaymentState:
    """Return the state of a payment that pages may show, with one query. Raises ``PaymentNotFound``."""
    return _state_of(_found(_STATE.first(reference)))


def watch_payment(reference: str) -> PaymentState:
    """Have changes of a payment pushed for at least ``WATCH``, and return its state.

    Join its group before, so that no change is missed: a change that is not pushed is committed before the
    state is read. Raises ``PaymentNotFound``.
    """
    is_due = Q(watched_at=None) | Q(watched_at__lt=server_time() - WATCH)
    Payment.objects.filter(is_due, reference=reference).update(watched_at=server_time())
    return payment_state(reference)


def _payment(reference: str) -> Payment:
    return _found(_PAYMENT.first(reference))


def _found(payment: Payment | None) -> Payment:
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def latest_attempt_at(payment: Payment) -> Attempt | None:
    """Return the latest attempt; None without a query if the payment is open, because it has none then."""
    return None if payment.state == PaymentState.OPEN else latest_attempt(payment)


def _state_of(payment: Payment) -> PaymentState:
    return PaymentState.EXPIRED if payment.is_overdue else PaymentState(payment.state)


_PAYMENT = Compiled(
    lambda reference: Payment.objects.select_related("merchant__appearance").filter(reference=reference)
)
_STATE = Compiled(lambda reference: Payment.objects.filter(reference=reference).only("state", "expires_at"))
# The latest attempt with its payment, without columns that no page shows.
_ATTEMPT = Compiled(
    lambda reference: (
        Attempt.objects.select_related("payment__merchant__appearance")
        .filter(payment__reference=reference)
        .defer("challenge", "three_d_secure", "payment__lines", "payment__metadata")
        .order_by("-number")[:1]
    )
)


def _view(payment: Payment, attempt: Attempt | None) -> PaymentView:
    is_called_off = bool(attempt and attempt.called_off_at)
    return PaymentView(
        reference=payment.reference,
        state=_state_of(payment),
        amount=payment.amount,
        description=payment.description,
        order_reference=payment.order_reference,
        merchant_code=payment.merchant.code,
        merchant_name=payment.merchant.name,
        locale=payment.locale,
        language=attempt.language if attempt else "",
        appearance=appearance_of(payment.merchant),
        minutes_behind_utc=attempt.minutes_behind_utc if attempt else None,
        is_test=not payment.merchant.is_live,
        refusal_reason=payment.refusal_reason,
        return_url=_return_address(payment.return_url, payment),
        cancel_url=_return_address(payment.cancel_url, payment),
        captures_automatically=payment.captures_automatically,
        created_at=payment.created_at,
        dated_at=attempt.created_at if attempt and payment.state in _PAID else payment.updated_at,
        attempts_left=max(0, conf.max_attempts - number_of(attempt)),
        may_be_cancelled=not is_called_off and _may_be_cancelled(payment, attempt),
        is_called_off=is_called_off,
        has_receipt=_has_receipt(payment),
        card=_shown_card(payment, attempt),
        taken=_taken(payment) if payment.state in _IN_PARTS else None,
    )


def _may_be_cancelled(payment: Payment, attempt: Attempt | None) -> bool:
    is_under_way = PaymentState(payment.state).is_under_way
    is_too_late = is_under_way and attempt is not None and attempt.state == AttemptState.AUTHORISED
    return payment.may_be_cancelled and not payment.is_overdue and not is_too_late


def _has_receipt(payment: Payment) -> bool:
    email = payment.shopper_email
    return bool(email) and (payment.merchant.is_live or may_get_test_receipts(email))


def _shown_card(payment: Payment, attempt: Attempt | None) -> dict[str, str]:
    """Return the card of a decided payment, unless a link leads to it, because others may have the link."""
    if attempt is None or not attempt.card or not _state_of(payment).is_decided:
        return {}
    return {} if own_links(payment).exists() else attempt.card


def _taken(payment: Payment) -> Taken:
    sums = sums_of(payment)
    under_way = sums.total(Operation.Kind.CAPTURE, *OPEN)
    return Taken(
        captured=Money(sums.captured, payment.currency),
        refunded=Money(sums.refunded, payment.currency),
        reserved=Money(sums.left_to_capture, payment.currency),
        under_way=Money(under_way, payment.currency),
    )


def _return_address(url: str, payment: Payment) -> str:
    """Return a merchant's address with ``payment`` added to its query; "" if there is none.

    Return "" as well if the address's origin is no longer registered with the merchant.
    """
    if not url:
        return url
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in payment.merchant.return_origins:
        return ""
    query = "&".join(filter(None, (parts.query, f"payment={payment.reference}")))
    return urlunsplit(parts._replace(query=query))


def checkout_page(
    reference: str, *, address: str = "", is_customer: bool = False
) -> CheckoutPage | PaymentView:
    """Return the data of the card form for a shopper at ``address``, or the payment if it needs no card.

    ``is_customer`` says that a customer session has identified the shopper as the payment's customer.

    If the payment needs no card, the provider's set-up is not read, because the account may be gone before
    the payment's page.

    Raises ``PaymentNotFound`` and ``ProviderMisconfigured``. Raises ``TooManyAttempts``, so that no shopper
    fills in a form that will be refused.
    """
    payment = _payment(reference)
    attempt = latest_attempt_at(payment)
    view = _view(payment, attempt)
    if not (view.state.may_be_paid and view.attempts_left):
        return view
    require_few_declines(payment, address)
    account = account_for(payment)
    provider = get_provider(account.opened())
    return CheckoutPage(
        payment=view,
        attempt_number=number_of(attempt) + 1,
        requires_captcha=requires_captcha(payment.merchant),
        card_encryption=provider.card_encryption(),
        device_data=provider.device_data_form(),
        offers_to_save=bool(payment.customer_reference) and provider.saves_cards,
        accepted_brands=tuple(SCHEMES.get(code, code) for code in account.accepted_brands),
        saved_cards=tuple(map(_offered, offered_cards(payment, account))) if is_customer else (),
    )


def own_saved_card(reference: str, card: str) -> OfferedCard:
    """Return a card of the payment's customer. Raises ``PaymentNotFound`` and ``SavedCardNotFound``."""
    return _offered(own_card(_payment(reference), card))


@transaction.atomic
def remove_own_saved_card(reference: str, card: str) -> None:
    """Remove a card at the wish of the payment's customer, as the merchant can.

    Raises ``PaymentNotFound`` and ``SavedCardNotFound``.
    """
    payment = _payment(reference)
    remove_card(payment.merchant, own_card(payment, card).reference, by="customer")


def _offered(card: SavedCard) -> OfferedCard:
    return OfferedCard(reference=card.reference, brand=card.brand, last4=card.last4, expiry=card.expiry)


def number_of(latest: Attempt | None) -> int:
    """Return the number of attempts so far, which is the number of the latest one."""
    return latest.number if latest else 0
