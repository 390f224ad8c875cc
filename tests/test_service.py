"""Services register handlers by the class of their command; a wrong handler is noticed at once."""

import pytest

from checkout.messages import Done
from checkout.orders.messages import ConfirmOrder, ReleaseStock, ReserveStock, StockReserved
from checkout.service import Service
from messaging.errors import MalformedMessage
from messaging.worker.message import Message


@pytest.fixture
def orders() -> Service:
    return Service("orders")


def test_a_handler_is_registered_for_the_type_that_its_command_names(orders: Service) -> None:
    @orders.handles(ConfirmOrder)
    def confirm(command: ConfirmOrder, message: Message) -> Done:
        return Done()

    assert orders.commands["orders.confirm"].decode(b'{"payment": "pay_1"}') == ConfirmOrder(payment="pay_1")


def test_a_handler_of_another_command_is_refused(orders: Service) -> None:
    def release(command: ReleaseStock, message: Message) -> Done:
        return Done()

    with pytest.raises(TypeError, match=r"ReleaseStock.*, not .*ConfirmOrder"):
        orders.handles(ConfirmOrder)(release)  # type: ignore[arg-type]


def test_a_handler_that_answers_something_else_is_refused(orders: Service) -> None:
    def reserve(command: ReserveStock, message: Message) -> Done:
        return Done()

    with pytest.raises(TypeError, match=r"Done.*, not .*StockReserved"):
        orders.handles(ReserveStock)(reserve)


def test_a_handler_without_annotations_is_refused_with_the_form_that_it_must_have(orders: Service) -> None:
    def bare(command, message):
        return Done()

    def unreturned(command: ConfirmOrder, message: Message):
        return Done()

    for handler in (bare, unreturned):
        with pytest.raises(TypeError, match=r"\(command: ConfirmOrder, message: Message\), and has"):
            orders.handles(ConfirmOrder)(handler)


def test_a_handler_may_answer_through_its_message(orders: Service) -> None:
    @orders.handles(ReserveStock)
    def reserve(command: ReserveStock, message: Message) -> None:
        message.reply(StockReserved(reserved=True))

    assert "orders.reserve" in orders.commands


def test_a_command_for_another_service_is_refused() -> None:
    def confirm(command: ConfirmOrder, message: Message) -> Done:
        return Done()

    with pytest.raises(TypeError, match=r"orders\.confirm is not for risk"):
        Service("risk").handles(ConfirmOrder)(confirm)


def test_a_command_names_its_service_and_its_type() -> None:
    assert ConfirmOrder(payment="pay_1").address == ("orders", "orders.confirm")


def test_an_answer_is_read_as_the_class_that_the_command_names() -> None:
    assert ReserveStock.read_answer({"reserved": True}) == StockReserved(reserved=True)
    with pytest.raises(MalformedMessage, match=r"not an answer to orders\.reserve"):
        ReserveStock.read_answer({"reserved": "yes"})
