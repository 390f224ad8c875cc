"""The envelope: everything that a message carries besides its body. Its contract is ``docs/messages.md``."""

import os
import secrets
import time
from collections.abc import Mapping
from itertools import count
from typing import Annotated, Any

import msgspec

from messaging.conf import conf
from messaging.errors import MalformedMessage, RemoteError
from messaging.logs import work

HeaderValue = str | int | bool

JSON = "application/json"
MAX_BODY_BYTES = 262_144
MAX_CHANNEL_BODY_BYTES = 2_097_152  # The Channels specification asks for at least a megabyte.
REPLY = "reply"  # The type of a message that answers a command.
MALFORMED_REPLY = "malformed_reply"  # The code of the error in the reply that replaces a malformed one.

# Header names. Headers with other names are neither read nor written. The broker obeys some, such as CC.
DEADLINE = "deadline"  # epoch milliseconds; the service decides how to use it
TRACEPARENT, TRACESTATE = work.CONTEXT
BAGGAGE = "baggage"  # W3C Baggage
SCHEMA_VERSION = "schema-version"
CAUSATION_ID = "causation-id"  # message id of the message whose handling caused this one
SUBJECT = "subject"  # the reference of the thing that the message is about
SEALED = "sealed"  # a secret for one participant further down; passed on, never stored
PROOF = "proof"  # proof that a program with the secret key has written this message (access/proofs.py)
ORIGIN = "origin"  # the process that sends to a group of the channel layer
CHANNEL = "channel"  # the receiver in the channel layer

# Headers that are copied to the messages that a message causes.
TRAVELLING = frozenset({TRACEPARENT, TRACESTATE, BAGGAGE})
# The attributes of an event have one of these prefixes; ours have the first.
EVENT_HEADERS = ("cloudEvents:", "cloudEvents_")
# Headers whose names begin with one of these are read and written as well. The last one is that of dead
# letters.
PREFIXES = (*EVENT_HEADERS, "dead-")
_ANY = (str, int)
# The types that a header's value may have; a message with another type breaks the contract.
KINDS: Mapping[str, tuple[type, ...]] = {
    DEADLINE: (int,),
    TRACEPARENT: (str,),
    TRACESTATE: (str,),
    BAGGAGE: (str,),
    SCHEMA_VERSION: _ANY,
    CAUSATION_ID: (str,),
    SUBJECT: (str,),
    SEALED: (str,),
    PROOF: _ANY,
    ORIGIN: _ANY,
    CHANNEL: _ANY,
}


def kinds_of(name: str) -> tuple[type, ...]:
    """Return the types that this header's value may have; none if the header is neither read nor written."""
    return KINDS.get(name) or (_ANY if name.startswith(PREFIXES) else ())


_process_bits = 0
_counter = count()


def _seed_process_bits() -> None:
    global _process_bits, _counter
    _process_bits = secrets.randbits(40)
    _counter = count()


_seed_process_bits()
os.register_at_fork(after_in_child=_seed_process_bits)


def new_message_id() -> str:
    """Return a UUID of version 7 (RFC 9562): milliseconds, a counter and 40 bits that are random per process.

    Ids are ordered by time, and within one process even inside a millisecond. Creating one needs no system
    call for random bits.
    """
    number = next(_counter)
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    low = f"{0b10 << 62 | _process_bits << 22 | number & 0x3FFFFF:016x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7{number >> 22 & 0xFFF:03x}-{low[:4]}-{low[4:]}"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``body`` is JSON unless ``content_type`` says otherwise; ``timestamp`` is epoch seconds.

    The broker compares ``user_id`` with the connection's user, so that a receiver may trust it; when a
    message is sent, the connection fills it in. Raises MalformedMessage for a body over the limit.
    """

    type: str
    body: bytes
    message_id: str = msgspec.field(default_factory=new_message_id)
    correlation_id: str = ""
    reply_to: str = ""
    timestamp: int = msgspec.field(default_factory=lambda: int(time.time()))
    app_id: str = msgspec.field(default_factory=lambda: conf.app_id)
    user_id: str = ""
    content_type: str = JSON
    headers: Mapping[str, HeaderValue] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        limit = MAX_BODY_BYTES if self.content_type == JSON else MAX_CHANNEL_BODY_BYTES
        if len(self.body) > limit:
            raise MalformedMessage(f"a body of {len(self.body)} bytes is over the limit of {limit}")

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # Neither body nor headers are shown, because they may hold secrets.
        shown = ("type", "message_id", "correlation_id", "reply_to", "content_type")
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        return f"Envelope({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def deadline(self) -> int | None:
        """The time at which the sender stops waiting, in epoch milliseconds; None if the sender gave none."""
        value = self.headers.get(DEADLINE)
        return value if isinstance(value, int) else None

    @property
    def subject(self) -> str:
        """The reference of the thing that the message is about; empty if there is none."""
        return str(self.headers.get(SUBJECT, ""))

    @property
    def causation_id(self) -> str:
        """The id of the message that caused this one."""
        return str(self.headers.get(CAUSATION_ID, ""))

    @property
    def sealed(self) -> str:
        """The opaque secret that travels with this message."""
        return str(self.headers.get(SEALED, ""))

    def with_sealed(self, sealed: str) -> "Envelope":
        """Return the same message with this sealed secret, or without one if ``sealed`` is empty."""
        headers = {name: value for name, value in self.headers.items() if name != SEALED}
        if sealed:
            headers[SEALED] = sealed
        return msgspec.structs.replace(self, headers=headers)

    def travelling_headers(self) -> dict[str, HeaderValue]:
        """Return the headers that every message caused by this one carries, without ``sealed``."""
        return {name: value for name, value in self.headers.items() if name in TRAVELLING}


def command_envelope(
    type: str,
    body: object,
    *,
    subject: str = "",
    correlation_id: str = "",
    reply_to: str = "",
    headers: Mapping[str, HeaderValue] | None = None,
    message_id: str = "",
) -> Envelope:
    """Return a command of this type, with a new id unless one is given.

    It has the headers that the present work passes on.
    """
    own: dict[str, HeaderValue] = {SCHEMA_VERSION: 1}
    if subject:
        own[SUBJECT] = subject
    return Envelope(
        type=type,
        body=encode_body(body),
        message_id=message_id or new_message_id(),
        correlation_id=correlation_id,
        reply_to=reply_to,
        headers={**work.headers(), **(headers or {}), **own},
    )


class ReplyError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason why a command failed: a code for programs, a text for people, and whether to try again."""

    code: Annotated[str, msgspec.Meta(description="A word for programs.", examples=["out_of_stock"])]
    message: Annotated[
        str, msgspec.Meta(description="A text for people.", examples=["The goods have sold out."])
    ]
    retryable: Annotated[
        bool, msgspec.Meta(description="True if the same command may succeed later.", examples=[False])
    ] = False


class Reply(msgspec.Struct, frozen=True):
    """The body of a reply: ``{"ok": true, "result": {…}}`` or ``{"ok": false, "error": {…}}``."""

    ok: bool
    result: dict[str, Any] = msgspec.field(default_factory=dict)
    error: ReplyError | None = None

    @classmethod
    def success(cls, result: Any) -> "Reply":
        """Return a reply that carries ``result``, a dictionary or a struct."""
        return cls(ok=True, result=msgspec.to_builtins(result))

    @classmethod
    def failure(cls, code: str, message: str, retryable: bool = False) -> "Reply":
        """Return a reply that carries an error."""
        return cls(ok=False, error=ReplyError(code, message, retryable))

    @classmethod
    def malformed(cls, reason: str) -> "Reply":
        """Return the reply that replaces one that breaks the contract. It does not say what happened."""
        return cls.failure(MALFORMED_REPLY, reason)

    @property
    def tells_nothing(self) -> bool:
        """Return True if the reply cannot be understood, so that the command may have been carried out."""
        return self.error is not None and self.error.code == MALFORMED_REPLY

    def encode(self) -> bytes:
        """The JSON body."""
        if self.ok:
            return msgspec.json.encode({"ok": True, "result": self.result})
        return msgspec.json.encode({"ok": False, "error": self.error})

    @classmethod
    def decode(cls, body: bytes) -> "Reply":
        """Read the JSON body of a reply. Raises MalformedMessage if it breaks the contract."""
        try:
            read = _REPLY.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(f"not a reply: {error}") from error
        if read.ok and isinstance(read.result, dict) and read.error is msgspec.UNSET:
            return cls(ok=True, result=read.result)
        if not read.ok and isinstance(read.error, ReplyError) and read.result is msgspec.UNSET:
            return cls(ok=False, error=read.error)
        raise MalformedMessage("a reply has either a result or an error")

    def unwrap(self) -> dict[str, Any]:
        """Return the result. Raises RemoteError if the service answered with an error."""
        if self.error is not None:
            raise RemoteError(self.error.code, self.error.message, self.error.retryable)
        return self.result


class _ReplyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A reply as it is on the wire, where an absent member differs from an empty one."""

    ok: bool
    result: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    error: ReplyError | msgspec.UnsetType = msgspec.UNSET


_REPLY = msgspec.json.Decoder(_ReplyBody)


def encode_body(body: object) -> bytes:
    """Return the JSON of a struct or dictionary; bytes are taken to be JSON already."""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)
