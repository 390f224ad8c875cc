"""Find and mask card numbers, other card data and secrets in any text.

The same rules apply to incoming texts (``contains_card_number``) and stored texts (``scrub_text``).
"""

import re
from collections.abc import Collection

from checkout.privacy import card_numbers

# The longest note by a person about an action and its reason, in characters.
NOTE_LENGTH = 200

# The longest reason that a program gives to staff, in characters.
REASON_LENGTH = 1000

MASK = "[card number]"
SECRET = "[secret]"  # noqa: S105 - the mask, not a secret
PERSONAL = "[personal data]"

# References, digests and UUIDs are hexadecimal. One in two thousand would be taken for a card number, and the
# shopper's return to a payment with such a reference would be refused.
_HEXADECIMAL = re.compile(
    r"(?<![^\W_])(?:[0-9a-f]{32,64}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![^\W_])", re.I
)

# A compact JWT or JWE: a signed request, or a card encrypted by the provider's script. Also a card's second
# seal (``card_seal``), which nobody can read, but which belongs in no text.
_COMPACT = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}(?:\.[\w-]*){2,4}|seal1\.[0-9a-f]{1,16}\.[0-9]{1,16}\.[\w-]+={0,2})"
)

# A secret of webhooks, or an API key. Their prefixes identify them in any context.
_OWN_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:whsec|whsk)_[A-Za-z0-9+/]{16,}={0,2}|sk_(?:live|test)_[A-Za-z0-9]{16,})"
)

_NAMES = (
    r"cvc2?|cvv2?|cvn|csc|securityCode|security_code|cardNumber|card_number|pan|encryptedData|encryptedCard"
    r"|sealed_card|sealed|paymentTokenID|tokenNumber|cryptogram|cavv|paResponse|paRes|password|passwd"
    r"|mac_key|macKey|jwt_mac_key|secret|secret_key|token|access_token|api_key"
)
_ELEMENT = re.compile(rf"(<(?P<name>{_NAMES})(?:\s[^<>]*)?(?<!/)>).*?(?=</(?P=name)\s*>|\Z)", re.I | re.S)
_SECRET_NAME = re.compile(_NAMES, re.I)
# The name on a card, as the shopper typed it. It is not needed, so it is not stored.
_PERSONAL_NAMES = "cardHolderName"
_PERSONAL_NAME = re.compile(_PERSONAL_NAMES, re.I)
_PERSONAL_ELEMENT = re.compile(
    rf"(<(?P<name>{_PERSONAL_NAMES})(?:\s[^<>]*)?(?<!/)>).*?(?=</(?P=name)\s*>|\Z)", re.I | re.S
)
_FIELD = re.compile(
    rf"(?P<lead>(?P<quote>[\"']?)\b(?:{_NAMES})(?P=quote)\s{{0,4}}[:=]\s{{0,4}})"
    r"(?:\"[^\"]*\"?|'[^']*'?|[^\s&,;<>{}\[\]\"']+)",
    re.I,
)
_SPOKEN = re.compile(r"(\b(?:cvc2?|cvv2?|security code)\b\W{1,4})\d{3,4}\b", re.I)
_AUTHORIZATION = re.compile(r"(\bAuthorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\r\n\"',}]+", re.I)
# The password in an address, as in amqp://user:password@host/.
_IN_ADDRESS = re.compile(r"(://[^\s:/@?#\"'<>]{0,128}:)[^\s/@?#\"'<>]{1,256}(?=@)")
# The last part of a notification address may be the secret that proves the sender. The last part of the
# address of a payment link, a customer session or a return from a challenge is a token.
_SECRET_ADDRESS = re.compile(
    r"(/notifications/[^/\s?#\"']+/|/challenge/return/|/customer/(?=[\w:-]{32})|/pay/(?=[\w-]{16}))"
    r"[^\s?#\"'<>]+"
)
_MASKED = re.compile(r"[\dXx]*+[*•][\dXx*•]*|")
# Values in which no rule of ``scrub_text`` can match. Most values of a message are of this form.
_HARMLESS = re.compile(r"[A-Za-z_ ]*|[0-9]{1,12}")


def contains_card_number(text: str) -> bool:
    """Return True if ``text`` contains a card number (see ``card_numbers``)."""
    return card_numbers.has_long_run(text) and card_numbers.contains(_without_hexadecimal(text))


def _without_hexadecimal(text: str) -> str:
    return _HEXADECIMAL.sub(lambda found: "x" * len(found.group()), text)


def _mask_card_numbers(text: str) -> str:
    if not card_numbers.has_long_run(text):
        return text
    parts, done = [], 0
    for start, end in card_numbers.find(_without_hexadecimal(text)):
        parts += [text[done:start], MASK]
        done = end
    return "".join([*parts, text[done:]])


def _hide_element(found: re.Match[str]) -> str:
    content = found.group()[len(found[1]) :].strip()
    return found.group() if is_masked(content) else found[1] + SECRET


def scrub_text(text: str) -> str:
    """Return ``text`` with card numbers, sealed cards, security codes, keys and passwords masked.

    Works on XML, JSON, form bodies, headers and prose, even if the text is cut off.
    """
    text = _ELEMENT.sub(_hide_element, text)
    text = _PERSONAL_ELEMENT.sub(rf"\1{PERSONAL}", text)
    text = _SECRET_ADDRESS.sub(rf"\1{SECRET}", text)
    text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    text = _IN_ADDRESS.sub(rf"\1{SECRET}", text)
    text = _FIELD.sub(rf"\g<lead>{SECRET}", text)
    text = _COMPACT.sub(SECRET, text)
    text = _OWN_SECRET.sub(SECRET, text)
    text = _SPOKEN.sub(rf"\1{SECRET}", text)
    return _mask_card_numbers(text)


def mask_of(name: str) -> str | None:
    """Return the mask for values of this element or attribute; None if each value is scrubbed instead."""
    if _PERSONAL_NAME.fullmatch(name):
        return PERSONAL
    return SECRET if _SECRET_NAME.fullmatch(name) else None


def is_masked(value: str) -> bool:
    """Return True if the value is empty, or if the sender has masked it, as in ``4444********1111``."""
    return _MASKED.fullmatch(value.strip()) is not None


def scrub_value(value: str, secrets: Collection[str] = ()) -> str:
    """Return one value of a message, scrubbed like a text, with ``secrets`` masked."""
    for secret in secrets:
        value = value.replace(secret, SECRET)
    return value if _HARMLESS.fullmatch(value) else scrub_text(value)


def scrub_note(text: str) -> str:
    """Return a person's note as it may be stored: scrubbed, cut, and without NUL, which is not storable."""
    return scrub_text(text.replace("\0", ""))[:NOTE_LENGTH]
