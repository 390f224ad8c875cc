"""The page about the life of a payment has the states, moves and events that there are."""

from checkout.payments.objects import AmountsObject, AttemptStatus, OperationState, PaymentObject
from scripts.life_cycle_page import PAGE, page


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
