"""The orders service in Python gives the same answers as ours, and remembers handled messages."""

import pytest

from tests.examples.conftest import Asker

pytestmark = pytest.mark.rabbitmq

DONE = {"ok": True, "result": {}}


def lines(quantity: int) -> list[dict[str, object]]:
    return [{"sku": "tea", "quantity": quantity}]


def code_of(answer: dict) -> str:
    return answer["error"]["code"]


async def reserved(orders: Asker, payment: str, quantity: int, attempt: int = 1) -> bool:
    body = {"payment": payment, "lines": lines(quantity), "attempt": f"{payment}-{attempt}"}
    return bool((await orders.ask("orders.reserve", body))["result"]["reserved"])


async def test_what_is_reserved_is_sold_or_given_back(orders: Asker) -> None:
    assert await reserved(orders, "a", 8)
    assert not await reserved(orders, "b", 3), "there are ten"
    assert await orders.ask("orders.release", {"payment": "a", "attempt": "a-1"}) == DONE
    assert await reserved(orders, "b", 3)
    assert await orders.ask("orders.confirm", {"payment": "b"}) == DONE
    assert await orders.ask("orders.cancel", {"payment": "b"}) == DONE
    assert await reserved(orders, "c", 10), "sold stock has been given back"


async def test_a_message_that_arrives_again_takes_effect_once(orders: Asker) -> None:
    command = orders.command(body={"payment": "a", "lines": lines(6), "attempt": "a-1"})
    for _ in range(3):
        await orders.send(command)
    replies = [await orders.reply() for _ in range(3)]
    assert len({reply.message_id for reply in replies}) == 1, "it is the same reply"
    orders.program.kill()
    orders.program.start()
    await orders.send(command)
    assert (await orders.reply()).message_id == replies[0].message_id, "it is kept on the disk"
    assert await reserved(orders, "b", 4)
    assert not await reserved(orders, "c", 1)


async def test_commands_that_overtake_each_other_leave_nothing_behind(orders: Asker) -> None:
    assert await orders.ask("orders.release", {"payment": "a", "attempt": "a-1"}) == DONE
    assert not await reserved(orders, "a", 1), "its release came first"
    assert await reserved(orders, "a", 1, attempt=2)
    assert await orders.ask("orders.release", {"payment": "a", "attempt": "a-1"}) == DONE
    assert await orders.ask("orders.confirm", {"payment": "a"}) == DONE, "a later attempt's stock stays"
    assert await orders.ask("orders.cancel", {"payment": "b"}) == DONE
    assert not await reserved(orders, "b", 1)


async def test_a_release_that_overtakes_its_reservation_is_remembered_though_an_earlier_attempt_reserved(
    orders: Asker,
) -> None:
    assert await reserved(orders, "a", 8)
    for attempt in ("a-2", "a-1"):
        assert await orders.ask("orders.release", {"payment": "a", "attempt": attempt}) == DONE
    assert not await reserved(orders, "a", 8, attempt=2)
    assert await reserved(orders, "b", 10)


async def test_an_order_of_nothing_in_stock_is_confirmed_after_its_release(orders: Asker) -> None:
    body = {"payment": "a", "lines": [], "attempt": "a-1"}
    assert (await orders.ask("orders.reserve", body))["result"]["reserved"]
    assert await orders.ask("orders.release", {"payment": "a", "attempt": "a-1"}) == DONE
    assert await orders.ask("orders.confirm", {"payment": "a"}) == DONE


async def test_it_refuses_with_the_codes_of_the_contract(orders: Asker) -> None:
    assert code_of(await orders.ask("orders.confirm", {"payment": "a"})) == "not_reserved"
    await orders.ask("orders.release", {"payment": "a", "attempt": "a-1"})
    assert code_of(await orders.ask("orders.confirm", {"payment": "a"})) == "not_reserved"
    none = {"payment": "a", "lines": lines(0)}
    assert code_of(await orders.ask("orders.reserve", none)) == "invalid_quantity"
    await orders.ask("orders.cancel", {"payment": "a"})
    assert code_of(await orders.ask("orders.confirm", {"payment": "a"})) == "order_cancelled"
    assert await reserved(orders, "b", 1)
    await orders.ask("orders.confirm", {"payment": "b"})
    sold = {"payment": "b", "attempt": "b-1"}
    assert code_of(await orders.ask("orders.release", sold)) == "order_confirmed"
    more = {"payment": "a", "more": 1}
    assert code_of(await orders.ask("orders.confirm", more)) == "malformed_message", "it is closed"
    assert code_of(await orders.ask("orders.wrap", {"payment": "a"})) == "malformed_message"
