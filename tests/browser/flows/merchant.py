"""The merchant's program, which calls the API of a stack with the key of a try-out."""

from typing import Any
from uuid import uuid4

import requests

from checkout.conf.api import TRY_OUT_API_KEY
from tests.api.calling import ROOT
from tests.support.stack import Stack


def call(stack: Stack, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Return the document with which the API answers a request. The request must succeed."""
    headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}", "Idempotency-Key": uuid4().hex}
    answer = requests.request(
        method, f"{stack.web_url}{ROOT}{path}", json=body or None, headers=headers, timeout=60
    )
    assert answer.ok, answer.text
    document: dict[str, Any] = answer.json()
    return document


def order(stack: Stack, **fields: Any) -> dict[str, Any]:
    """Create the payment of a new order, of 12.50 GBP unless ``fields`` say otherwise."""
    wanted = {"order_reference": f"B-{uuid4().hex[:12]}", "amount": 1250, "currency": "GBP"}
    return call(stack, "POST", "/payments", **{**wanted, "description": "Darjeeling tea", **fields})


def link(stack: Stack, **fields: Any) -> dict[str, Any]:
    """Create a payment link of 12.50 GBP unless ``fields`` say otherwise."""
    wanted = {"order_reference": f"L-{uuid4().hex[:12]}", "amount": 1250, "currency": "GBP"}
    return call(stack, "POST", "/payment-links", **{**wanted, "description": "Darjeeling tea", **fields})
