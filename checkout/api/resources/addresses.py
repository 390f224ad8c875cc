"""The addresses of objects, for the header Location."""

from django.urls import reverse

_NAMES = {"pay": "api:payment", "op": "api:operation", "evt": "api:event"}


def address_of(reference: str) -> str:
    """Return the address of the payment, operation or event with this id, from the root of the host."""
    return reverse(_NAMES[reference.partition("_")[0]], args=[reference])
