"""Find and mask card numbers, other card data and secrets in any text.

The same rules apply to incoming text (``contains_card_number``) and to text that is stored (``scrub_text``).
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

# References, digests and UUIDs are hexadecimal. One in two thousand would pass for a card number, and a
# payment with such a reference would be refused when the shopper returns.
_HEXADECIMAL = re.compile(
    r"(?<![^\W_])(?:[0-9a-f]{32,64}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![^\W_])", re.I
)

# A JWT or JWE in compact form: a signed request, or a card as the provider's script encrypts it. Or a card's
# second seal (``card_seal``), which cannot be read, but has no place in any text either.
_COMPACT = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}(?:\.[\w-]*){2,4}|seal1\.[0-9a-f]{1,16}\.[0-9]{1,16}\.[\w-]+={0,2})"
)

# A secret of webhooks, or a key of the API. Each says what it is, whatever stands beside it.
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
# The name on a card, as the shopper has typed it: we do not need it, so it is not kept.
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
# The last part of a notification address may be the secret that proves its sender. That of a payment link, of
# a customer session, and of the return from a challenge, is a token.
_SECRET_ADDRESS = re.compile(
    r"(/notifications/[^/\s?#\"']+/|/challenge/return/|/customer/(?=[\w:-]{32})|/pay/(?=[\w-]{16}))"
    r"[^\s?#\"'<>]+"
)
_MASKED = re.compile(r"[\dXx]*+[*•][\dXx*•]*|")
# Values in which no rule of ``scrub_text`` finds anything. Most values of a message are like this.
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
    """Return the mask for values of elements and attributes of this name; None if each is to be scrubbed."""
    if _PERSONAL_NAME.fullmatch(name):
        return PERSONAL
    return SECRET if _SECRET_NAME.fullmatch(name) else None


def is_masked(value: str) -> bool:
    """Return True if the sender has masked the value, such as ``4444********1111``, or it is empty."""
    return _MASKED.fullmatch(value.strip()) is not None


def scrub_value(value: str, secrets: Collection[str] = ()) -> str:
    """Return one value of a message, scrubbed as text, and without the ``secrets``."""
    for secret in secrets:
        value = value.replace(secret, SECRET)
    return value if _HARMLESS.fullmatch(value) else scrub_text(value)


def scrub_note(text: str) -> str:
    """Return a person's note as it may be stored: scrubbed, and without NUL, which PostgreSQL refuses."""
    return scrub_text(text.replace("\0", ""))[:NOTE_LENGTH]
