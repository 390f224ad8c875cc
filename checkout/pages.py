"""The page that belongs to each state of a payment. Pages, pushes and redirects all look it up here."""

from django.urls import reverse

from checkout.states import PaymentState

CHECKOUT = "checkout:checkout"
CHALLENGE = "checkout:challenge"
STATUS = "checkout:status"
RESULT = "checkout:result"


def page_of(state: PaymentState) -> str:
    """Return the URL name of the page that a shopper belongs on."""
    if state is PaymentState.OPEN:
        return CHECKOUT
    if state is PaymentState.CHALLENGE_REQUIRED:
        return CHALLENGE
    return RESULT if state.is_decided else STATUS


def path_of(reference: str, state: PaymentState | None) -> str:
    """Return the path of the payment's page; when nothing is known of its state, the status page's."""
    return reverse(page_of(state) if state else STATUS, args=[reference])


def next_path(reference: str, state: PaymentState) -> str | None:
    """Return the path that the status page should go to, or None while the shopper can only wait."""
    return None if page_of(state) == STATUS else path_of(reference, state)
