"""The parts of a page that a scripted shopper reads.

They are found by regular expressions, since a parser would take more time than the gateway itself.
"""

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urljoin

FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
INPUT = re.compile(r"<input\b([^>]*)>")
ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
# A box is sent only if it is ticked, and a button only if it is pressed.
NOT_SENT = ("submit", "checkbox")
HEADING = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
SAVED_CARD = re.compile(r'name="saved_card" value="(\w+)"')
SESSION = re.compile(r"SessionId\W+([\w-]+)")


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `action` is an absolute URL; `fields` are the values that the form sends if left unchanged."""

    action: str
    fields: dict[str, str]


def forms_of(text: str, url: str) -> list[Form]:
    """Return every form of the page that came from `url`."""
    return [_form(head, body, url) for head, body in FORM.findall(text)]


def form_to(part: str, text: str, url: str) -> Form | None:
    """Return the form whose action contains `part`."""
    return next((form for form in forms_of(text, url) if part in form.action), None)


def heading_of(text: str) -> str:
    found = HEADING.search(text)
    return unescape(found[1].strip()) if found else ""


def saved_cards_on(text: str) -> list[str]:
    """Return the ids of the saved cards that a page offers."""
    return SAVED_CARD.findall(text)


def device_data_session(text: str) -> str:
    """Return the session id in the provider's device data page, or "" if there is none."""
    found = SESSION.search(unescape(text))
    return found[1] if found else ""


def _form(head: str, body: str, url: str) -> Form:
    fields = {}
    for control in INPUT.findall(body):
        attributes = dict(ATTRIBUTE.findall(control))
        if "name" in attributes and attributes.get("type") not in NOT_SENT:
            fields[attributes["name"]] = unescape(attributes.get("value", ""))
    return Form(urljoin(url, unescape(dict(ATTRIBUTE.findall(head)).get("action", ""))), fields)
