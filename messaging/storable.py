"""The conditions under which a message fits into a table, and the shortened form of one that does not."""

import hashlib
from collections.abc import Mapping

from msgspec.structs import replace

from messaging.envelope import KINDS, MAX_BODY_BYTES, SUBJECT, Envelope, HeaderValue, encode_body

MALFORMED = "malformed"
# The lengths of the columns.
LONGEST = {"message_id": 64, "type": 100, "correlation_id": 120, "reply_to": 255, "subject": 100}
# AMQP's limit for a property or a header's name, in bytes.
LONGEST_SHORT = 255
# The limit for the names and texts of all headers together, plus a few characters for the length and kind of
# each. They have to fit into one frame, of 128 KiB, at four bytes a character and together with the headers
# that a dead letter, or a message caused by this one, adds.
MAX_HEADERS_CHARACTERS = 30_000
CHARACTERS_OF_A_HEADER = 8
LONGEST_KEPT_HEADER = 1000


def defect_of(envelope: Envelope) -> str:
    """Return why the message does not fit into a table; empty if it does."""
    if len(envelope.body) > MAX_BODY_BYTES:  # whatever its type of content is
        return f"a body of {len(envelope.body)} bytes is over the limit of {MAX_BODY_BYTES}"
    for name, longest in LONGEST.items():
        if len(getattr(envelope, name)) > longest:
            return f"{name} has more than {longest} characters"
    texts = (envelope.message_id, envelope.type, envelope.correlation_id, envelope.reply_to)
    headers = (text for header in envelope.headers.items() for text in header if isinstance(text, str))
    if has_large_headers(envelope.headers):
        return f"the headers have more than {MAX_HEADERS_CHARACTERS} characters"
    if any("\0" in text for text in (*texts, *headers)):
        return "there is a NUL in a property or header"
    return ""


def fitted(envelope: Envelope) -> Envelope:
    """Return the message with properties and headers cut so that it fits into a table, and can be sent again.

    They may have grown: each NUL, and each byte that is not UTF-8, has become a character of three bytes. A
    message without a valid id gets one made of its content, so that the same message always gets the same id.
    """
    has_id = 0 < len(envelope.message_id) <= LONGEST["message_id"] and "\0" not in envelope.message_id
    headers: dict[str, HeaderValue] = {
        _cut(name): _without_nul(value) if isinstance(value, str) else value
        for name, value in cut_headers(envelope.headers).items()
    }
    if envelope.subject:
        headers[SUBJECT] = _cut(envelope.subject, LONGEST["subject"])
    return replace(
        envelope,
        type=_cut(envelope.type, LONGEST["type"]),
        message_id=envelope.message_id if has_id else f"{MALFORMED}-{fingerprint_of(envelope)[:40]}",
        correlation_id=_cut(envelope.correlation_id, LONGEST["correlation_id"]),
        reply_to=_cut(envelope.reply_to),
        app_id=_cut(envelope.app_id),
        headers=headers,
    )


def has_large_headers(headers: Mapping[str, HeaderValue]) -> bool:
    """Return True if the headers exceed their limit."""
    return sum(map(_size, headers.items())) > MAX_HEADERS_CHARACTERS


def cut_headers(headers: Mapping[str, HeaderValue]) -> Mapping[str, HeaderValue]:
    """Return the headers; if they exceed their limit, return the first ones, with their texts cut."""
    if not has_large_headers(headers):
        return headers
    kept: dict[str, HeaderValue] = {}
    room = MAX_HEADERS_CHARACTERS
    # The sender chooses the number of other headers, and RabbitMQ sorts all of them by name.
    for name, value in sorted(headers.items(), key=lambda header: header[0] not in KINDS):
        kept[name] = value[:LONGEST_KEPT_HEADER] if isinstance(value, str) else value
        room -= _size((name, kept[name]))
        if room < LONGEST_KEPT_HEADER:
            break
    return kept


def _size(header: tuple[str, HeaderValue]) -> int:
    name, value = header
    return CHARACTERS_OF_A_HEADER + len(name) + (len(value) if isinstance(value, str) else 0)


def fingerprint_of(envelope: Envelope) -> str:
    """Return a SHA-256 in hexadecimal that identifies a message when it arrives again.

    A sender may give several messages the same id. They remain distinct, because the hash also covers their
    subject, their correlation id and their other properties.
    """
    parts = (
        envelope.message_id,
        envelope.type,
        envelope.correlation_id,
        envelope.subject,
        envelope.user_id,
        envelope.app_id,
    )
    return hashlib.sha256(encode_body([*parts, hashlib.sha256(envelope.body).hexdigest()])).hexdigest()


def digest_of(body: bytes) -> bytes:
    """Return the size and SHA-256 of a body, to be stored in place of a body that could contain anything."""
    return encode_body({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})


def _cut(text: str, length: int = LONGEST_SHORT) -> str:
    return _without_nul(text)[:length].encode()[:LONGEST_SHORT].decode(errors="ignore")


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
