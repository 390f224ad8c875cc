"""Read the XML envelope of any WPG message from outside, hostile or merely broken.

The messages carry a DOCTYPE with an external id, so document types must be let through; it is never fetched,
and entities are refused (defusedxml's defaults). Real replies carry raw ``&`` and wrong encoding declarations
(activemerchant, worldpay.rb ``parse``).
"""

import codecs
import re
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.ElementTree import DefusedXMLParser

MAX_BYTES = 65_536
MAX_DEPTH = 40
MAX_ELEMENTS = 4_000

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
_RAW_AMPERSAND = re.compile(
    r"(<!\[CDATA\[.*?\]\]>)|&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)", re.S
)


class UnreadableMessage(Exception):
    """The bytes are not a WPG message. The text never quotes the message."""


class _BoundedBuilder(TreeBuilder):
    """Stops at depths and numbers of elements that no genuine message has."""

    def __init__(self, max_elements: int) -> None:
        super().__init__()
        self._depth = self._elements = 0
        self._max_elements = max_elements

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > self._max_elements:
            raise UnreadableMessage("too deep or too many elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_message(body: bytes, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> Element:
    """Return the ``paymentService`` element of ``body``; raises ``UnreadableMessage`` and nothing else."""
    if len(body) > max_bytes:
        raise UnreadableMessage(f"larger than {max_bytes} bytes")
    text = _DECLARATION.sub("", _decode(body)).strip()
    if not text:
        raise UnreadableMessage("empty")
    try:
        root = _parse(text, max_elements)
    except ParseError:
        root = _parse_repaired(text, max_elements)
    except ValueError as error:
        raise UnreadableMessage("entities are not accepted") from error
    if root.tag != "paymentService":
        raise UnreadableMessage("not a paymentService message")
    return root


def _parse(text: str, max_elements: int) -> Element:
    parser = DefusedXMLParser(target=_BoundedBuilder(max_elements), forbid_dtd=False)
    parser.feed(text)
    root: Element = parser.close()
    return root


def _parse_repaired(text: str, max_elements: int) -> Element:
    try:
        return _parse(_RAW_AMPERSAND.sub(lambda found: found[1] or "&amp;", text), max_elements)
    except (ParseError, ValueError) as error:
        raise UnreadableMessage("not well-formed XML") from error


def _decode(body: bytes) -> str:
    """Trust the bytes before their declaration: text that is valid UTF-8 hardly ever is anything else."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _DECLARED.match(body.lstrip())
        encoding = declared[1].decode() if declared else "cp1252"
    try:
        return body.decode(encoding)
    except (LookupError, UnicodeError):
        return body.decode("cp1252", errors="replace")
