"""Saved cards: list, find, offer, remove, erase, and charge them with and without a shopper."""

import secrets
from collections.abc import Mapping
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from checkout.errors import (
    DuplicateRequest,
    ProviderMisconfigured,
    RequestInvalid,
    SavedCardNotFound,
    SavedCardNotUsable,
)
from checkout.payments.actions.accounts import capture_reference, require_payable
from checkout.payments.actions.creation import checked_fields, created_or_known, payment_of
from checkout.payments.actions.order_code import order_code_of
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.events import open_attempt
from checkout.payments.models import (
    Attempt,
    Fact,
    Merchant,
    OutboxMessage,
    Payment,
    ProviderAccount,
    SavedCard,
)
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.saved_cards import MerchantInitiated
from checkout.states import Actor
from messaging.compiled_queries import insert
from messaging.outbox.models import enqueue

# A provider keeps few cards of one customer, and the page has to stay short.
MOST_OFFERED = 20


def cards_of(merchant: Merchant, customer_reference: str) -> QuerySet[SavedCard]:
    """Return the cards of a merchant's customer that were not removed, newest first."""
    return _rows(merchant).filter(customer_reference=customer_reference, state=SavedCard.State.ACTIVE)


def card_of(merchant: Merchant, reference: str) -> SavedCard:
    """Return the merchant's card. Raises ``SavedCardNotFound``."""
    return _found(_rows(merchant).filter(reference=reference))


def offered_cards(payment: Payment, account: ProviderAccount) -> list[SavedCard]:
    """Return the cards with which the payment's customer can pay it at ``account``, newest first."""
    if not payment.customer_reference or not get_provider(account.opened()).saves_cards:
        return []
    cards = cards_of(payment.merchant, payment.customer_reference).filter(provider_account=account)
    return [card for card in cards[:MOST_OFFERED] if _is_offered(card, account)]


def card_to_pay_with(payment: Payment, account: ProviderAccount, reference: str) -> SavedCard:
    """Lock and return a card that the payment's customer has chosen.

    Raises ``SavedCardNotFound`` for a card of anybody else, and ``SavedCardNotUsable`` for one that was
    removed, has expired, or is not accepted at ``account``.
    """
    card = own_card(payment, reference, is_locked=True)
    if card.provider_account_id != account.pk or not _is_offered(card, account):
        raise SavedCardNotUsable("The card cannot be used for this payment.")
    _require_usable(card)
    return card


def own_card(payment: Payment, reference: str, *, is_locked: bool = False) -> SavedCard:
    """Return a card of the payment's customer, in any state. Raises ``SavedCardNotFound``."""
    find = _locked if is_locked else card_of
    card = find(payment.merchant, reference)
    if not payment.customer_reference or card.customer_reference != payment.customer_reference:
        raise SavedCardNotFound("There is no such saved card.")
    return card


def _is_offered(card: SavedCard, account: ProviderAccount) -> bool:
    is_accepted = not account.accepted_brands or card.brand in account.accepted_brands
    return card.is_usable and is_accepted


@transaction.atomic
def remove_card(merchant: Merchant, reference: str, *, by: str) -> SavedCard:
    """Remove a card, and all others with the same token, at once and for ever.

    Later the provider is asked to delete the token. If the card was removed before, nothing changes. A charge
    that was already sent to the provider continues. Raises ``SavedCardNotFound``.
    """
    card_of(merchant, reference)
    _remove(SavedCard.objects.filter(merchant=merchant, reference=reference), by)
    return card_of(merchant, reference)


def erase_cards(payment: Payment, *, by: str) -> None:
    """Remove the cards that were last saved with a locked payment, and erase their customer.

    A card that was saved again with a later payment stays, because its customer has agreed to that.

    The caller has a transaction. The payment is locked before the cards, as in the service that saves a card.
    A charge and a removal lock cards only, and never wait for an existing payment, so there is no deadlock.
    """
    own = SavedCard.objects.filter(payment=payment)
    _remove(own, by)
    own.update(customer_reference="", scheme_transaction="")
    # Other cards keep these fields until their tokens are deleted at the provider.
    own.filter(token_to_delete="").update(shopper="", token_hash="")


def _remove(cards: QuerySet[SavedCard], by: str) -> None:
    """Lock the cards, always in the order of their keys, and remove the active ones.

    Other cards with the same token, which could still be charged, are removed as well. They exist if the
    token was saved twice while the secret key was being replaced.
    """
    twins = {
        card.pk: [twin.pk for twin in card.twins()] for card in cards if card.state == SavedCard.State.ACTIVE
    }
    rows = SavedCard.objects.filter(pk__in=[*twins, *chain.from_iterable(twins.values())])
    locked = list(rows.select_for_update(no_key=True).order_by("pk"))
    # Queried again under lock, because a later payment may have taken over one of them in the meantime.
    own = cards.filter(pk__in=twins).values_list("pk", flat=True)
    removed = {pk for card in own for pk in (card, *twins[card])}
    for card in locked:
        if card.pk in removed and card.state == SavedCard.State.ACTIVE:
            card.remove(by)
            card.save()


@transaction.atomic
def charge_card(
    merchant: Merchant, reference: str, *, merchant_initiated: str, by: str, **order: Any
) -> Payment:
    """Create the payment of an order, and charge it to a saved card.

    If the order has this payment already, it is returned in its present state, and nothing is charged again.
    ``order`` has the fields of ``create_payment``. The customer may be left out.

    Raises ``SavedCardNotFound``, ``SavedCardNotUsable`` and the errors of ``create_payment``. After an error
    nothing has changed.
    """
    if merchant_initiated not in set(MerchantInitiated):
        text = f"With a saved card, this must be one of {', '.join(MerchantInitiated)}."
        raise RequestInvalid("merchant_initiated", text)
    # Under lock, so that a card that another request is removing is not charged.
    card = _locked(merchant, reference)
    made_with = {"saved_card": card.reference, "merchant_initiated": merchant_initiated}
    payment, is_new = created_or_known(merchant, _checked(merchant, card, order), made_with=made_with)
    if not is_new:
        first = payment.attempts.filter(number=1).first()
        if first is None or (first.saved_card_id, first.merchant_initiated) != (card.pk, merchant_initiated):
            raise DuplicateRequest("This order already has a payment of another kind.", field="saved_card")
        return payment
    _require_usable(card)
    require_payable(card.provider_account, payment.amount)
    attempt = Attempt(
        payment=payment,
        number=1,
        provider_account_id=card.provider_account_id,
        order_code=order_code_of(payment.reference, 1),
        session_id=secrets.token_hex(16),
        capture_reference=capture_reference(payment, card.provider_account),
        saved_card=card,
        merchant_initiated=merchant_initiated,
    )
    open_attempt(payment, attempt, Actor.MERCHANT)
    data = {"by": by, "saved_card": card.reference, "merchant_initiated": merchant_initiated}
    insert(Fact(payment=payment, attempt=attempt, source=Actor.MERCHANT, kind="charge_requested", data=data))
    # The command carries no card, so the relay can publish it.
    command = SubmitPayment(payment=payment.reference, attempt=attempt.order_code)
    enqueue(OutboxMessage, *command.address, command, subject=payment.reference, delay_seconds=0)
    return payment


def _checked(merchant: Merchant, card: SavedCard, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the payment, with the customer of the card."""
    named = order.get("customer_reference") or ""
    if card.customer_reference and named not in ("", card.customer_reference):
        raise RequestInvalid("customer_reference", "The saved card belongs to another customer.")
    columns = checked_fields(merchant, **{**order, "customer_reference": card.customer_reference or named})
    if not columns["customer_reference"] and (known := payment_of(merchant, columns["order_reference"])):
        # The card's customer was erased after the charge.
        columns["customer_reference"] = known.customer_reference
    return columns


def _require_usable(card: SavedCard) -> None:
    if card.state != SavedCard.State.ACTIVE:
        raise SavedCardNotUsable("The card was removed.")
    if card.has_expired:
        raise SavedCardNotUsable("The card has expired.")
    try:
        is_able = get_provider(card.provider_account.opened()).saves_cards
    except ProviderMisconfigured:
        is_able = False
    if not is_able:
        raise SavedCardNotUsable("The provider account with which the card was saved cannot charge it now.")


def _rows(merchant: Merchant) -> QuerySet[SavedCard]:
    return SavedCard.objects.filter(merchant=merchant).select_related("payment", "provider_account")


def _locked(merchant: Merchant, reference: str) -> SavedCard:
    rows = _rows(merchant).select_for_update(of=("self",), no_key=True)
    return _found(rows.filter(reference=reference))


def _found(rows: QuerySet[SavedCard]) -> SavedCard:
    card = rows.first()
    if card is None:
        raise SavedCardNotFound("There is no such saved card.")
    return card
