"""Mask values in an XML document without changing its structure.

If the whole text were masked instead, a value such as ``pan="`` could make the mask reach beyond its element.
"""

from collections.abc import Callable, Collection
from functools import cache
from xml.etree.ElementTree import Element, tostring

from checkout.privacy.scrubbing import SECRET, contains_card_number, is_masked, mask_of, scrub_value


def scrub_tree(root: Element, secrets: Collection[str] = ()) -> str:
    """Return the document as text, with each value masked by its name, or scrubbed. ``root`` is changed.

    The sender also chooses the names of elements. If these contain card data or secrets, the text is scrubbed
    as well.
    """
    # A cache, because most elements of a message share a few names.
    mask_for = cache(mask_of)
    for element in root.iter():
        _scrub(element, secrets, mask_for)
    text = tostring(root, encoding="unicode")
    is_clean = not contains_card_number(text) and not any(secret in text for secret in secrets)
    return text if is_clean else scrub_value(text, secrets)


def _scrub(element: Element, secrets: Collection[str], mask_for: Callable[[str], str | None]) -> None:
    mask = mask_for(element.tag)
    if mask is not None and not _is_masked("".join(element.itertext()), mask):
        del element[:]
        element.text = mask
    elif element.text:
        element.text = scrub_value(element.text, secrets)
    if element.tail:
        element.tail = scrub_value(element.tail, secrets)
    for name, value in element.items():
        mask = mask_for(name)
        hidden = mask if mask and not _is_masked(value, mask) else scrub_value(value, secrets)
        if hidden != value:
            element.set(name, hidden)


def _is_masked(value: str, mask: str) -> bool:
    return mask == SECRET and is_masked(value)
