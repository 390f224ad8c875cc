"""The names and values that a merchant's program keeps with a payment or an operation."""

from collections.abc import Mapping
from unicodedata import category

from django.db import transaction

from checkout.errors import RequestInvalid
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Fact, Merchant, Payment
from checkout.privacy.scrubbing import contains_card_number
from checkout.states import Actor

MOST_KEYS = 50
LONGEST_KEY = 40
LONGEST_VALUE = 500


def checked_metadata(given: object) -> dict[str, str]:
    """Return metadata that may be stored: at most 50 keys of 40 characters, with strings of at most 500.

    Keys and values contain neither control characters nor a card number. Raises ``RequestInvalid``, which
    names the field.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MOST_KEYS:
        raise RequestInvalid("metadata", f"Metadata has at most {MOST_KEYS} names.")
    for key, value in given.items():
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
            raise RequestInvalid("metadata", f"A name must have 1 to {LONGEST_KEY} characters.")
        require_no_card_number("metadata", key)
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not _is_storable(value):
            text = (
                f"A value must be a string of at most {LONGEST_VALUE} characters, without control characters."
            )
            raise RequestInvalid(f"metadata.{key}", text)
        require_no_card_number(f"metadata.{key}", value)
    return dict(given)


def overlaid(below: Mapping[str, str], above: Mapping[str, str]) -> dict[str, str]:
    """Return the stored metadata, updated with the checked ``above``. Raises ``RequestInvalid``."""
    both = {**below, **above}
    if len(both) > MOST_KEYS:
        raise RequestInvalid(
            "metadata", f"With the payment's metadata, there are more than {MOST_KEYS} names."
        )
    return both


@transaction.atomic
def change_metadata(
    reference: str, changes: Mapping[str, str | None], *, by: str, merchant: Merchant
) -> Payment:
    """Give names in a payment's metadata new values, or remove those whose value is None.

    It is allowed in any state, and no event reports it. Return the payment with its merchant. Raises
    ``PaymentNotFound``, and ``RequestInvalid``, which names the field.
    """
    new = checked_metadata({name: value for name, value in changes.items() if value is not None})
    payment = get_payment_for_update(reference, merchant)
    kept = {name: value for name, value in payment.metadata.items() if name not in changes}
    if len(kept) + len(new) > MOST_KEYS:
        raise RequestInvalid("metadata", f"A payment has at most {MOST_KEYS} names. Remove some with null.")
    payment.metadata = {**kept, **new}
    payment.save(update_fields=["metadata", "updated_at"])
    data = {"by": by, "names": sorted(changes)}
    Fact.objects.create(payment=payment, source=Actor.MERCHANT, kind="metadata_changed", data=data)
    return payment


def require_no_card_number(field: str, text: str) -> None:
    """Raise ``RequestInvalid``, which names the field, if the text contains a card number."""
    if contains_card_number(text):
        raise RequestInvalid(field, "This contains a card number, which is not stored.")


def _is_storable(text: str) -> bool:
    """Return False for control characters, and for unpaired surrogates, which PostgreSQL refuses."""
    return not any(category(character) in ("Cc", "Cs") for character in text)
