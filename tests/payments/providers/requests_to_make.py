"""Requests about a payment, with default values for everything that a test does not set."""

from typing import Any

from checkout.money import Money
from checkout.payments.providers.base import Authorisation, Browser, ChallengeCompletion, Modification

BROWSER = Browser(
    accept_header="text/html",
    user_agent="Mozilla/5.0",
    ip_address="127.0.0.1",
    javascript_enabled=True,
    language="en-GB",
    colour_depth=30,
    screen_height=800,
    screen_width=1280,
    time_zone="-60",
)


def authorisation(order_code: str = "order-1", **changes: Any) -> Authorisation:
    values: dict[str, Any] = {
        "order_code": order_code,
        "session_id": f"session-{order_code}",
        "idempotency_key": f"{order_code}-authorise",
        "amount": Money(1050, "GBP"),
        "description": "One teapot",
        "shopper_email": "shopper@example.com",
        "browser": BROWSER,
        "sealed_card": "sealed",
        "device_data_reference": "0_device-data",
    }
    return Authorisation(**{**values, **changes})


def completion(order_code: str = "order-1", **changes: Any) -> ChallengeCompletion:
    values: dict[str, Any] = {
        "order_code": order_code,
        "session_id": f"session-{order_code}",
        "idempotency_key": f"{order_code}-complete",
    }
    return ChallengeCompletion(**{**values, **changes})


def modification(verb: str, order_code: str = "order-1", minor: int = 1050, **changes: Any) -> Modification:
    values: dict[str, Any] = {
        "order_code": order_code,
        "reference": f"{order_code}-{verb}",
        "idempotency_key": f"{order_code}-{verb}-{minor}",
        "amount": Money(minor, "GBP"),
    }
    return Modification(**{**values, **changes})
