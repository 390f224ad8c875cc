"""Mask values in an XML document, so that its elements stay what they were.

Masking its text instead would let a value reach beyond its element: a card holder may be called ``pan="``.
"""

from collections.abc import Collection, Iterable
from xml.etree.ElementTree import Element, tostring

from checkout.privacy.scrubbing import SECRET, contains_card_number, is_masked, mask_of, scrub_value


def scrub_tree(root: Element, secrets: Collection[str] = ()) -> str:
    """Return the document as text, each value masked as its name demands, or scrubbed. ``root`` is changed.

    The names are the sender's words, too. If they contain what must not be kept, the text is masked as well.
    """
    for element in root.iter():
        _scrub(element, secrets)
    text = tostring(root, encoding="unicode")
    is_clean = not contains_card_number(text) and not any(secret in text for secret in secrets)
    return text if is_clean else scrub_value(text, secrets)


def _scrub(element: Element, secrets: Collection[str]) -> None:
    mask = _mask_for(element.tag, element.itertext())
    if mask is not None:
        del element[:]
        element.text = mask
    elif element.text:
        element.text = scrub_value(element.text, secrets)
    if element.tail:
        element.tail = scrub_value(element.tail, secrets)
    for name, value in element.items():
        element.set(name, _mask_for(name, [value]) or scrub_value(value, secrets))


def _mask_for(name: str, texts: Iterable[str]) -> str | None:
    mask = mask_of(name)
    return None if mask == SECRET and is_masked("".join(texts)) else mask
