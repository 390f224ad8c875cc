"""A table that cannot work is noticed when its saga is made."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace as with_changes

from checkout.ledger.messages import PostEntries
from checkout.messages import Body, Done, Success
from checkout.orders.messages import ConfirmOrder
from checkout.payments.sagas.definition import Decision, End
from checkout.payments.sagas.purchase.data import At, PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.table import Go, Step, TableSaga
from checkout.risk.messages import RiskDecision
from messaging.envelope import Reply
from tests.payments.sagas.conversation import Conversation

A_PURCHASE = PurchaseData(
    payment="pay_1",
    attempt="pay_1-1",
    minor=500,
    currency="EUR",
    email="a@example.com",
    ip_address="",
    lines=[],
    captures=True,
    capture_operation="op_1",
)


class Order(Body, frozen=True):
    payment: str = "pay_1"
    tries: int = 0


class Small(TableSaga[Order]):
    kind = "small"
    data_type = Order

    def __init__(self, *rows: Step[Order]) -> None:
        self._table = rows
        super().__init__()

    def table(self) -> Sequence[Step[Order]]:
        return self._table

    def begin(self, data: Order) -> Decision[Order]:
        return Go(step="confirm", data=data)

    def afresh(self, data: Order) -> Order:
        return with_changes(data, tries=0)


def confirm(**changes: Any) -> Step[Order]:
    row: dict[str, Any] = {"asks": ConfirmOrder, "on": {Success.DONE: End.COMPLETED}}
    return Step(name="confirm", **{**row, **changes})


def test_a_step_asks_its_command_with_the_data_of_the_saga() -> None:
    saga = Conversation(Small(confirm()), Order()).asks("orders.confirm", payment="pay_1")
    saga.answered().ended("completed")


def test_an_answer_leads_to_the_step_that_the_row_names_with_tries_of_its_own() -> None:
    finished = Step[Order](name="finished", ends=End.COMPLETED)
    saga = Conversation(Small(confirm(on={Success.DONE: "finished"}), finished), Order(tries=3)).answered()
    assert (saga.decision.step, saga.decision.data.tries) == ("finished", 0)
    saga.ended("completed")


def test_a_step_without_any_other_word_is_taken_again_when_nothing_is_known() -> None:
    saga = Conversation(Small(confirm()), Order())
    saga.answered_with_an_error().asks("orders.confirm").waited_too_long().asks("orders.confirm")
    assert saga.decision.data.tries == 2


def test_a_signal_that_the_row_does_not_name_is_ignored() -> None:
    Conversation(Small(confirm(hears={Signal.DONE: "confirm"})), Order()).ignores("refused").told("done")


@pytest.mark.parametrize(
    "changes",
    [
        {"on": {Success.DONE: "elsewhere"}},
        {"hears": {Signal.DONE: "elsewhere"}},
        {"unknown": "elsewhere"},
        {"undo": "elsewhere"},
    ],
)
def test_a_row_names_only_steps_of_the_table(changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"small has no step \{.elsewhere.\}"):
        Small(confirm(**changes))


def test_a_row_names_only_answers_of_its_command() -> None:
    with pytest.raises(TypeError, match="confirm expects answers that ConfirmOrder does not have"):
        Small(confirm(on={RiskDecision.ACCEPT: End.COMPLETED}))


def test_the_data_have_all_that_the_command_needs() -> None:
    with pytest.raises(TypeError, match=r"confirm has no .* for its PostEntries"):
        Small(confirm(asks=PostEntries))


def test_a_purchase_is_compensated_only_by_steps_that_undo_others() -> None:
    saga = Purchase([])
    rows = [row for row in saga.rows.values() if row.asks is not None and row.asks.answer is Done]
    done = Reply.success({})
    compensating = {
        row.name for row in rows if saga.on_reply(row.name, A_PURCHASE, done).end == "compensated"
    }
    assert compensating == {At.RELEASE_STOCK, At.CANCEL_ORDER}
    assert compensating <= {row.undo for row in saga.rows.values()}
