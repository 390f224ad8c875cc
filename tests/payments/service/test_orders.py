"""Stock for a payment is reserved completely or not at all, once, and released if the payment is not made."""

from itertools import permutations

import pytest

from checkout.orders.messages import CancelOrder, ConfirmOrder, OrderLine, ReleaseStock, ReserveStock
from checkout.orders.models import Reservation, StockItem
from checkout.orders.service import service
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import Delivered, command, deliver


def tea(quantity: int = 5) -> StockItem:
    return StockItem.objects.create(
        merchant_code="shop", sku="TEA", name="Tea", price_minor=100, currency="GBP", quantity=quantity
    )


def reserve(payment: str, *, attempt: str = "", merchant: str = "shop", **lines: int) -> Delivered:
    wanted = [OrderLine(sku=sku, quantity=quantity) for sku, quantity in lines.items()]
    body = ReserveStock(payment=payment, lines=wanted, attempt=attempt, merchant_code=merchant)
    return deliver(service, command(body))


def confirm(payment: str) -> Delivered:
    return deliver(service, command(ConfirmOrder(payment=payment)))


def release(payment: str, *, attempt: str = "") -> Delivered:
    return deliver(service, command(ReleaseStock(payment=payment, attempt=attempt)))


def cancel(payment: str) -> Delivered:
    return deliver(service, command(CancelOrder(payment=payment)))


def left(sku: str = "TEA") -> int:
    return StockItem.objects.get(sku=sku).quantity


RESERVED = {"reserved": True, "missing": []}


@pytest.mark.django_db
def test_what_is_reserved_is_no_longer_for_sale():
    tea(5)
    assert reserve("p1", TEA=2).result == RESERVED
    assert left() == 3


@pytest.mark.django_db
def test_reserving_twice_takes_stock_once():
    tea(5)
    reserve("p1", TEA=2)
    assert reserve("p1", TEA=2).result == RESERVED
    assert left() == 3


@pytest.mark.django_db
def test_a_merchant_sells_its_own_stock_only():
    tea(5)
    StockItem.objects.create(
        merchant_code="rival", sku="TEA", name="Tea", price_minor=100, currency="GBP", quantity=1
    )
    assert reserve("p1", merchant="rival", TEA=2).result == {"reserved": False, "missing": ["TEA"]}
    assert reserve("p2", merchant="rival", TEA=1).result == RESERVED
    release("p2")
    assert reserve("p3", merchant="rival", TEA=1).result == RESERVED
    assert list(StockItem.objects.order_by("merchant_code").values_list("quantity", flat=True)) == [0, 5]


@pytest.mark.django_db
def test_stock_that_was_given_back_is_taken_again_from_its_own_merchant():
    tea(5)
    StockItem.objects.create(
        merchant_code="rival", sku="TEA", name="Tea", price_minor=100, currency="GBP", quantity=5
    )
    reserve("p1", merchant="rival", TEA=2)
    release("p1")
    confirm("p1")
    assert list(StockItem.objects.order_by("merchant_code").values_list("quantity", flat=True)) == [3, 5]


@pytest.mark.django_db
def test_all_lines_are_reserved_or_none():
    tea(5)
    assert reserve("p1", TEA=2, MUG=1, TRAY=1).result == {"reserved": False, "missing": ["MUG", "TRAY"]}
    assert left() == 5


@pytest.mark.django_db
def test_lines_of_the_same_thing_are_added_up():
    tea(3)
    lines = [OrderLine(sku="TEA", quantity=2), OrderLine(sku="TEA", quantity=2)]
    delivered = deliver(service, command(ReserveStock(payment="p1", lines=lines, merchant_code="shop")))
    assert delivered.result == {"reserved": False, "missing": ["TEA"]}


@pytest.mark.django_db
@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_below_one_is_an_error(quantity):
    tea(5)
    assert reserve("p1", TEA=quantity).reply.error.code == "invalid_quantity"
    assert left() == 5


@pytest.mark.django_db
def test_an_order_of_nothing_in_stock_can_be_reserved_and_confirmed_again_and_again():
    assert reserve("p1").result == RESERVED
    assert confirm("p1").reply.ok
    assert confirm("p1").reply.ok


@pytest.mark.django_db
def test_what_is_released_is_for_sale_again_once():
    tea(5)
    reserve("p1", TEA=2)
    release("p1")
    assert release("p1").reply.ok
    assert left() == 5


@pytest.mark.django_db
def test_what_was_released_may_be_reserved_for_a_new_attempt():
    tea(5)
    reserve("p1", TEA=2)
    release("p1")
    assert reserve("p1", TEA=2).result == RESERVED
    assert left() == 3


@pytest.mark.django_db
def test_releasing_what_was_never_reserved_is_a_plain_yes():
    assert release("p1").reply.ok


@pytest.mark.django_db
def test_what_is_sold_is_not_released():
    tea(5)
    reserve("p1", TEA=2)
    confirm("p1")
    assert release("p1").reply.error.code == "order_confirmed"
    assert left() == 3
    assert Reservation.objects.get().state == Reservation.State.CONFIRMED


@pytest.mark.django_db
@pytest.mark.parametrize("is_sold", [True, False])
def test_what_is_called_off_is_for_sale_again_once(is_sold):
    tea(5)
    reserve("p1", TEA=2)
    if is_sold:
        confirm("p1")
    assert cancel("p1").reply.ok
    assert cancel("p1").reply.ok
    assert left() == 5


@pytest.mark.django_db
def test_what_was_called_off_is_not_sold_reserved_or_released_by_a_message_that_comes_late():
    tea(5)
    reserve("p1", attempt="p1-1", TEA=2)
    confirm("p1")
    cancel("p1")
    assert confirm("p1").reply.error.code == "order_cancelled"
    assert reserve("p1", attempt="p1-2", TEA=2).result["reserved"] is False
    assert release("p1", attempt="p1-2").reply.ok
    assert left() == 5
    assert Reservation.objects.get().state == "cancelled"


@pytest.mark.django_db
def test_an_order_that_was_given_back_before_is_called_off_without_giving_more():
    tea(5)
    reserve("p1", TEA=2)
    release("p1")
    cancel("p1")
    assert cancel("p2").reply.ok
    assert left() == 5


@pytest.mark.django_db
def test_what_was_never_reserved_cannot_be_confirmed():
    assert confirm("p1").reply.error.code == "not_reserved"


@pytest.mark.django_db
def test_a_paid_order_of_nothing_in_stock_is_confirmed_after_its_release():
    assert reserve("p1", attempt="p1-1").result == RESERVED
    assert release("p1", attempt="p1-1").reply.ok
    assert confirm("p1").reply.ok
    assert Reservation.objects.get().state == "confirmed"


@pytest.mark.django_db
def test_an_order_of_nothing_in_stock_whose_release_came_first_was_not_reserved():
    release("p1", attempt="p1-1")
    assert reserve("p1", attempt="p1-1").result["reserved"] is False
    assert confirm("p1").reply.error.code == "not_reserved"


@pytest.mark.django_db
def test_a_paid_order_whose_stock_was_given_back_takes_it_again():
    tea(5)
    reserve("p1", TEA=2)
    release("p1")
    assert confirm("p1").reply.ok
    assert left() == 3


@pytest.mark.django_db
def test_a_paid_order_whose_stock_was_sold_to_another_is_an_error():
    tea(2)
    reserve("p1", TEA=2)
    release("p1")
    reserve("p2", TEA=1)
    assert confirm("p1").reply.error.code == "out_of_stock"
    assert left() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    """Concurrent commands on PostgreSQL, which locks rows."""

    def test_the_last_one_is_sold_once(self):
        tea(1)
        results = at_once(*(lambda payment=f"p{n}": reserve(payment, TEA=1).result for n in range(8)))
        assert sorted(result["reserved"] for result in results) == [False] * 7 + [True]
        assert left() == 0

    def test_one_payment_reserves_once_however_often_it_asks(self):
        tea(5)
        results = at_once(*(lambda: reserve("p1", TEA=2).result for _ in range(6)))
        assert results == [RESERVED] * 6
        assert left() == 3

    def test_a_new_attempt_reserves_what_was_released_once_however_often_it_asks(self):
        tea(5)
        reserve("p1", TEA=2)
        release("p1")
        results = at_once(*(lambda: reserve("p1", TEA=2).result for _ in range(6)))
        assert results == [RESERVED] * 6
        assert left() == 3

    def test_orders_of_the_same_things_in_any_order_do_not_lock_each_other_out(self):
        tea(50)
        StockItem.objects.create(
            merchant_code="shop", sku="MUG", name="Mug", price_minor=1, currency="GBP", quantity=50
        )
        actions = []
        for n in range(4):
            actions.append(lambda payment=f"a{n}": reserve(payment, TEA=1, MUG=1).result)
            actions.append(lambda payment=f"b{n}": reserve(payment, MUG=1, TEA=1).result)
        assert at_once(*actions) == [RESERVED] * 8
        assert (left("TEA"), left("MUG")) == (42, 42)

    def test_release_and_reserve_of_one_payment_end_in_a_state_that_adds_up(self):
        tea(5)
        reserve("p1", TEA=2)
        at_once(lambda: release("p1").reply, lambda: reserve("p1", TEA=2).reply)
        is_reserved = Reservation.objects.get().state == Reservation.State.RESERVED
        assert left() == (3 if is_reserved else 5)


@pytest.mark.django_db
@pytest.mark.parametrize("later", [2, 10])
def test_a_late_release_of_an_earlier_attempt_leaves_what_the_next_one_reserved(later):
    tea(5)
    reserve("p1", attempt="p1-1", TEA=2)
    release("p1", attempt="p1-1")
    assert reserve("p1", attempt=f"p1-{later}", TEA=2).result == RESERVED
    assert release("p1", attempt="p1-1").reply.ok
    assert (left(), Reservation.objects.get().state) == (3, "reserved")
    release("p1", attempt=f"p1-{later}")
    assert (left(), Reservation.objects.get().state) == (5, "released")


@pytest.mark.django_db
def test_what_an_earlier_attempt_has_not_released_yet_becomes_the_next_one_s():
    tea(5)
    reserve("p1", attempt="p1-1", TEA=2)
    assert reserve("p1", attempt="p1-2", TEA=2).result == RESERVED
    release("p1", attempt="p1-1")
    assert left() == 3
    assert confirm("p1").reply.ok


@pytest.mark.django_db
@pytest.mark.parametrize("before", [True, False])
def test_a_reservation_that_its_own_release_has_overtaken_is_not_made(before):
    tea(5)
    if not before:
        reserve("p1", attempt="p1-1", TEA=2)
    release("p1", attempt="p1-1")
    assert reserve("p1", attempt="p1-1", TEA=2).result == {"reserved": False, "missing": []}
    assert left() == 5
    assert confirm("p1").reply.ok is not before


@pytest.mark.django_db
def test_a_late_reservation_of_an_earlier_attempt_is_not_made():
    tea(5)
    release("p1", attempt="p1-2")
    assert reserve("p1", attempt="p1-1", TEA=2).result["reserved"] is False
    assert reserve("p1", attempt="p1-3", TEA=2).result == RESERVED
    reserve("p1", attempt="p1-1", TEA=2)
    assert Reservation.objects.get().attempt == "p1-3"
    assert left() == 3


@pytest.mark.django_db
def test_a_release_that_comes_twice_gives_back_once():
    tea(5)
    reserve("p1", attempt="p1-1", TEA=2)
    release("p1", attempt="p1-1")
    release("p1", attempt="p1-1")
    assert left() == 5


@pytest.mark.django_db
def test_what_is_sold_is_not_given_back_for_a_late_release_of_an_earlier_attempt():
    tea(5)
    reserve("p1", attempt="p1-1", TEA=2)
    reserve("p1", attempt="p1-2", TEA=2)
    confirm("p1")
    assert release("p1", attempt="p1-1").reply.ok
    assert release("p1", attempt="p1-2").reply.error.code == "order_confirmed"
    assert left() == 3


@pytest.mark.django_db
def test_in_whatever_order_reservations_and_releases_come_nothing_stays_reserved_after_the_last():
    tea(5)
    messages = [(ask, number) for ask in (reserve, release) for number in (1, 2)]
    for number, order in enumerate(permutations(messages)):
        for ask, attempt in order:
            wanted = {"TEA": 2} if ask is reserve else {}
            ask(f"p{number}", attempt=f"p{number}-{attempt}", **wanted)
        assert left() == 5, [f"{ask.__name__} {attempt}" for ask, attempt in order]


@pytest.mark.django_db
@pytest.mark.parametrize("is_sold", [True, False])
def test_the_rest_of_an_order_is_given_back_though_an_item_was_deleted(is_sold):
    tea(5)
    mug = StockItem.objects.create(
        merchant_code="shop", sku="MUG", name="Mug", price_minor=1, currency="GBP", quantity=5
    )
    reserve("p1", attempt="p1-1", TEA=2, MUG=1)
    if is_sold:
        confirm("p1")
    mug.delete()
    assert (cancel("p1") if is_sold else release("p1", attempt="p1-1")).reply.ok
    assert left() == 5
