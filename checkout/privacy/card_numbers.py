"""Find card numbers in text: Luhn-valid runs of 13 to 19 digits that a card scheme could have issued.

Because strangers choose the texts, the search takes linear time for every text. All positions of a text are
examined at once: one byte of a large integer stands for one digit, and each operation on the integer applies
to all of them.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator

# Digits in groups, as people and programs write card numbers, with spaces and hyphens of all kinds, and with
# characters that cannot be seen. A group is never split: otherwise every long order number would contain a
# card number by chance.
_SEPARATORS = {"Zs", "Pd", "Cf"}
# Three separators in a row end a number.
_GAP = b"   "
_SHORTEST, _LONGEST = 13, 19
_LENGTHS = range(_SHORTEST, _LONGEST + 1)

# Issuer ranges, by their first and last prefix, and the lengths they issue (ISO/IEC 7812 prefixes of the
# schemes): without them, timestamps and order numbers would be masked too.
_SCHEMES: tuple[tuple[str, Collection[int]], ...] = (
    ("4", (13, 16, 19)),  # Visa
    ("51-55 2221-2720", (16,)),  # Mastercard
    ("34 37", (15,)),  # American Express
    ("300-305 309 36 38-39", range(14, 20)),  # Diners Club
    ("6011 644-649 62 65 81", range(16, 20)),  # Discover, UnionPay
    ("35 3337-3338", range(16, 20)),  # JCB
    ("2200-2204 9792", range(16, 20)),  # Mir, Troy
    ("50 56-69", range(13, 20)),  # Maestro, RuPay, Elo
)

# Each character of a text becomes one byte: its digit, _BETWEEN for a separator, _OTHER for anything else.
_BETWEEN, _OTHER = " ", "x"
# The mark of a digit that begins a group.
_FIRST = 0x80


def _table(value: Callable[[int], int]) -> bytes:
    return bytes(value(byte) for byte in range(256))


def _kind(character: str) -> str:
    if character == "\t" or unicodedata.category(character) in _SEPARATORS:
        return _BETWEEN
    digit = unicodedata.decimal(character, None)  # full-width and other digits are digits
    return _OTHER if digit is None else str(digit)


def _is_digit(byte: int) -> bool:
    return 0 <= (byte & ~_FIRST) - ord("0") <= 9


def _digit(byte: int) -> int:
    return (byte & ~_FIRST) - ord("0") if _is_digit(byte) else 0


def _bit(length: int) -> int:
    """Return the bit that stands for card numbers of this length."""
    return 1 << (length - _SHORTEST)


def _issued() -> list[int]:
    """Return, for each four-digit prefix, the bits of the lengths of card numbers that begin with it."""
    issued = [0] * 10_000
    for ranges, lengths in _SCHEMES:
        bits = sum(map(_bit, lengths))
        for first, _, last in (each.partition("-") for each in ranges.split()):
            for prefix in range(int(first.ljust(4, "0")), int((last or first).ljust(4, "9")) + 1):
                issued[prefix] |= bits
    return issued


# Tables for translate(), which turn a byte of the text, or of a sum, into a value in the integers below.
_KINDS = _table(lambda byte: ord(_kind(chr(byte))) if byte < 128 else ord(_OTHER))
_ONE_DIGIT = _table(lambda byte: ord("0") if _is_digit(byte) else byte)
_IS_DIGIT = _table(lambda byte: _FIRST if _is_digit(byte) else 0)
_BEGINS = _table(lambda byte: 0xFF if _is_digit(byte) and byte & _FIRST else 0)
_CONTINUES = _table(lambda byte: 0xFF if _is_digit(byte) and not byte & _FIRST else 0)
_IS_OTHER = _table(lambda byte: 0 if _is_digit(byte) else 0xFF)
_PLAIN = _table(_digit)
# The contribution to Luhn's sum of digits that are doubled: 5 becomes 10, and 10 counts as 1 + 0.
_DOUBLED = _table(lambda byte: sum(divmod(2 * _digit(byte), 10)))
_LUHN = {length: bytes(0 if byte % 10 else _bit(length) for byte in range(256)) for length in _LENGTHS}
# The lengths issued with a prefix, by its first two digits. Where these do not suffice, both pairs of digits
# count.
_ISSUED = _issued()
_BY_PAIRS = [_ISSUED[first : first + 100] for first in range(0, 10_000, 100)]
_BY_FIRST_PAIR = bytes(lengths[0] if len(set(lengths)) == 1 else 0 for lengths in _BY_PAIRS).ljust(256, b"\0")
_BY_BOTH_PAIRS = [
    (bytes(0xFF if pair == first else 0 for pair in range(256)), bytes(lengths).ljust(256, b"\0"))
    for first, lengths in enumerate(_BY_PAIRS)
    if len(set(lengths)) > 1
]


def has_long_run(text: str) -> bool:
    """Return True if ``text`` has as many digits in adjacent groups as the shortest card number."""
    return _has_long_run(_kinds(text))


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each card number in ``text``."""
    kinds = _kinds(text)
    if not _has_long_run(kinds):
        return
    kinds = kinds.replace(_GAP, _OTHER.encode() * len(_GAP))
    hits = _hits(kinds)
    places = [place for place, kind in enumerate(kinds) if kind != ord(_BETWEEN)] if hits else []
    passed = 0
    for begin in sorted(hits):
        if begin >= passed:
            passed = begin + hits[begin]
            yield places[begin], places[passed - 1] + 1


def contains(text: str) -> bool:
    """Return True if ``text`` contains a card number."""
    return next(find(text), None) is not None


def _kinds(text: str) -> bytes:
    if not text.isascii():
        text = text.translate({ord(character): _kind(character) for character in set(text)})
        return text.encode()
    return text.encode().translate(_KINDS)


def _has_long_run(kinds: bytes) -> bool:
    return b"0" * _SHORTEST in kinds.translate(_ONE_DIGIT, _BETWEEN.encode())


def _hits(kinds: bytes) -> dict[int, int]:
    """Return, by position, the length of the longest card number there. Separators are not counted."""
    stream = _without_separators(kinds) + _LONGEST * _OTHER.encode()
    size = len(stream)

    def lanes(table: bytes) -> int:
        return int.from_bytes(stream.translate(table), "little")

    values = lanes(_PLAIN), lanes(_DOUBLED)
    issued = _issued_at(values[0], size) & lanes(_BEGINS)
    continued, other = lanes(_CONTINUES) >> 8, lanes(_IS_OTHER)
    # For the run that ends at each position: its Luhn sum, and a mark if the run contains anything but
    # digits.
    sums = broken = 0
    hits: dict[int, int] = {}
    for length in range(1, _LONGEST + 1):
        distance = 8 * (length - 1)
        sums += values[(length - 1) % 2] << distance
        broken |= other << distance
        if length >= _SHORTEST:
            valid = int.from_bytes(sums.to_bytes(size, "little").translate(_LUHN[length]), "little")
            found = valid & (issued << distance) & ~broken & ~continued
            for end in _nonzero(found):
                hits[end - length + 1] = length
    return hits


def _without_separators(kinds: bytes) -> bytes:
    """Return the text without separators, with a mark on each digit that begins a group."""
    digits = int.from_bytes(kinds.translate(_IS_DIGIT), "little")
    begins = digits & ~(digits << 8)
    marked = int.from_bytes(kinds, "little") | begins
    return marked.to_bytes(len(kinds), "little").translate(None, _BETWEEN.encode())


def _issued_at(digits: int, size: int) -> int:
    """Return for each position, as bits, the lengths of card numbers that begin with its four digits."""
    pairs = (10 * digits + (digits >> 8)).to_bytes(size, "little")
    next_pairs = pairs[2:] + b"\0\0"
    issued = int.from_bytes(pairs.translate(_BY_FIRST_PAIR), "little")
    for is_pair, lengths in _BY_BOTH_PAIRS:
        those = int.from_bytes(pairs.translate(is_pair), "little")
        issued |= those & int.from_bytes(next_pairs.translate(lengths), "little")
    return issued


def _nonzero(lanes: int) -> Iterator[int]:
    if lanes:
        data = lanes.to_bytes((lanes.bit_length() + 7) // 8, "little")
        for found in re.finditer(rb"[^\0]", data):
            yield found.start()
