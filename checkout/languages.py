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
    """A language of our texts. ``formats`` is the tag (BCP 47) for the formats of amounts and dates."""

    code: str
    name: str
    formats: str
    direction: str = "ltr"

    def like(self, locale: str) -> "Language":
        """Return this language with the formats of ``locale``, such as de-CH, if that belongs to it."""
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
# The choices of a model's or form's field.
CHOICES = [(language.code, language.name) for language in LANGUAGES.values()]


class Counted(str):
    """An English text with a number. ``translated`` chooses the plural form.

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
    """Return a text of the code in the active language; the English text if no catalogue has it."""
    if isinstance(text, Counted):
        return translation.ngettext(text.singular, text.plural, text.number).format(count=text.number)
    return translation.gettext(text) if text else text


def code_of(locale: str) -> str:
    """Return the language code in a tag (BCP 47): de for de-CH."""
    return locale.partition("-")[0].lower()


def locale_in(language: str, locale: str) -> str:
    """Return ``locale`` if it belongs to ``language`` or ``language`` is empty; otherwise ``language``."""
    return locale if not language or code_of(locale) == language else language


def language_among(*locales: str) -> Language:
    """Return the language of the first locale for which there are texts; English if there is none.

    Empty locales are skipped.
    """
    code = next((code for locale in locales if (code := code_of(locale)) in LANGUAGES), ENGLISH.code)
    return LANGUAGES[code]


def language_of(request: HttpRequest, *locales: str, default: str = "") -> Language:
    """Return the language in which a shopper reads.

    The order is: the shopper's own choice, the first known one of ``locales``, the browser's, ``default``,
    English.
    """
    accepted = parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))
    return language_among(
        remembered_language(request), *locales, *(locale for locale, _ in accepted), default
    )


def remembered_language(request: HttpRequest) -> str:
    """Return the language code in this browser's cookie for the payment's pages; "" without one."""
    code = request.COOKIES.get(COOKIE, "")
    return code if code in LANGUAGES else ""


def remember_language(response: HttpResponse, code: str, path: str) -> None:
    """Set the cookie that chooses this language for pages below ``path``, until the browser is closed."""
    response.set_cookie(COOKIE, code, path=path, secure=conf.is_tls, httponly=True, samesite="Lax")


def load_catalogues() -> None:
    """Read all catalogues. Django keeps them in memory.

    Otherwise a request would wait for a catalogue, and might read the file of another release.
    """
    for code in LANGUAGES:
        with translation.override(code):
            translation.gettext("Language")
