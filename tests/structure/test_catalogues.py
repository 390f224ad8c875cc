"""The catalogues of translations: complete, with all placeholders, and compiled from the edited files."""

import re
from typing import Any

import pytest

from checkout.languages import LANGUAGES
from scripts.catalogues import LOCALE, PLACEHOLDER, TRANSLATIONS, compiled, source_of, translations_of

IN_FORMS_OF_ONE_AND_TWO = {"{count}"}
# English words that the language has, too; names; and texts without words.
SAME_AS_IN_ENGLISH = re.compile(r"Test|Total|Date|Item|Error: .*|Privacy|.*{least}.*")


def words(texts: Any) -> tuple[str, ...]:
    """Return the text of an entry, or its forms."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_every_text_has_a_translation_that_nobody_doubts(code):
    wrong = [
        message.id
        for message in translations_of(code)
        if message.id and (message.fuzzy or not all(text.strip() for text in words(message.string)))
    ]
    assert not wrong


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_a_translation_has_the_placeholders_of_its_text(code):
    wrong = []
    for message in translations_of(code):
        ids = words(message.id)
        expected = set(PLACEHOLDER.findall(ids[-1]))
        # "One second" and the dual of Arabic need no digit.
        may_lack = IN_FORMS_OF_ONE_AND_TWO if len(ids) > 1 else set()
        for text in words(message.string):
            found = set(PLACEHOLDER.findall(text))
            tags = [sorted(re.findall("</?[a-z]+>", each)) for each in (ids[-1], text)]
            if message.id and (not expected - may_lack <= found <= expected or tags[0] != tags[1]):
                wrong.append((message.id, text))
    assert not wrong


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_a_translation_is_not_the_english_text(code):
    same = [words(each.id)[0] for each in translations_of(code) if each.id and each.id == each.string]
    assert not [text for text in same if not SAME_AS_IN_ENGLISH.fullmatch(text)]


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_the_files_have_the_texts_of_the_code_and_are_compiled(code):
    catalogue = translations_of(code)
    folder = LOCALE / code / "LC_MESSAGES"
    advice = "run python -m scripts.catalogues"
    assert (folder / "django.po").read_bytes() == source_of(catalogue), advice
    assert (folder / "django.mo").read_bytes() == compiled(catalogue), advice


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_a_text_with_a_number_has_as_many_forms_as_the_language(code):
    catalogue = translations_of(code)
    counted = [message for message in catalogue if isinstance(message.id, tuple)]
    assert counted
    assert {len(words(message.string)) for message in counted} == {catalogue.num_plurals}


def test_each_language_has_a_catalogue():
    assert {*LANGUAGES} == {"en", *(folder.name for folder in LOCALE.iterdir())}
