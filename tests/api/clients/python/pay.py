"""A merchant's program on the generated client: create a payment, wait until it is paid, refund a part.

It prints a line for each step, and expects ``API``, ``KEY`` and ``ORDER`` in its environment.
"""

import os
import time
from uuid import UUID

import httpx
from payments_gateway_client import AuthenticatedClient
from payments_gateway_client.api.operations import refund_payment
from payments_gateway_client.api.payments import create_payment, get_payment
from payments_gateway_client.models.create_payment import CreatePayment
from payments_gateway_client.models.operation_object import OperationObject
from payments_gateway_client.models.payment_object import PaymentObject
from payments_gateway_client.models.problem import Problem
from payments_gateway_client.models.refund import Refund

PATIENCE_SECONDS = 120
UNKNOWN = f"pay_{UUID(int=0).hex}"


def main() -> None:
    order = os.environ["ORDER"]
    client = AuthenticatedClient(
        base_url=os.environ["API"], token=os.environ["KEY"], timeout=httpx.Timeout(60)
    )
    created = create_payment.sync(
        client=client,
        idempotency_key=f"create-{order}",
        body=CreatePayment(order_reference=order, amount=1250, currency="GBP", description="Tea"),
    )
    assert isinstance(created, PaymentObject), created
    say(f"open {created.id} {created.checkout_url}")

    paid = until_captured(client, created.id)
    say(f"{paid.state} {paid.amounts.refundable}")

    refund = refund_payment.sync(
        created.id,
        client=client,
        idempotency_key=f"refund-{order}",
        prefer="wait=20",
        body=Refund(amount=250, expected_refundable=1250, reason="one tin was broken"),
    )
    assert isinstance(refund, OperationObject), refund
    say(f"{refund.object_} {refund.amount}")

    none = get_payment.sync(UNKNOWN, client=client)
    assert isinstance(none, Problem), none
    say(f"{none.status} {none.code}")


def until_captured(client: AuthenticatedClient, payment: str) -> PaymentObject:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        read = get_payment.sync(payment, client=client, prefer="wait=10")
        assert isinstance(read, PaymentObject), read
        if read.state == "captured":
            return read
        time.sleep(0.5)
    raise SystemExit("The payment was not paid.")


def say(line: str) -> None:
    print(line, flush=True)


main()
