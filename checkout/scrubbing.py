"""Find and mask card numbers and other card data in any text.

The same rules guard what comes in (``contains_card_number``) and what is written down (``scrub_text``).
"""

import re

MASK = "[card number]"

# 13 to 19 digits, perhaps grouped by single blanks or dashes, not part of a longer run of digits.
_CANDIDATE = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
# Issuer ranges of the schemes: without them, timestamps and order numbers would be masked too.
_SCHEMES = re.compile(r"4|5[0-9]|2[2-7]|3[0-9]|6[0-9]|8[16]")
# A JWE in compact form: what the provider's script makes of a card.
_SEALED = re.compile(r"eyJ[\w-]{10,}\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+")
_SECURITY_CODE = re.compile(r"(?i)(\b(?:cvc|cvv|cvv2|cvc2|security[ _-]?code)\b\W{1,4})\d{3,4}\b")


def _is_card_number(digits: str) -> bool:
    if not _SCHEMES.match(digits):
        return False
    total = 0
    for position, character in enumerate(reversed(digits)):
        digit = int(character) * (1 + position % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def contains_card_number(text: str) -> bool:
    """Whether ``text`` holds a Luhn-valid run of 13 to 19 digits that a card scheme could have issued."""
    return any(_is_card_number(re.sub(r"\D", "", found)) for found in _CANDIDATE.findall(text))


def scrub_text(text: str) -> str:
    """Return ``text`` with card numbers, sealed cards and security codes masked."""
    text = _CANDIDATE.sub(
        lambda found: MASK if _is_card_number(re.sub(r"\D", "", found.group())) else found.group(), text
    )
    text = _SEALED.sub("[sealed card]", text)
    return _SECURITY_CODE.sub(r"\1[security code]", text)
