"""The catalogues of translations: collect the texts for shoppers, update the files, compile them.

``python -m scripts.catalogues`` writes ``checkout/locale``: each text in the code gets an entry in each
language, which is empty until somebody translates it. Texts that are no longer in the code are removed. It
needs no gettext.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from checkout.languages import ENGLISH, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "checkout" / "locale"
TRANSLATIONS = [code for code in LANGUAGES if code != ENGLISH.code]
KEYWORDS = {"_": None, "gettext": None, "gettext_noop": None, "ngettext": (1, 2), "Counted": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)s|{\w+}")

_TWO = "nplurals=2; plural=(n != 1);"
# The number of each language's plural forms for whole numbers, from CLDR. Django's own catalogue of Welsh has
# fewer.
PLURALS = {
    **dict.fromkeys(("es", "de", "it", "nl", "pt"), _TWO),
    "fr": "nplurals=2; plural=(n > 1);",
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);",
    "cy": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n==3 ? 3 : n==6 ? 4 : 5);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : "
    "n%100>=11 ? 4 : 5);",
}


class Translations(Catalog):
    """A catalogue with a minimal header, which has no dates that would change at each run."""

    def __init__(self, code: str) -> None:
        note = "# The texts for shoppers in one language. scripts/catalogues.py keeps this file."
        super().__init__(locale=code, header_comment=note, fuzzy=False)
        self.code = code

    @property
    def num_plurals(self) -> int:
        """The number of plural forms."""
        return int(re.findall(r"\d+", PLURALS[self.code])[0])

    @property  # type: ignore[misc]
    def mime_headers(self) -> list[tuple[str, str]]:
        """The header of the files."""
        return [
            ("Language", self.code),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", PLURALS[self.code]),
        ]


def texts() -> dict[str | tuple[str, ...], list[str]]:
    """Return the texts in the code, or pairs of singular and plural, each with the files that have it."""
    found: dict[str | tuple[str, ...], list[str]] = {}
    for name, content in _sources():
        for _, text, _, _ in extract("python", BytesIO(content.encode()), KEYWORDS):
            files = found.setdefault(text, [])
            if name not in files:
                files.append(name)
    return found


def _sources() -> Iterator[tuple[str, str]]:
    """Yield the Python source of each file. Django turns templates into calls of gettext."""
    for template in sorted((ROOT / "templates").rglob("*.*")):
        yield str(template.relative_to(ROOT)), templatize(template.read_text(), str(template))
    for folder in ("checkout", "payments_gateway"):
        for module in sorted((ROOT / folder).rglob("*.py")):
            yield str(module.relative_to(ROOT)), module.read_text()


def translations_of(code: str) -> Translations:
    """Return an entry for each text in a language: that of the file, or an empty one."""
    file = LOCALE / code / "LC_MESSAGES" / "django.po"
    known = read_po(BytesIO(file.read_bytes()), locale=code) if file.exists() else Catalog()
    catalogue = Translations(code)
    for text, files in texts().items():
        entry = known.get(text if isinstance(text, str) else text[0])
        catalogue.add(
            text,
            entry.string if entry else None,
            locations=[(name, 0) for name in files],
            flags=entry.flags if entry else (),
            user_comments=entry.user_comments if entry else (),
        )
    return catalogue


def source_of(catalogue: Catalog) -> bytes:
    """Return the file that people edit."""
    file = BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False, sort_by_file=True)
    return file.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """Return the file that programs read."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def main() -> None:
    """Write the files of all languages."""
    for code in TRANSLATIONS:
        folder = LOCALE / code / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        catalogue = translations_of(code)
        (folder / "django.po").write_bytes(source_of(catalogue))
        (folder / "django.mo").write_bytes(compiled(catalogue))
        empty = sum(not all(_strings(entry)) for entry in catalogue if entry.id)
        print(f"{code}: {len(catalogue)} texts, {empty} without a translation")


def _strings(entry: object) -> tuple[str, ...]:
    string = getattr(entry, "string", "") or ""
    return string if isinstance(string, tuple) else (string,)


if __name__ == "__main__":
    main()
