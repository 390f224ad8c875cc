"""Erase the personal data of a payment from the tables of payments, at a shopper's request.

The data that the books need is kept: amounts, states, times, references, the brand, last four digits and
expiry of the card, and the names of staff.
"""

from typing import Any

from django.db import transaction

from checkout.database.append_only import erasing_on_purpose
from checkout.payments.actions.links import own_links
from checkout.payments.actions.saved_cards import erase_cards
from checkout.payments.actions.staff.erasure_conditions import require_nothing_pending
from checkout.payments.actions.staff.restored import to_be_repeated
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    Event,
    Evidence,
    Fact,
    Operation,
    OutboxMessage,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor

# The fields of events and sagas with personal data, and the values that replace them.
_OF_SHOPPER = {
    "customer_email": "",
    "customer_reference": "",
    "email": "",
    "ip_address": "",
    "metadata": {},
}


@transaction.atomic
def erase_payment(reference: str, *, by: str, reason: str) -> None:
    """Erase the shopper's e-mail address, device and network, the merchant's metadata and all transcripts.

    The merchant's id of its customer and the evidence of a dispute are erased as well, and the cards that
    were last saved with the payment are removed. The function may be repeated. Raises ``PaymentNotFound``.
    Raises ``OperationRejected`` while anything is under way, because it may need the data or the messages, or
    write the data again.
    """
    payment = get_payment_for_update(reference)
    # A relay that could not publish an event writes it to the outbox with the event locked. It does so either
    # before the outbox is read here, or after the erasure and then without personal data.
    events = list(Event.objects.select_for_update(of=("self",)).filter(payment=payment))
    require_nothing_pending(payment)
    _erase(events)
    with erasing_on_purpose():
        # Requests to the provider contain the shopper's e-mail address and network address.
        Fact.objects.filter(payment=payment).exclude(text="").update(text="")
    for saga in Saga.objects.filter(payment=payment):
        saga.data = _without_shopper(saga.data)
        saga.save(update_fields=["data"])
    Attempt.objects.filter(payment=payment).update(browser={}, device_data_reference="")
    Operation.objects.filter(payment=payment).update(metadata={})
    ProviderNotification.objects.filter(payment=payment).update(body="")
    DeadLetter.objects.filter(subject=reference).update(body="")
    # If the database of orders or ledger is restored, these may be needed again. They contain nothing about
    # the shopper.
    OutboxMessage.objects.filter(subject=reference).exclude(to_be_repeated()).delete()
    erase_cards(payment, by=by)
    Evidence.objects.filter(payment=payment).delete()
    Payment.objects.filter(pk=payment.pk).update(shopper_email="", customer_reference="", metadata={})
    own_links(payment).update(metadata={})
    data = {"by": by, "reason": scrub_note(reason)}
    Fact.objects.create(payment=payment, source=Actor.STAFF, kind="personal_data_erased", data=data)


def _erase(events: list[Event]) -> None:
    for event in events:
        event.data = _without_shopper(event.data)
        event.changes = _without_shopper(event.changes)
    with erasing_on_purpose():
        Event.objects.bulk_update(events, ["data", "changes"])


def _without_shopper(data: Any) -> Any:
    """Return JSON without the fields of ``_OF_SHOPPER``, wherever they are in it."""
    if isinstance(data, list):
        return [_without_shopper(each) for each in data]
    if not isinstance(data, dict):
        return data
    return {name: _OF_SHOPPER.get(name, _without_shopper(value)) for name, value in data.items()}
