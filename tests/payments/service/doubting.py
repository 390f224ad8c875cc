"""Refunds, and proven notifications that they have failed."""

import json

from checkout.payments import service as payments
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import Attempt, Operation, ProviderCall, ProviderNotification
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import command, deliver, stored

REFUND, State = Operation.Kind.REFUND, Operation.State


def made(attempt: Attempt, kind: str, minor: int, state: str = State.DONE) -> Operation:
    operation = operation_on(attempt, kind, minor)
    settle(operation, state)
    return operation


def refund(attempt: Attempt, minor: int, state: str = State.DONE) -> Operation:
    operation = made(attempt, REFUND, minor, state)
    ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb=REFUND)
    return operation


def is_said_to_have_failed(operation: Operation, minor: int | None = None, event="REFUND_FAILED"):
    """Deliver a proven notification that this refund has failed, or one of another event."""
    number = ProviderNotification.objects.count() + 1
    statement = {
        "merchant_code": "TWINMERCHANT",
        "order_code": operation.attempt.order_code,
        "event": event,
        "minor": operation.amount_minor if minor is None else minor,
        "currency": "GBP",
        "reference": operation.reference,
        "number": number,
    }
    row = stored(operation.attempt.provider_account, json.dumps(statement))
    body = ApplyNotification(notification=row.pk)
    return deliver(payments.service, command(body))
