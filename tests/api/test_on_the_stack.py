"""A merchant's program and a shopper, on RabbitMQ and PostgreSQL, with a broker user for each program."""

import pytest
import requests

from checkout.conf.api import TRY_OUT_API_KEY
from tests.api.calling import ROOT
from tests.flows.stack.shopping import shopper_at
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_program_creates_a_payment_a_shopper_pays_it_and_the_program_refunds_a_part(shared_stack):
    with requests.Session() as program:
        program.headers["Authorization"] = f"Bearer {TRY_OUT_API_KEY}"

        def post(path, key, **body):
            headers = {"Idempotency-Key": key, "Prefer": "wait=20"}
            return program.post(f"{shared_stack.web_url}{ROOT}{path}", json=body, headers=headers, timeout=60)

        def read():
            return program.get(f"{shared_stack.web_url}{ROOT}/payments/{created['id']}", timeout=60).json()

        order = {"order_reference": "api-1", "amount": 1250, "currency": "GBP", "description": "Tea"}
        lines = [{"sku": "TEA-100", "quantity": 1}]
        created = post("/payments", "create", **order, lines=lines).json()
        assert created["state"] == "open"

        shopper = shopper_at(shared_stack)
        shopper.reference = created["id"]
        shopper.pay(shopper.browser.open(created["next_action"]["url"]))
        wait_until(lambda: read()["state"] == "captured", "the capture", seconds=60)

        refund = post(f"/payments/{created['id']}/refund", "refund", amount=250, expected_refundable=1250)
        assert refund.status_code == 201
        assert refund.json()["state"] in ("pending", "succeeded")
        again = post(f"/payments/{created['id']}/refund", "refund", amount=250, expected_refundable=1250)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (refund.content, "true")
        wait_until(lambda: read()["amounts"]["refunded"] == 250, "the refund", seconds=60)
        assert read()["amounts"]["refundable"] == 1000
