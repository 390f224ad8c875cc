"""Capture, void and refund as staff do: open the form, fill it in, confirm."""

from django.contrib.messages import get_messages
from django.urls import reverse


def address(payment, page):
    return reverse(f"admin:payments_payment_{page}", args=[payment.pk])


def opened(client, payment, kind):
    """Open the form, and return its fields with their values."""
    response = client.get(address(payment, kind))
    assert response.status_code == 200, response
    form = response.context["form"]
    return {name: str(form[name].value()) for name in form.fields if name != "reason"}


def fill_in(client, payment, kind, **fields):
    """Open the form and send it with its initial values, changed by ``fields``."""
    return client.post(
        address(payment, kind), {**opened(client, payment, kind), "reason": "Damaged", **fields}
    )


def confirm(client, payment, kind, **fields):
    """Send the form as the confirmation page does."""
    return fill_in(client, payment, kind, confirmed="yes", **fields)


def told(response):
    """Return the messages of the page that is shown next."""
    return [str(message) for message in get_messages(response.wsgi_request)]
