"""A saved card, written without the payment that would have saved it."""

from checkout.payments.models import Attempt, Payment, ProviderAccount, SavedCard
from checkout.payments.providers.saved_cards import IssuedToken

CUSTOMER = "customer-7"


def kept_card(payment: Payment) -> SavedCard:
    payment.customer_reference = CUSTOMER
    account = ProviderAccount.objects.get(merchant=payment.merchant)
    attempt = Attempt(payment=payment, number=1, provider_account=account)
    card = SavedCard.of(attempt, IssuedToken(token="kept", brand="visa", last4="1111", expiry="12/2030"))
    card.save()
    return card
