"""Names of events that can be triggered, and where they cannot. Events are triggered in tests/tryout."""

from typing import Any

import pytest
from django.core.management import CommandError

from checkout.payments.events import EVENT_TYPES
from checkout.tryout.events import EVENTS
from tests.management.gateway.conftest import Gateway


def test_the_list_is_closed(gateway: Gateway):
    _, output = gateway("trigger")
    assert all(name in output for name in EVENTS)
    with pytest.raises(CommandError, match=r"There is no event 'payment.stolen'. Known: payment.created"):
        gateway("trigger", "payment.stolen")


def test_the_names_are_those_of_the_types_that_merchants_are_told_of():
    assert set(EVENTS) <= set(EVENT_TYPES)


def test_where_real_money_is_paid_nothing_is_triggered(gateway: Gateway, settings: Any):
    settings.CHECKOUT_TRY_OUT = False
    with pytest.raises(CommandError, match="This is no try-out"):
        gateway("trigger", "payment.captured")


def test_a_gateway_that_is_not_there_is_told(gateway: Gateway, db: None):
    with pytest.raises(CommandError, match=r"There is no merchant 'example': run manage.py load_example"):
        gateway("trigger", "payment.captured", "--url", "http://127.0.0.1:1")
