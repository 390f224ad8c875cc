"""The doctor names bindings that can never match an event, and the binding that was meant."""

import pytest

from checkout.management.gateway.doctor import bindings
from checkout.management.gateway.expected import topology
from messaging.inspection.differences import Bound


@pytest.mark.parametrize(
    "key",
    [
        *(
            "#",
            "*",
            "payment.#",
            "payment.captured.*",
            "payment.captured.shop",
            "payment.*.*",
            "payment.*.shop",
        ),
        *("*.*.shop", "#.shop", "payment.#.shop", "refund.#", "payment.captured.#", "gift.*", "gift.wrapped"),
    ],
)
def test_keys_that_match_some_event_or_are_of_others_are_left_alone(key: str):
    assert not bindings.is_futile(key)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("payment.*", "payment.#"),
        ("payment.captured", "payment.captured.*"),
        ("payment", "payment.#"),
        ("refund.*", "refund.#"),
        ("payment.captured.shop.extra", "payment.#"),
        ("payment.paid.*", "payment.#"),
    ],
)
def test_keys_that_match_no_event_are_named_with_what_was_meant(key: str, meant: str):
    assert bindings.is_futile(key)
    assert bindings.instead_of(key) == meant


def test_bindings_of_other_exchanges_do_not_count():
    events = topology().events
    every = [
        Bound(events, "payment.*", "books"),
        Bound(events, "payment.#", "shop"),
        Bound("other", "payment.*", "books"),
    ]
    [found] = bindings.findings(every)
    assert found.text.startswith("queue books: its binding payment.* matches no event")
    assert found.advice == "Bind payment.# instead, and remove this binding."
