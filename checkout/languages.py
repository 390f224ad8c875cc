"""The languages of the texts that shoppers read, and the choice of one of them.

The code has the English texts, and ``checkout/locale`` has Django's catalogues with their translations. Only
pages and e-mails activate a language. Programs read English.
"""

from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from checkout.conf import conf

COOKIE, PARAMETER = "checkout_language", "language"


@dataclass(frozen=True, slots=True)
class Language:
    """A language of our texts. ``formats`` is the tag (BCP 47) by which its money and dates are written."""

    code: str
    name: str
    formats: str
    direction: str = "ltr"

    def like(self, locale: str) -> "Language":
        """Return this language with the formats of a locale of it, such as de-CH for German."""
        return replace(self, formats=locale) if code_of(locale) == self.code else self


ENGLISH = Language("en", "English", "en")
LANGUAGES = {
    language.code: language
    for language in (
        ENGLISH,
        Language("es", "Español", "es"),
        Language("de", "Deutsch", "de"),
        Language("fr", "Français", "fr"),
        Language("it", "Italiano", "it"),
        Language("nl", "Nederlands", "nl"),
        Language("pt", "Português", "pt-PT"),
        Language("pl", "Polski", "pl"),
        Language("cy", "Cymraeg", "cy"),
        Language("ar", "العربية", "ar", direction="rtl"),
    )
}
# For choices of a model or a form.
CHOICES = [(language.code, language.name) for language in LANGUAGES.values()]


class Counted(str):
    """An English text with a number, of which ``translated`` chooses the plural form of the language.

    ``{count}`` stands for the number.
    """

    singular: str
    plural: str
    number: int

    def __new__(cls, singular: str, plural: str, number: int) -> "Counted":
        """Return the English text."""
        text = super().__new__(cls, (singular if number == 1 else plural).format(count=number))
        text.singular, text.plural, text.number = singular, plural, number
        return text


def translated(text: str) -> str:
    """Return a text of the code in the active language. A text that no catalogue has is returned as it is."""
    if isinstance(text, Counted):
        return translation.ngettext(text.singular, text.plural, text.number).format(count=text.number)
    return translation.gettext(text) if text else text


def code_of(locale: str) -> str:
    """Return the language of a tag (BCP 47): de for de-CH."""
    return locale.partition("-")[0].lower()


def locale_in(language: str, locale: str) -> str:
    """Return the locale if it is one of the language, or if the language is not known; else the language."""
    return locale if not language or code_of(locale) == language else language


def language_among(*locales: str) -> Language:
    """Return the language of the first locale that our texts have; English if there is none.

    Empty locales do not count.
    """
    code = next((code for locale in locales if (code := code_of(locale)) in LANGUAGES), ENGLISH.code)
    return LANGUAGES[code]


def language_of(request: HttpRequest, *locales: str, default: str = "") -> Language:
    """Return the language in which a shopper reads.

    It is the shopper's own choice, else that of the first of ``locales``, else of the browser, else
    ``default``, else English.
    """
    accepted = parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))
    return language_among(
        remembered_language(request), *locales, *(locale for locale, _ in accepted), default
    )


def remembered_language(request: HttpRequest) -> str:
    """Return the code of the language in which this browser has read pages of the same payment; or ""."""
    code = request.COOKIES.get(COOKIE, "")
    return code if code in LANGUAGES else ""


def remember_language(response: HttpResponse, code: str, path: str) -> None:
    """Have the browser read all pages below ``path`` in this language, until it is closed."""
    response.set_cookie(COOKIE, code, path=path, secure=conf.is_tls, httponly=True, samesite="Lax")


def load_catalogues() -> None:
    """Read all catalogues, which Django then keeps.

    Otherwise a request would wait for that, and might find the file of another release.
    """
    for code in LANGUAGES:
        with translation.override(code):
            translation.gettext("Language")
