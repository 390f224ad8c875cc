"""Money is exact, and currencies are never mixed."""

import pytest
from hypothesis import given, strategies as st

from checkout.money import Money, exponent

minors = st.integers(-(10**15), 10**15)


def test_amounts_are_written_with_the_decimals_of_their_currency():
    assert str(Money(123456, "GBP")) == "1,234.56 GBP"
    assert str(Money(1234, "JPY")) == "1,234 JPY"
    assert str(Money(1234, "KWD")) == "1.234 KWD"
    assert str(Money(-5, "EUR")) == "-0.05 EUR"


def test_a_currency_not_in_the_table_has_two_decimals():
    assert exponent("XYZ") == 2


@pytest.mark.parametrize("currency", ["gbp", "GB", "GBPX", "", "GB1", "£££", "ГБП"])
def test_what_is_not_a_currency_code_is_refused(currency):
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


@pytest.mark.parametrize("minor", [1.0, True, "1", None])
def test_only_whole_numbers_of_minor_units_are_money(minor):
    with pytest.raises(ValueError, match="integer"):
        Money(minor, "GBP")


@pytest.mark.parametrize("mix", [Money.__add__, Money.__sub__, Money.__lt__, Money.__le__])
def test_different_currencies_do_not_mix(mix):
    with pytest.raises(ValueError, match="do not mix"):
        mix(Money(1, "GBP"), Money(1, "EUR"))


@given(minors, minors)
def test_adding_and_taking_away_are_exact(left, right):
    total = Money(left, "GBP") + Money(right, "GBP")
    assert total - Money(right, "GBP") == Money(left, "GBP")
    assert total.minor == left + right


@given(minors, minors)
def test_amounts_of_one_currency_are_ordered_as_their_minor_units_are(left, right):
    assert (Money(left, "JPY") < Money(right, "JPY")) == (left < right)
    assert (Money(left, "JPY") <= Money(right, "JPY")) == (left <= right)
    assert (Money(left, "JPY") > Money(right, "JPY")) == (left > right)


@given(minors, st.sampled_from(["GBP", "JPY", "KWD"]))
def test_major_units_are_exact(minor, currency):
    assert Money(minor, currency).decimal * 10 ** exponent(currency) == minor


def test_equal_amounts_are_one_key():
    assert len({Money(1, "GBP"), Money(1, "GBP"), Money(1, "EUR")}) == 2
