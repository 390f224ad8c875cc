"""A payment is created only from a valid request; an error names the invalid field."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from checkout.errors import DuplicateRequest, RequestInvalid
from checkout.money import Money
from checkout.orders.messages import OrderLine
from checkout.payments.actions import create_payment
from checkout.payments.models import Merchant, Payment

pytestmark = pytest.mark.django_db

CARD = "4444333322221111"
REQUEST: dict[str, Any] = {
    "order_reference": "A-1",
    "amount": Money(1250, "GBP"),
    "lines": [{"sku": "TEA-100", "quantity": 1}],
    "description": "Darjeeling tea",
    "shopper_email": "shopper@example.com",
    "return_url": "https://shop.example/orders/A-1/",
    "captures_automatically": False,
}


@pytest.fixture
def merchant(db) -> Merchant:
    origins = ["https://shop.example", "http://localhost:8000"]
    return Merchant.objects.create(code="shop", name="The Shop", return_origins=origins)


def create(merchant: Merchant, **changes: Any) -> Payment:
    return create_payment(merchant, **{**REQUEST, **changes})


def test_it_takes_a_statement_for_each_row(merchant, django_assert_num_queries):
    with django_assert_num_queries(2):  # the payment and its event
        create(merchant)


def test_within_a_transaction_it_is_undone_with_the_rest(merchant):
    with transaction.atomic():
        create(merchant)
        transaction.set_rollback(True)
    assert not Payment.objects.exists()


def test_asked_again_otherwise_within_a_transaction_the_transaction_goes_on(merchant):
    create(merchant)
    with transaction.atomic():
        with pytest.raises(DuplicateRequest):
            create(merchant, description="Assam tea")
        assert create(merchant).order_reference == "A-1"


def test_asked_again_it_is_the_same_payment(merchant):
    assert create(merchant).pk == create(merchant).pk
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_reference": ""}, "order_reference"),
        ({"order_reference": "   "}, "order_reference"),
        ({"order_reference": "A" * 101}, "order_reference"),
        ({"order_reference": "A\0"}, "order_reference"),
        ({"order_reference": "A\n1"}, "order_reference"),
        ({"order_reference": 7}, "order_reference"),
        ({"description": ""}, "description"),
        ({"description": "x" * 51}, "description"),
        ({"description": "tea\x07"}, "description"),
        ({"description": "tea\n"}, "description"),
        ({"description": "tea\u2028"}, "description"),
        ({"description": "tea \ud83c"}, "description"),
        ({"description": "tea \uffff"}, "description"),
        ({"description": "tea \u202e001 GBP"}, "description"),
        ({"description": "tea \u2067001 GBP"}, "description"),
        ({"description": "\u200b\u200d \u2060"}, "description"),
        ({"description": "\u200c".join(CARD)}, "description"),
        ({"order_reference": "A\u00a01"}, "order_reference"),
        ({"amount": Money(0, "GBP")}, "amount"),
        ({"amount": Money(-5, "GBP")}, "amount"),
        ({"amount": Money(10_000_000_000, "GBP")}, "amount"),
        ({"amount": Money(5, "XXX")}, "amount"),
        ({"amount": Money(5, "ABC")}, "amount"),
        ({"amount": 12.5}, "amount"),
        ({"shopper_email": "nobody"}, "shopper_email"),
        ({"shopper_email": "a@b@c.example"}, "shopper_email"),
        ({"shopper_email": "=?utf-8?q?a?=@c.example"}, "shopper_email"),
        ({"shopper_email": '""@c.example'}, "shopper_email"),
        ({"shopper_email": f"a@{'ü' * 63}.example"}, "shopper_email"),
        ({"shopper_email": f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.example"}, "shopper_email"),
        ({"return_url": "https://elsewhere.example/"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https://shop.example:443@evil.example/"}, "return_url"),
        ({"return_url": "https://shop.example/" + "a" * 500}, "return_url"),
        ({"return_url": "//shop.example/"}, "return_url"),
        ({"return_url": "http://[/"}, "return_url"),
        ({"captures_automatically": "no"}, "captures_automatically"),
        ({"lines": [{"foo": 1}]}, "lines[0]"),
        ({"lines": [{"sku": "TEA-100", "quantity": 1}, {"sku": "TEA-100"}]}, "lines[1]"),
        ({"lines": [{"sku": "TEA-100", "quantity": 1, "price": 2}]}, "lines[0]"),
        ({"lines": [{"sku": "TEA-100", "quantity": "1"}]}, "lines[0]"),
        ({"lines": [{"sku": "TEA-100", "quantity": 1.5}]}, "lines[0]"),
        ({"lines": [{"sku": "TEA-100", "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "TEA-100", "quantity": 1_000_001}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "", "quantity": 1}]}, "lines[0].sku"),
        ({"lines": [{"sku": "x4444333322221111", "quantity": 1}]}, "lines[0].sku"),
        ({"lines": [{"sku": "T\0", "quantity": 1}]}, "lines[0].sku"),
        ({"lines": [object()]}, "lines[0]"),
        ({"lines": "tea"}, "lines"),
        ({"lines": [{"sku": "TEA-100", "quantity": 1}] * 501}, "lines"),
    ],
)
def test_what_cannot_be_paid_is_refused_and_names_its_field(merchant, changes, field):
    with pytest.raises(RequestInvalid) as refused:
        create(merchant, **changes)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": []},
        {"lines": [OrderLine(sku="TEA-100", quantity=2)]},
        {"shopper_email": ""},
        {"shopper_email": "o'mary+shop@straße.example"},
        {"shopper_email": '"a,b"@shop.example'},
        {"shopper_email": '"mary.m"@shop.example'},
        {"return_url": ""},
        {"return_url": "http://localhost:8000/orders/1/?a=b"},
        {"amount": Money(9_999_999_999, "JPY")},
        {"description": "Thé à la menthe"},
        {"description": "Th\u00e9, 100\u00a0g"},  # a no-break space
        {"description": "\u7dd1\u8336\u3000100g"},  # an ideographic space
        {"description": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"},  # Persian, with a non-joiner
        {"description": "Gift \U0001f468\u200d\U0001f469\u200d\U0001f467"},  # a family, of joined people
        {"description": "\u05ea\u05d4 (100)\u200f"},  # Hebrew, with a mark of its direction
    ],
)
def test_what_may_be_left_out_or_differ_is_taken(merchant, changes):
    assert create(merchant, **changes).state == Payment.State.OPEN


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": Money(1251, "GBP")}, "amount"),
        ({"amount": Money(1250, "EUR")}, "amount"),
        ({"lines": [{"sku": "TEA-100", "quantity": 2}]}, "lines"),
        ({"description": "Green tea"}, "description"),
        ({"shopper_email": "other@example.com"}, "shopper_email"),
        ({"return_url": "https://shop.example/orders/A-2/"}, "return_url"),
        ({"captures_automatically": True}, "captures_automatically"),
    ],
)
def test_asked_again_otherwise_it_names_what_differs_and_changes_nothing(merchant, change, field):
    before = create(merchant)
    with pytest.raises(DuplicateRequest) as refused:
        create(merchant, **change)
    assert refused.value.field == field
    assert field.replace("_", " ") in str(refused.value)
    assert Payment.objects.get().updated_at == before.updated_at


LATER = timezone.now() + timedelta(days=1)


def test_what_a_program_keeps_with_the_payment_is_stored(merchant):
    wanted = {
        "metadata": {"basket": "17", "n" * 40: "v" * 500},
        "expires_at": LATER,
        "cancel_url": "https://shop.example/basket/",
        "locale": "de-CH",
    }
    payment = create(merchant, **wanted)
    payment.refresh_from_db()
    assert {name: getattr(payment, name) for name in wanted} == wanted
    assert create(merchant, **wanted).pk == payment.pk
    with pytest.raises(DuplicateRequest) as raised:
        create(merchant, **{**wanted, "metadata": {}})
    assert raised.value.field == "metadata"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metadata": {str(number): "" for number in range(51)}}, "metadata"),
        ({"metadata": {"n" * 41: "v"}}, "metadata"),
        ({"metadata": {"": "v"}}, "metadata"),
        ({"metadata": {"n": "v" * 501}}, "metadata.n"),
        ({"metadata": {"n": 7}}, "metadata.n"),
        ({"metadata": {"n": "\0"}}, "metadata.n"),
        ({"metadata": {"n": "\ud800"}}, "metadata.n"),
        ({"metadata": {"n": "a\nb"}}, "metadata.n"),
        ({"metadata": {"n": "\x1b[2J"}}, "metadata.n"),
        ({"metadata": {"n": f"card {CARD}"}}, "metadata.n"),
        ({"metadata": {"n": "4444 3333 2222 1111"}}, "metadata.n"),
        ({"metadata": {CARD: "v"}}, "metadata"),
        ({"metadata": ["n"]}, "metadata"),
        ({"order_reference": CARD}, "order_reference"),
        ({"description": f"card {CARD}"}, "description"),
        ({"shopper_email": f"{CARD}@shop.example"}, "shopper_email"),
        ({"return_url": f"https://shop.example/?card={CARD}"}, "return_url"),
        ({"return_url": "https://shop.example/?card=%34444333322221111"}, "return_url"),
        ({"cancel_url": f"https://shop.example/{CARD}"}, "cancel_url"),
        ({"expires_at": LATER - timedelta(days=2)}, "expires_at"),
        ({"expires_at": LATER + timedelta(days=400)}, "expires_at"),
        ({"expires_at": LATER.replace(tzinfo=None)}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"cancel_url": "https://elsewhere.example/"}, "cancel_url"),
        ({"locale": "d"}, "locale"),
        ({"locale": "de_CH"}, "locale"),
        ({"locale": "de-" + "a" * 40}, "locale"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_name(merchant, changes, field):
    with pytest.raises(RequestInvalid) as raised:
        create(merchant, **changes)
    assert raised.value.field == field
    assert not Payment.objects.exists()


def test_a_request_that_is_repeated_after_the_payment_s_time_finds_the_payment(merchant):
    payment = create(merchant, expires_at=LATER)
    past = timezone.now() - timedelta(hours=1)
    Payment.objects.update(expires_at=past)
    assert create(merchant, expires_at=past).pk == payment.pk
