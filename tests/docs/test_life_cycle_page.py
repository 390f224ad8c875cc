"""The page about the life of a payment has all states, moves and events, and no others."""

import pytest

from checkout.payments.objects import AmountsObject, AttemptStatus, OperationState, PaymentObject
from payments_gateway.environment import Environment
from scripts.life_cycle_page import PAGE, page
from tests.support.pages import text_of


def test_the_tables_are_made_from_the_code():
    assert PAGE.read_text() == page(PAGE.read_text()), "run: python -m scripts.life_cycle_page"


def test_the_page_names_what_there_is():
    text = PAGE.read_text()
    named = (*AttemptStatus, *OperationState, *AmountsObject.__struct_fields__)
    assert [each for each in named if f"`{each}`" not in text] == []
    explained = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    fields = {
        "state",
        "is_final",
        "can_retry",
        "amounts",
        "available_actions",
        "next_action",
        "last_error",
        "version",
    }
    assert fields <= explained & set(PaymentObject.__struct_fields__)


@pytest.mark.parametrize("page", ["docs/life-cycle.md", "docs/api.md"])
def test_the_deadlines_of_an_integrator_have_the_default_values(page):
    seconds = {field.alias: field.default for field in Environment.model_fields.values()}
    hours, days = (
        seconds["CHECKOUT_ABANDONED_SECONDS"] / 3600,
        seconds["CHECKOUT_AUTHORISATION_SECONDS"] / 86400,
    )
    text = " ".join(text_of(page).split())
    assert f"expires {hours:.0f} hours after it was last touched (`CHECKOUT_ABANDONED_SECONDS`)" in text
    assert f"is voided after {days:.0f} days (`CHECKOUT_AUTHORISATION_SECONDS`)" in text


def test_the_page_has_the_routing_key_of_events():
    """Subscribers bind their queues with it (docs/messages.md)."""
    assert "`<type>.<merchant>`" in PAGE.read_text()
