"""Rows that are read once a second at most: a change takes effect in time, and the cache is bounded."""

import pytest

from checkout.database import remembered
from checkout.database.remembered import Remembered
from checkout.payments.actions.accounts import account_for, merchant_named
from checkout.payments.models import Merchant, Payment, ProviderAccount
from messaging.compiled_queries import Compiled
from tests.support.remembering import remembering

pytestmark = pytest.mark.django_db


def a_merchant(code: str = "shop") -> Merchant:
    return Merchant.objects.create(code=code, name=f"The {code}")


def test_a_row_is_read_once_a_second(django_assert_num_queries):
    a_merchant()
    with remembering() as clock:
        merchant_named("shop")
        with django_assert_num_queries(0):
            merchant_named("shop")
        clock.now += 1
        with django_assert_num_queries(1):
            merchant_named("shop")


def test_a_change_takes_effect_within_a_second_of_the_first_read():
    a_merchant()
    with remembering() as clock:
        merchant_named("shop")
        Merchant.objects.update(attack_mode=Merchant.AttackMode.ON)
        for _ in range(8):
            assert not merchant_named("shop").is_under_attack
            clock.now += 0.125
        assert merchant_named("shop").is_under_attack, "reading a row does not extend its time"


def test_a_new_row_is_found_at_once():
    with remembering():
        assert merchant_named("shop") is None
        a_merchant()
        assert merchant_named("shop").name == "The shop"


def test_a_caller_that_changes_its_row_changes_nobody_elses():
    a_merchant()
    with remembering():
        for _ in range(3):
            merchant = merchant_named("shop")
            assert merchant.name == "The shop"
            merchant.name = "Mine"


def test_with_no_seconds_every_call_reads(django_assert_num_queries):
    a_merchant()
    with remembering(0), django_assert_num_queries(2):
        merchant_named("shop")
        merchant_named("shop")


def test_another_row_takes_the_place_of_the_oldest(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(remembered, "MOST", 3)
    merchants = Remembered(Compiled(lambda code: Merchant.objects.filter(code=code)))
    codes = [a_merchant(code).code for code in ("a", "b", "c", "d")]
    with remembering():
        for code in codes:
            merchants.first(code)
        with django_assert_num_queries(0):
            assert [merchants.first(code).code for code in codes[1:]] == codes[1:]
        with django_assert_num_queries(1):
            merchants.first("a")


def test_invented_values_take_nobodys_place(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(remembered, "MOST", 1)
    merchants = Remembered(Compiled(lambda code: Merchant.objects.filter(code=code)))
    a_merchant()
    with remembering():
        merchants.first("shop")
        for number in range(3):
            assert merchants.first(f"invented-{number}") is None
        with django_assert_num_queries(0):
            merchants.first("shop")


def test_an_account_that_was_added_first_is_the_payments_within_a_second():
    merchant = a_merchant()
    old = ProviderAccount.objects.create(merchant=merchant, code="old", provider="memory")
    payment = Payment(merchant=merchant)
    with remembering() as clock:
        assert account_for(payment) == old
        old.delete()
        new = ProviderAccount.objects.create(merchant=merchant, code="new", provider="memory")
        clock.now += 1
        assert account_for(payment) == new
