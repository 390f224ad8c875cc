"""The parts of an HTML page that a browser acts on: its forms, its scripts and its data attributes.

As in a browser with JavaScript, the content of ``<noscript>`` is ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

Attributes = dict[str, str]
NOT_RENDERED = {"noscript", "template"}
INVISIBLE = {"hidden", "submit", "image", "button", "reset"}


class UnexpectedPage(Exception):
    """The page is not the one that a shopper would expect at this point."""


@dataclass(slots=True)
class Form:
    """A form of a page. ``action`` is absolute. ``fields`` has the values of the unchanged form."""

    action: str
    method: str = "GET"
    target: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    is_for_people: bool = False
    """True if there is something to fill in or to choose. Any other form can only be sent."""

    def opens_frame(self, is_in_frame: bool) -> bool:
        """Return True if the result is shown in a frame.

        ``is_in_frame`` is True if the form's page is in one.
        """
        if self.target in ("", "_self"):
            return is_in_frame
        return not self.target.startswith("_")

    def filled(self, values: Mapping[str, str], *, press: tuple[str, str] | None = None) -> dict[str, str]:
        """Return the data to submit if ``values`` are typed in and the named button is pressed.

        Raises ``UnexpectedPage`` if the form lacks one of these fields or the button.
        """
        missing = [name for name in values if name not in self.fields]
        if press is not None and press not in self.buttons:
            missing.append("=".join(press))
        if missing:
            raise UnexpectedPage(f"The form that goes to {self.action} has no {', '.join(missing)}.")
        return {**self.fields, **values, **dict([press] if press else [])}


@dataclass(slots=True)
class Document:
    """The parts of a page that a shopper's browser acts on."""

    forms: list[Form] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    data: Attributes = field(default_factory=dict)
    """Every ``data-`` attribute of the page, by its name without that prefix."""


def read_document(html: str, url: str) -> Document:
    """Parse a page that was loaded from ``url``."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.document


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.document = Document()
        self._url = url
        self._form: Form | None = None
        self._select = ""
        self._textarea = ""
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in NOT_RENDERED
        if self._unseen:
            return
        attributes = {name: value or "" for name, value in attrs}
        self.document.data.update(
            {name[5:]: value for name, value in attributes.items() if name.startswith("data-")}
        )
        if tag == "script" and "src" in attributes:
            self.document.scripts.append(urljoin(self._url, attributes["src"]))
        elif tag == "form":
            self._form = Form(
                action=urljoin(self._url, attributes.get("action", "")),
                method=attributes.get("method", "get").upper(),
                target=attributes.get("target", ""),
            )
            self.document.forms.append(self._form)
        elif self._form is not None and "disabled" not in attributes:
            self._control(tag, attributes, self._form)

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in NOT_RENDERED
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea and self._form is not None and not self._unseen:
            self._form.fields[self._textarea] += data

    def _control(self, tag: str, attributes: Attributes, form: Form) -> None:
        name, value = attributes.get("name", ""), attributes.get("value", "")
        kind = attributes.get("type", "submit" if tag == "button" else "text").lower()
        if tag == "option" and self._select:
            if self._select not in form.fields or "selected" in attributes:
                form.fields[self._select] = value
            return
        form.is_for_people |= tag in ("input", "select", "textarea") and kind not in INVISIBLE
        if not name:
            return
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = name
            form.fields[name] = ""
        elif tag in ("button", "input") and kind == "submit":
            form.buttons.append((name, value))
            form.is_for_people = True
        elif tag == "input" and kind in ("checkbox", "radio"):
            if "checked" in attributes:
                form.fields[name] = value or "on"
        elif tag == "input" and kind not in INVISIBLE - {"hidden"}:
            form.fields[name] = value
