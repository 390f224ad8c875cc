"""Amounts of money look as people of the shopper's language write them."""

import pytest

from checkout.localised_money import localised_money
from checkout.money import CURRENCIES, Money

NO_BREAK, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "written"),
    [
        (1250, "GBP", "", "£12.50"),
        (123450, "GBP", "en", "£1,234.50"),
        (2400, "JPY", "en", "¥2,400"),
        (1250, "EUR", "de", f"12,50{NO_BREAK}€"),
        (123450, "EUR", "fr", f"1{NARROW}234,50{NO_BREAK}€"),
        (123450, "CHF", "de-CH", f"CHF{NO_BREAK}1'234.50"),
        (1250, "GBP", "es", f"12,50{NO_BREAK}GBP"),
        (1250, "GBP", "pt-PT", f"12,50{NO_BREAK}£"),
    ],
)
def test_an_amount_has_the_symbols_and_separators_of_the_language(minor, currency, locale, written):
    assert localised_money(Money(minor, currency), locale) == written


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [(1250, "KWD", "KWD 1.250"), (120050, "HUF", "HUF 1,200.50"), (1200, "ISK", "ISK 1,200")],
)
def test_every_decimal_place_that_is_charged_is_shown(minor, currency, written):
    assert localised_money(Money(minor, currency)) == written.replace(" ", NO_BREAK)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("de-1996-x-shop", f"12,50{NO_BREAK}€"),
        ("fr-ZZ", f"12,50{NO_BREAK}€"),
        ("x-klingon", "€12.50"),
        ("zz-ZZ", "€12.50"),
        ("a", "€12.50"),
    ],
)
def test_an_unknown_language_is_written_as_the_nearest_known_one_or_in_english(locale, written):
    assert localised_money(Money(1250, "EUR"), locale) == written


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_no_currency_s_letters_stick_to_the_digits(currency):
    written = localised_money(Money(123456789, currency))
    at = next(index for index, character in enumerate(written) if character.isdigit())
    assert not written[at - 1].isalpha()
