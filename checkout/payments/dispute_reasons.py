"""The reasons of disputes in words, by the codes of the card schemes, as providers' portals show them."""

import re
from collections.abc import Mapping

FORM = re.compile(r"[A-Z0-9]{1,4}(?:\.[0-9]{1,2})?\Z")

REASONS: Mapping[str, str] = {
    # Visa: Dispute Management Guidelines for Visa Merchants.
    "10.1": "Fraud: the terminal did not read the chip",
    "10.2": "Fraud: the terminal did not ask for what the chip requires",
    "10.3": "Fraud: the cardholder did not make this purchase in a shop",
    "10.4": "Fraud: the cardholder did not make this purchase online",
    "10.5": "Fraud: reported by Visa's monitoring",
    "11.1": "Authorisation: the card was listed as blocked",
    "11.2": "Authorisation: it had been declined",
    "11.3": "Authorisation: there was none, or for another amount",
    "12.1": "Processing: the payment came too late",
    "12.2": "Processing: wrong kind of payment",
    "12.3": "Processing: wrong currency",
    "12.4": "Processing: wrong account number",
    "12.5": "Processing: wrong amount",
    "12.6": "Processing: paid twice, or paid by other means",
    "12.7": "Processing: invalid data",
    "13.1": "Goods or services were not received",
    "13.2": "A recurring payment had been cancelled",
    "13.3": "Goods or services were not as described, or defective",
    "13.4": "Counterfeit goods",
    "13.5": "The shopper was misled",
    "13.6": "A promised refund was not made",
    "13.7": "The shopper had cancelled",
    "13.8": "The original credit was not accepted",
    "13.9": "Cash or load value was not received",
    # Mastercard: Chargeback Guide.
    "4807": "Authorisation: the card was listed as blocked",
    "4808": "Authorisation: there was none, or it was not valid",
    "4812": "Authorisation: the account number is not on file",
    "4834": "Processing: paid twice, a wrong amount, or another error",
    "4837": "Fraud: the cardholder did not make this purchase",
    "4841": "A recurring or digital payment had been cancelled",
    "4842": "Processing: the payment came too late",
    "4846": "Processing: wrong currency",
    "4849": "Fraud: reported by Mastercard's monitoring",
    "4853": "The shopper disputes the purchase: not received, not as described, or cancelled",
    "4855": "Goods or services were not received",
    "4859": "Services were not used, or not provided",
    "4860": "A promised refund was not made",
    "4863": "The cardholder does not recognise the purchase",
    "4870": "Fraud: the chip was not used",
    "4871": "Fraud: the chip was used without a PIN",
}


def reason_in_words(code: str) -> str:
    """Return a reason in words; empty for a code that is not in the table."""
    return REASONS.get(code, "")
