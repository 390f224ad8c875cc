"""Read the XML envelope of any WPG message from outside, which may be hostile or broken.

The messages carry a DOCTYPE with an external id, so document types must be accepted. The external one is
never fetched, and entities are refused (defusedxml's defaults). An internal document type is refused as well,
because it could supply attributes that the message lacks, for example a currency. Real replies contain raw
``&`` and wrong encoding declarations (activemerchant, worldpay.rb ``parse``), and some examples an ill-formed
document type (support.worldpay.com, paypal-ssl, captured).

All functions take time proportional to the size of the message, because anyone may send a notification.
"""

import codecs
import re
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.ElementTree import DefusedXMLParser

MAX_BYTES = 65_536
MAX_DEPTH = 40
MAX_ELEMENTS = 4_000

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# A document type without an internal subset. It is not used. Worldpay's examples lack a blank in it.
_DOCUMENT_TYPE = re.compile(r"\A<!DOCTYPE\s[^<>\[\]]{0,500}>")
_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
# An unclosed CDATA section extends to the end of the text. If the pattern did not match it, a text with many
# of them would be searched to the end once for each.
_RAW_AMPERSAND = re.compile(
    r"(<!\[CDATA\[.*?(?:\]\]>|\Z))|&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)", re.S
)
# Encodings that are decoded as declared. Others (such as punycode) are slow, and Python keeps every requested
# name in memory.
_ENCODINGS = re.compile(r"iso[-_]?8859[-_]\d{1,2}|(?:windows-|cp)125\d", re.IGNORECASE)


class UnreadableMessage(Exception):
    """The bytes are not a WPG message. The error's text never quotes the message."""


class _BoundedBuilder(TreeBuilder):
    """A builder that refuses more depth and more elements than any genuine message has."""

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


class _Parser(DefusedXMLParser):
    """A parser that accepts a document type only if it consists of the address of an external one."""

    def __init__(self, target: TreeBuilder) -> None:
        super().__init__(target=target, forbid_dtd=True)

    def defused_start_doctype_decl(
        self, name: str, sysid: str | None, pubid: str | None, has_internal_subset: bool
    ) -> None:
        if has_internal_subset:
            raise UnreadableMessage("a document type of its own in it")


def read_message(body: bytes, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> Element:
    """Return the ``paymentService`` element of ``body``. Raises only ``UnreadableMessage``."""
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
    parser = _Parser(target=_BoundedBuilder(max_elements))
    parser.feed(text)
    root: Element = parser.close()
    return root


def _parse_repaired(text: str, max_elements: int) -> Element:
    text = _DOCUMENT_TYPE.sub("", text)
    try:
        return _parse(_RAW_AMPERSAND.sub(lambda found: found[1] or "&amp;", text), max_elements)
    except (ParseError, ValueError) as error:
        raise UnreadableMessage("not well-formed XML") from error


def _decode(body: bytes) -> str:
    """Decode as UTF-8 if possible, despite any declared encoding: other text is hardly ever valid UTF-8."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = _DECLARED.match(body.lstrip())
    try:
        encoding = declared[1].decode() if declared else ""
        if _ENCODINGS.fullmatch(encoding):
            return body.decode(encoding)
    except (LookupError, UnicodeError):
        pass
    return body.decode("cp1252", errors="replace")
