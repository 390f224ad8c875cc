"""The addresses of objects, for the header Location."""

from django.urls import reverse

_NAMES = {
    "pay": "api:payment",
    "op": "api:operation",
    "evt": "api:event",
    "card": "api:saved_card",
    "lnk": "api:payment_link",
    "whk": "api:webhook_endpoint",
    "dlv": "api:delivery",
}


def address_of(reference: str) -> str:
    """Return the path of the object with this id."""
    return reverse(_NAMES[reference.partition("_")[0]], args=[reference])
