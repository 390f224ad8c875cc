"""A merchant's program reads its own payments, operations and events, page by page."""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checkout.errors import EventNotFound, OperationNotFound, PaymentNotFound, RequestInvalid
from checkout.money import Money
from checkout.payments.actions import (
    cancel_payment,
    create_payment,
    list_events,
    list_operations,
    list_payments,
    payment_queries,
    read_event,
    read_operation,
    read_payment,
    read_payment_of_order,
)
from checkout.payments.models import Attempt, Event, Merchant, Operation, Payment
from checkout.payments.objects import payment_object
from checkout.payments.objects.attempt import attempt_object

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Merchant:
    return Merchant.objects.create(code="a-shop", name="The Shop")


@pytest.fixture
def other() -> Merchant:
    return Merchant.objects.create(code="other", name="Another")


def create(merchant: Merchant, number: int, email: str = "") -> Payment:
    return create_payment(
        merchant,
        order_reference=f"A-{number}",
        amount=Money(1250, "GBP"),
        description="Tea",
        shopper_email=email,
    )


def test_pages_follow_each_other_and_new_payments_do_not_disturb_them(shop, other):
    made = [create(shop, number).reference for number in range(5)]
    create(other, 1)
    first = list_payments(shop, limit=2)
    create(shop, 9)
    second = list_payments(shop, limit=2, cursor=first.next_cursor)
    third = list_payments(shop, limit=2, cursor=second.next_cursor)
    assert [each.id for page in (first, second, third) for each in page.items] == made[::-1]
    assert third.next_cursor == ""


@pytest.mark.parametrize("cursor", ["x", "MQ==", "LTE", "é", "A" * 400, "MTIzNA"])
def test_a_text_that_is_no_cursor_is_refused(shop, cursor):
    with pytest.raises(RequestInvalid, match="without a cursor"):
        list_payments(shop, cursor=cursor)


def test_a_cursor_shows_nothing_of_the_key_that_all_merchants_rows_share(shop):
    create(shop, 1)
    last = create(shop, 2)
    cursor = list_payments(shop, limit=1).next_cursor
    box = urlsafe_b64decode(cursor)
    numbers = {int.from_bytes(box[start:], "big") for start in range(len(box))}
    assert str(last.pk).encode() != box
    assert last.pk not in numbers
    other = list_events(shop, limit=1).next_cursor
    assert other != cursor


def test_a_cursor_belongs_to_its_merchant_and_its_list(shop, other):
    for merchant in (shop, other):
        create(merchant, 1)
        create(merchant, 2)
    cursor = list_payments(shop, limit=1).next_cursor
    for merchant, read in ((other, list_payments), (shop, list_events), (other, list_events)):
        with pytest.raises(RequestInvalid, match="without a cursor"):
            read(merchant, cursor=cursor)


def test_a_cursor_that_was_changed_is_refused(shop):
    create(shop, 1)
    create(shop, 2)
    cursor = list_payments(shop, limit=1).next_cursor
    for place in range(len(cursor)):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(RequestInvalid):
            list_payments(shop, cursor=changed)


def test_a_cursor_outlives_a_change_of_the_secret_key(shop, settings):
    made = [create(shop, number).reference for number in range(2)]
    cursor = list_payments(shop, limit=1).next_cursor
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
    assert [each.id for each in list_payments(shop, cursor=cursor).items] == made[:1]
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(RequestInvalid):
        list_payments(shop, cursor=cursor)


def test_filters_exclude_what_does_not_match(shop):
    payments = [create(shop, 1, "Ada@Example.com"), create(shop, 2)]
    cancel_payment(payments[1].reference, by="ada")

    def found(**filters) -> list[str]:
        return [each.order_reference for each in list_payments(shop, **filters).items]

    now = timezone.now()
    assert found(states=["open"]) == ["A-1"]
    assert found(states=["cancelled"]) == ["A-2"]
    assert found(order_reference="A-2") == ["A-2"]
    assert found(customer_email="ada@example.com") == ["A-1"]
    assert found(created_from=now) == []
    assert found(created_to=now, created_from=now - timedelta(minutes=5)) == ["A-2", "A-1"]
    for filters in ({"states": ["gone"]}, {"limit": 0}, {"limit": 101}, {"order_reference": "\0"}):
        with pytest.raises(RequestInvalid):
            list_payments(shop, **filters)


def test_a_list_of_a_time_has_all_that_was_made_in_it_although_clocks_of_hosts_differ(shop):
    """Every second row was made on a host whose clock is four minutes behind."""
    begin, minute = timezone.now(), timedelta(minutes=1)
    made = Payment.objects.bulk_create(
        Payment(
            merchant=shop,
            order_reference=str(number),
            amount_minor=1250,
            currency="EUR",
            created_at=begin + (number - 4 * (number % 2)) * minute,
        )
        for number in range(300)
    )
    for first, last in ((-10, 3), (0, 50), (49, 51), (100, 180), (298, 400), (-9, -8), (400, 500)):
        since, until = begin + first * minute, begin + last * minute
        wanted = [each.order_reference for each in reversed(made) if since <= each.created_at < until]
        page = list_payments(shop, created_from=since, created_to=until, limit=100)
        assert [each.order_reference for each in page.items] == wanted
    page = list_payments(shop, created_to=begin + 20 * minute, limit=100)
    assert len(page.items) == len([each for each in made if each.created_at < begin + 20 * minute])
    page = list_payments(shop, created_from=begin + 280 * minute, limit=100)
    assert len(page.items) == len([each for each in made if each.created_at >= begin + 280 * minute])


def test_a_payment_that_moves_while_a_list_is_read_is_not_in_it_with_another_state(shop, monkeypatch):
    made = [create(shop, number).reference for number in range(4)]
    newest_keys = payment_queries._newest_keys

    def overtaken(*arguments: Any) -> Sequence[int]:
        keys = newest_keys(*arguments)
        if Payment.objects.get(reference=made[2]).state == "open":
            cancel_payment(made[2], by="ada")
        return keys

    monkeypatch.setattr(payment_queries, "_newest_keys", overtaken)
    first = list_payments(shop, states=["open"], limit=2)
    assert [each.id for each in first.items] == [made[3]]
    second = list_payments(shop, states=["open"], limit=2, cursor=first.next_cursor)
    assert [each.id for each in second.items] == [made[1], made[0]]


def test_a_payment_is_read_by_its_id_and_by_its_order_and_only_by_its_merchant(shop, other):
    payment = create(shop, 1)
    read = read_payment(shop, payment.reference)
    assert read == read_payment_of_order(shop, "A-1") == list_payments(shop).items[0]
    assert (read.state, read.can_retry, read.is_final) == ("open", False, False)
    assert read.available_actions == ["cancel"]
    assert read.next_action is not None
    assert read.next_action.url == read.checkout_url
    assert read.checkout_url.endswith(f"/checkout/{payment.reference}/")
    for merchant, reference in ((other, payment.reference), (shop, "pay_0"), (shop, "\0")):
        with pytest.raises(PaymentNotFound):
            read_payment(merchant, reference)
    with pytest.raises(PaymentNotFound):
        read_payment_of_order(other, "A-1")


def test_events_are_listed_by_object_and_type_and_belong_to_one_merchant(shop, other):
    payment = create(shop, 1)
    create(shop, 2)
    cancel_payment(payment.reference, by="ada")
    of_payment = list_events(shop, object_id=payment.reference).items
    assert [(each.type, each.sequence) for each in of_payment] == [
        ("payment.cancelled", 2),
        ("payment.created", 1),
    ]
    created = list_events(shop, types=["payment.created"]).items
    assert [each.type for each in created] == ["payment.created"] * 2
    assert list_events(shop, object_id="op_0").items == []
    assert list_events(other).items == []
    assert read_event(shop, of_payment[0].id) == of_payment[0]
    with pytest.raises(EventNotFound):
        read_event(other, of_payment[0].id)
    with pytest.raises(RequestInvalid):
        list_events(shop, types=["payment.gone"])


def test_operations_are_read_by_their_merchant(attempt: Attempt, other):
    payment = attempt.payment
    operation = Operation.objects.create(
        payment=payment, attempt=attempt, kind="charge_back", amount_minor=1250, currency="GBP"
    )
    read = read_operation(payment.merchant, operation.reference)
    assert [read] == list_operations(payment.merchant, payment.reference)
    assert (read.object, read.state, read.payment) == ("dispute", "requested", payment.reference)
    with pytest.raises(OperationNotFound):
        read_operation(other, operation.reference)
    with pytest.raises(PaymentNotFound):
        list_operations(other, payment.reference)


@pytest.mark.parametrize("state", Payment.State)
def test_one_object_and_many_are_the_same_in_every_state(attempt: Attempt, state: str):
    Attempt.objects.update(
        card={"brand": "visa", "last4": "1111"}, refusal_reason="card_expired", refusal_code="33"
    )
    Payment.objects.update(state=state, refusal_reason="card_expired" if state == "refused" else "")
    payment = Payment.objects.get()
    told = payment_object(payment)
    assert list_payments(payment.merchant).items == [told]
    assert told.can_retry == (state == "refused")
    if state == "refused":
        assert told.last_error is not None
        assert (told.last_error.code, told.last_error.decline_code) == ("card_expired", "33")
    assert not Event.objects.exists()


@pytest.mark.parametrize("state", ["expired", "not_sent"])
def test_an_attempt_that_ended_by_itself_is_blamed_on_no_shop_and_no_bank(attempt: Attempt, state: str):
    Attempt.objects.update(state=state)
    error = attempt_object(Attempt.objects.get(), attempt.payment).last_error
    assert error is not None
    assert error.code == state
    assert not {"bank", "shop"} & set(error.shopper_message.lower().replace(".", "").split())


@pytest.mark.parametrize(
    ("captures", "refunded", "state", "is_final"),
    [
        ([(1250, "done")], 0, "captured", True),
        ([(500, "done")], 0, "partially_captured", False),
        ([(500, "done"), (750, "requested")], 0, "partially_captured", False),
        ([(500, "done"), (750, "pending")], 0, "partially_captured", False),
        ([(500, "done"), (750, "unknown")], 0, "partially_captured", False),
        ([(500, "done"), (750, "refused")], 0, "partially_captured", False),
        ([(500, "final")], 0, "partially_captured", True),
        ([(500, "done")], 500, "refunded", False),
        ([(500, "done"), (750, "pending")], 200, "partially_refunded", False),
        ([(500, "final")], 500, "refunded", True),
        ([(1250, "done")], 200, "partially_refunded", True),
    ],
)
def test_a_payment_is_final_once_no_money_can_be_taken_any_more(
    attempt: Attempt, captures: list[tuple[int, str]], refunded: int, state: str, is_final: bool
):
    payment = attempt.payment

    def add(kind: str, amount: int, how: str) -> None:
        Operation.objects.create(
            payment=payment,
            attempt=attempt,
            kind=kind,
            amount_minor=amount,
            currency="GBP",
            state="done" if how == "final" else how,
            is_final=how == "final",
        )

    for amount, how in captures:
        add("capture", amount, how)
    if refunded:
        add("refund", refunded, "done")
    Payment.objects.update(state=state)
    assert read_payment(payment.merchant, payment.reference).is_final == is_final


def test_a_page_looks_at_so_many_rows_for_a_filter_without_an_index_and_says_that_there_are_more(
    shop, monkeypatch
):
    monkeypatch.setattr(payment_queries, "MOST_LOOKED_AT", 5)
    made = [create(shop, number).order_reference for number in range(12)]
    Payment.objects.filter(order_reference__in=(made[0], made[1], made[9])).update(amount_minor=77)
    found, cursor, pages = [], "", 0
    while cursor or not pages:
        page = list_payments(shop, amount_to=100, limit=2, cursor=cursor)
        found += [each.order_reference for each in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert found == [made[9], made[1], made[0]]
    assert pages == 3, "five rows, five rows, and the last two"


@pytest.mark.parametrize("name", ["basket", "a__b", "with a blank", "with.dot"])
@pytest.mark.parametrize("value", ["77", "web", "true", "", '"', "{}"])
def test_a_payment_is_found_by_a_name_of_its_metadata_with_exactly_its_value(shop, other, name, value):
    wanted, *_ = (create(each, 1) for each in (shop, other))
    create(shop, 2)
    Payment.objects.filter(order_reference="A-1").update(metadata={name: value, "colour": "red"})
    Payment.objects.filter(order_reference="A-2").update(metadata={name: f"{value}7", "other": value})
    further: list[dict[str, Any]] = [{}, {"currency": wanted.currency}]
    for filters in further:
        found = list_payments(shop, metadata=(name, value), **filters).items
        assert [each.id for each in found] == [wanted.reference]
