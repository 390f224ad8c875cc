"""A pseudo-language: each text is longer, and in brackets that show where a page cuts it off."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice

from django.utils import translation
from django.utils.translation import trans_real

# A private language tag (BCP 47), which no catalogue can have.
CODE = "x-pseudo"
ACCENTS = str.maketrans("aeiounyAEIOU", "áéíóúñýÁÉÍÓÚ")
KEPT = re.compile(r"(%\(\w+\)s|{\w+}|</?strong>)")
PADDING = "lorem ipsum dolor sit amet "


def pseudo(text: str) -> str:
    """Return the text with accents, about a third longer, in brackets."""
    parts = (part if KEPT.fullmatch(part) else part.translate(ACCENTS) for part in KEPT.split(text))
    longer = "".join(islice(cycle(PADDING), max(3, len(text) // 3))).strip()
    return f"⟦{''.join(parts)} {longer}⟧"


class _Pseudo(trans_real.DjangoTranslation):
    def __init__(self) -> None:
        super().__init__("en")

    def gettext(self, message: str) -> str:
        return pseudo(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return pseudo(msgid1 if n == 1 else msgid2)


@contextmanager
def in_place_of(code: str) -> Iterator[None]:
    """Use the pseudo-language in place of every language that is activated."""
    before = trans_real.translation(code)
    trans_real._translations[code] = _Pseudo()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trans_real._translations[code] = before  # type: ignore[attr-defined]
        translation.deactivate_all()
