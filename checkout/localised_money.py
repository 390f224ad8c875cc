"""Amounts as people write them: with the symbols, separators and positions of their language, by CLDR.

For programs and developers there is ``str(money)``, which has the currency's code.
"""

import re
from copy import copy
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, get_currency_symbol

from checkout.money import Money, exponent

ENGLISH = "en"
# CLDR puts a space between letters of a currency and adjacent digits. Babel leaves it out.
_CROWDED = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_NO_BREAK, _LEFT_TO_RIGHT = "\N{NO-BREAK SPACE}", "\N{LEFT-TO-RIGHT MARK}"


def localised_money(amount: Money, locale: str = "") -> str:
    """Return the amount in the format of a language (BCP 47): £12.50, 12,50 €, ¥2,400.

    If CLDR does not know the language, the next more general one is used, and finally English.
    """
    known = known_locale(locale)
    # CLDR leaves out the decimal places of some currencies, such as HUF, although shoppers pay with them.
    pattern = copy(known.currency_formats["standard"])
    pattern.frac_prec = (exponent(amount.currency),) * 2
    written = format_currency(
        amount.decimal, amount.currency, format=pattern, locale=known, currency_digits=False
    )
    if known.text_direction == "rtl":
        # Otherwise, in right-to-left text, the last sign of a symbol such as UK£ would move before its
        # letters.
        symbol = get_currency_symbol(amount.currency, known)
        if symbol[:1].isascii():
            written = written.replace(symbol, f"{symbol}{_LEFT_TO_RIGHT}")
    return _CROWDED.sub(_NO_BREAK, written)


def localised_decimal(amount: Money, locale: str = "") -> str:
    """Return the number without a currency, as people type it into a field: 1234.50 or 1234,50."""
    places = exponent(amount.currency)
    pattern = f"0.{'0' * places}" if places else "0"
    return format_decimal(amount.decimal, format=pattern, locale=known_locale(locale))


@lru_cache(maxsize=1000)
def known_locale(locale: str) -> Locale:
    """Return CLDR's data for a language, or for the next more general one, and finally for English."""
    tag = locale or ENGLISH
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return known_locale(tag.rpartition("-")[0])
