"""Amounts in messages: valid ones, in minor units, and invalid ones."""

import pytest

from checkout.errors import ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import amount, paid


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (amount(1050, "GBP", 2), Money(1050, "GBP")),
        (amount(100, "JPY", 0), Money(100, "JPY")),
        (amount(1234, "KWD", 3), Money(1234, "KWD")),
        (amount(100050, "HUF", 2), Money(100050, "HUF")),
        ("", None),
    ],
)
def test_amounts_are_in_our_minor_units(sent, expected):
    assert parse_reply(paid(money=sent)).amount == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (amount(1000, "HUF", 0), Money(100000, "HUF")),
        (amount(100050, "HUF", 2), Money(100050, "HUF")),
        (amount(5, "ZZZ", 2), Money(5, "ZZZ")),
    ],
)
def test_an_account_may_have_exponents_of_its_own(sent, expected):
    assert parse_reply(paid(money=sent), exponents={"HUF": 0, "ZZZ": 2}).amount == expected


@pytest.mark.parametrize(
    "sent",
    [
        amount(150, "JPY", 2),
        amount(100, "JPY", 2),
        amount(1000, "HUF", 0),
        amount(12345, "GBP", 3),
        amount(12340, "GBP", 3),
        amount(10, "GBP", 1),
        amount(1050, "ZZZ"),
        amount(1050, "XXX"),
        amount(1050) + amount(1051),
        amount("1e3"),
        amount("-5"),
        amount(""),
        amount("١٢"),
        amount(5, "gbp"),
        amount(5, "POUNDS"),
        amount(5, "GBP", ""),
        amount(5, "GBP", "two"),
        amount("9" * 40),
    ],
)
def test_an_amount_that_cannot_be_trusted_makes_the_reply_invalid(sent):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(paid(money=sent))


def test_an_account_with_more_decimals_than_a_currency_has_is_read_only_where_they_are_zero():
    assert parse_reply(paid(money=amount(100, "JPY", 2)), exponents={"JPY": 2}).amount == Money(1, "JPY")
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(paid(money=amount(150, "JPY", 2)), exponents={"JPY": 2})
