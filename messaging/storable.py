"""The conditions for storing a message in a table, and the form in which any other is stored."""

import hashlib

from msgspec.structs import replace

from messaging.envelope import SUBJECT, Envelope, HeaderValue, encode_body

MALFORMED = "malformed"
# The lengths of the columns.
LONGEST = {"message_id": 64, "type": 100, "correlation_id": 120, "reply_to": 255, "subject": 100}


def defect_of(envelope: Envelope) -> str:
    """Return why no table can take the message; empty if one can."""
    for name, longest in LONGEST.items():
        if len(getattr(envelope, name)) > longest:
            return f"{name} has more than {longest} characters"
    texts = (envelope.message_id, envelope.type, envelope.correlation_id, envelope.reply_to)
    headers = (text for header in envelope.headers.items() for text in header if isinstance(text, str))
    if any("\0" in text for text in (*texts, *headers)):
        return "there is a NUL in a property or header"
    return ""


def fitted(envelope: Envelope) -> Envelope:
    """Return the message with its properties and headers as a table can take them.

    One without a proper id gets one that is made of its content: the same message always gets the same.
    """
    has_id = 0 < len(envelope.message_id) <= LONGEST["message_id"] and "\0" not in envelope.message_id
    headers: dict[str, HeaderValue] = {
        _cut(name, 255): _cut(value, len(value)) if isinstance(value, str) else value
        for name, value in envelope.headers.items()
    }
    if envelope.subject:
        headers[SUBJECT] = _cut(envelope.subject, LONGEST["subject"])
    return replace(
        envelope,
        type=_cut(envelope.type, LONGEST["type"]),
        message_id=envelope.message_id if has_id else f"{MALFORMED}-{fingerprint_of(envelope)[:40]}",
        correlation_id=_cut(envelope.correlation_id, LONGEST["correlation_id"]),
        reply_to=_cut(envelope.reply_to, LONGEST["reply_to"]),
        headers=headers,
    )


def fingerprint_of(envelope: Envelope) -> str:
    """Return a SHA-256 in hexadecimal by which a message that comes again is known.

    A sender that gives one id to several messages does not make one of them: what a message is about, and
    what it answers, count as well.
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
    """Return the size and SHA-256 of a body, which is all that is kept of one that could be anything."""
    return encode_body({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})


def _cut(text: str, length: int) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:length]
