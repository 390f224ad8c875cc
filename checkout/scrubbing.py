"""Find and mask card numbers, other card data and secrets in any text.

The same rules guard what comes in (``contains_card_number``) and what is written down (``scrub_text``).
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

# The longest note of a person about what was done, and why, in characters.
NOTE_LENGTH = 200

MASK = "[card number]"
SECRET = "[secret]"  # noqa: S105 - the mask, not a secret

# Digits in groups, as people and programs write card numbers, with spaces and hyphens of all kinds. A group
# is never cut in two: otherwise every long order number would hold a card number by chance.
_BETWEEN = r"[ \t\u00a0\u2007\u2009\u200b\u202f\u2010\u2011\u2013-]"
_GROUPS = re.compile(rf"(?<!\d)\d+(?:{_BETWEEN}{{1,2}}\d+)*")
_GROUP = re.compile(r"\d+")
# The shortest card number has 13 digits, of any script. Most texts have no such run of groups, which is seen
# fastest without what may stand between groups, and with one digit for all.
_SHORTEST = 13
_LONG_RUN = re.compile(rf"\d(?:{_BETWEEN}{{0,2}}\d){{{_SHORTEST - 1}}}")
_BETWEEN_GROUPS = b" \t-"
_ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_RUN_OF_ONE_DIGIT = b"0" * _SHORTEST
# References, digests and UUIDs are hexadecimal: one in two thousand would pass for a card number, and a
# payment with such a name would be refused at its return.
_HEXADECIMAL = re.compile(
    r"(?<![^\W_])(?:[0-9a-f]{32,64}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![^\W_])", re.I
)

# The digits that Luhn's sum takes doubled: 5 becomes 10, and that 1 + 0.
_DOUBLED = str.maketrans("0123456789", "0246813579")

# Issuer ranges and the lengths they issue (ISO/IEC 7812 prefixes of the schemes): without them, timestamps
# and order numbers would be masked too.
_PREFIX = 4
_SCHEMES: tuple[tuple[re.Pattern[str], set[int]], ...] = (
    (re.compile(r"4"), {13, 16, 19}),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),  # Mastercard
    (re.compile(r"3[47]"), {15}),  # American Express
    (re.compile(r"30[0-5]|309|36|3[89]"), set(range(14, 20))),  # Diners Club
    (re.compile(r"6011|64[4-9]|65|62|81"), set(range(16, 20))),  # Discover, UnionPay
    (re.compile(r"35|333[78]"), set(range(16, 20))),  # JCB
    (re.compile(r"220[0-4]|9792"), set(range(16, 20))),  # Mir, Troy
    (re.compile(r"50|5[6-9]|6[0-9]"), set(range(13, 20))),  # Maestro, RuPay, Elo
)

# A JWT or JWE in compact form: signed requests, and what the provider's script makes of a card.
_COMPACT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]*){2,4}")

_NAMES = (
    r"cvc2?|cvv2?|cvn|csc|securityCode|security_code|cardNumber|card_number|pan|encryptedData|encryptedCard"
    r"|sealed_card|sealed|paymentTokenID|tokenNumber|cryptogram|cavv|paResponse|paRes|password|passwd"
    r"|mac_key|macKey|jwt_mac_key|secret|secret_key|token|access_token|api_key"
)
_ELEMENT = re.compile(rf"(<(?P<name>{_NAMES})(?:\s[^<>]*)?(?<!/)>).*?(?=</(?P=name)\s*>|\Z)", re.I | re.S)
_FIELD = re.compile(
    rf"(?P<lead>(?P<quote>[\"']?)\b(?:{_NAMES})(?P=quote)\s{{0,4}}[:=]\s{{0,4}})"
    r"(?:\"[^\"]*\"?|'[^']*'?|[^\s&,;<>{}\[\]\"']+)",
    re.I,
)
_SPOKEN = re.compile(r"(\b(?:cvc2?|cvv2?|security code)\b\W{1,4})\d{3,4}\b", re.I)
_AUTHORIZATION = re.compile(r"(\bAuthorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\r\n\"',}]+", re.I)
_MASKED = re.compile(r"[\dXx]*+[*•][\dXx*•]*|")


def _passes_luhn(digits: str) -> bool:
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where card numbers begin and end in ``text``."""
    if not has_long_run(text):
        return
    text = _HEXADECIMAL.sub(lambda found: "x" * len(found.group()), text)
    for run in _GROUPS.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        # Full-width and other Unicode digits count as the digits they are.
        digits = "".join(str(int(character)) for character in run.group() if character.isdecimal())
        ends = list(accumulate(end - start for start, end in groups))
        group_ending = {end: index for index, end in enumerate(ends)}
        passed = 0
        for begin, (start, _) in zip([0, *ends], groups, strict=False):
            if begin < passed:
                continue
            for length in _lengths(digits[begin : begin + _PREFIX]):
                last = group_ending.get(begin + length)
                if last is not None and _passes_luhn(digits[begin : begin + length]):
                    yield start, groups[last][1]
                    passed = begin + length
                    break


@cache
def _lengths(prefix: str) -> frozenset[int]:
    """Return how long the numbers are that begin with these digits, of any scheme."""
    return frozenset().union(*(lengths for pattern, lengths in _SCHEMES if pattern.match(prefix)))


def has_long_run(text: str) -> bool:
    """Whether ``text`` has as many digits in neighbouring groups as the shortest card number: a quick no."""
    if text.isascii():
        return _RUN_OF_ONE_DIGIT in text.encode().translate(_ONE_DIGIT, _BETWEEN_GROUPS)
    return _LONG_RUN.search(text) is not None


def contains_card_number(text: str) -> bool:
    """Whether ``text`` holds a Luhn-valid run of 13 to 19 digits that a card scheme could have issued."""
    return any(True for _ in _spans(text))


def _hide_element(found: re.Match[str]) -> str:
    content = found.group()[len(found[1]) :].strip()
    return found.group() if _MASKED.fullmatch(content) else found[1] + SECRET


def scrub_text(text: str) -> str:
    """Return ``text`` with card numbers, sealed cards, security codes, keys and passwords masked.

    Works on XML, JSON, form bodies, headers and prose alike, and on cut-off text too.
    """
    text = _ELEMENT.sub(_hide_element, text)
    text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    text = _FIELD.sub(rf"\g<lead>{SECRET}", text)
    text = _COMPACT.sub(SECRET, text)
    text = _SPOKEN.sub(rf"\1{SECRET}", text)
    for start, end in reversed(list(_spans(text))):
        text = text[:start] + MASK + text[end:]
    return text


def scrub_note(text: str) -> str:
    """Return a person's note as it may be kept: scrubbed, and without NUL, which PostgreSQL refuses."""
    return scrub_text(text.replace("\0", ""))[:NOTE_LENGTH]
