"""Replies that never arrive or violate HTTP, and replies whose XML violates the grammar."""

import asyncio
import re
from collections.abc import Callable

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.bank.tokens import NOT_FOUND as TOKEN_NOT_FOUND
from sandbox.errors import NOT_FOUND as ORDER_NOT_FOUND, NOT_READY, RequestRefused
from sandbox.faults.connections import Connection
from sandbox.faults.fault_settings import ReplyKnob
from sandbox.faults.pages import HTML, Silence, gone
from sandbox.messages.replies import error_reply
from sandbox.wpg.incoming import Message

PAYMENT = re.compile(rb"<payment>.*?</payment>", re.DOTALL)
AUTHORISED, REFUSED = b"<lastEvent>AUTHORISED</lastEvent>", b"<lastEvent>REFUSED</lastEvent>"
ERROR = b'<error code="1">Internal error</error>'
AMOUNT = re.compile(rb"<amount [^>]*/>")
LAST_EVENT = re.compile(rb"<lastEvent>[^<]*</lastEvent>")
SENT_FOR_AUTHORISATION = b"<lastEvent>SENT_FOR_AUTHORISATION</lastEvent>"
# Errors that leave open whether the message was acted upon: codes of the provider's grammar.
UNDECIDED = {
    "internal_error": (1, "Internal error"),
    "not_available": (8, "Payment service not available, try again later"),
    "in_progress": (9, "A request with this Idempotency-Key is in progress"),
    "three_ds_error": (13, "3DS Flex: communication error"),
    "token_error": (14, "Token service error"),
    # Codes for what is wrong with a message, with the texts of the provider's own errors.
    "gateway_error": (7, "Gateway error"),
    "error_occurred": (5, "The request was not completed: an internal error occurred"),
}
END_OF_REPLY = b"</reply>"
REPLY = re.compile(rb"<reply\b[^>]*/>|<reply\b.*</reply>", re.DOTALL)
MERCHANT = re.compile(rb'merchantCode="[^"]*"')


class Reset(Response):
    """A reset connection instead of a reply."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        Connection.reset(scope)
        await gone(receive)


class Cut(Response):
    """Half of the reply, then the end of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        Connection.close(scope)
        await gone(receive)


class Drip(Response):
    """The reply, byte by byte, with `seconds` between two bytes."""

    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        end = asyncio.create_task(gone(receive))
        for byte in self.body:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            if (await asyncio.wait({end}, timeout=self.seconds))[0]:
                return
        end.cancel()
        await send({"type": "http.response.body"})


def before(knob: ReplyKnob, message: Message) -> Response | None:
    """Return the response to send without acting on the message; None if the message is to be acted upon."""
    match knob.fault:
        case str() as fault if fault.endswith("_before") and (error := UNDECIDED.get(fault[:-7])):
            return _refusal(message, *error)
        case "temporary_failure_before":
            return _temporary_failure()
        case "order_not_ready":
            return _refusal(message, 5, NOT_READY)
        case "order_not_found":
            return _refusal(message, 5, ORDER_NOT_FOUND)
        case "security_violation":
            return _refusal(message, 4, "Security violation")
        case "hang_before":
            return Silence()
        case "reset_before":
            return Reset()
        case "500_before" | "503_before":
            return HTMLResponse(HTML, status_code=int(knob.fault[:3]))
        case "validation_failed":
            return _refusal(message, 5, "XML failed validation")
        case "token_not_found":
            return _refusal(message, 1, TOKEN_NOT_FOUND)
        case _:
            return None


def _refusal(message: Message, code: int, text: str) -> Response:
    error = RequestRefused(code, text, message.order_code)
    return Response(error_reply(message.merchant_code, error), media_type="text/xml")


def _temporary_failure() -> Response:
    return Response("Temporary Failure, please Retry", media_type="text/plain")


def after(knob: ReplyKnob, message: Message, reply: Response) -> Response:
    """Return the reply to a message that has been acted upon, as changed by the fault."""
    match knob.fault:
        case str() as fault if fault.endswith("_after") and (error := UNDECIDED.get(fault[:-6])):
            return _refusal(message, *error)
        case "temporary_failure_after":
            return _temporary_failure()
        case "hang_after":
            return Silence()
        case "reset_after":
            return Reset()
        case "500_after" | "503_after":
            return HTMLResponse(HTML, status_code=int(knob.fault[:3]))
        case "html":
            return HTMLResponse(HTML)
        case "cut":
            return _as(Cut(bytes(reply.body)), reply)
        case "drip":
            drip = Drip(bytes(reply.body))
            drip.seconds = knob.drip_ms / 1000
            return _as(drip, reply)
        case "stray_balance":
            return _as(Response(_with_balance(bytes(reply.body), knob.account)), reply)
        case None:
            return reply
        case fault:
            spoil = SPOILT.get(fault, bytes)
            return _as(Response(spoil(bytes(reply.body))), reply)


def _as(other: Response, reply: Response) -> Response:
    """Return a response with this body, and the headers of the reply except its length."""
    for name, value in reply.headers.items():
        if name == "set-cookie":
            other.headers.append(name, value)
        elif name != "content-length":
            other.headers[name] = value
    return other


def _with_other_payment(body: bytes) -> bytes:
    """Add a second payment that contradicts the first, which the grammar allows."""
    found = PAYMENT.search(body)
    if found is None:
        return body
    other = REFUSED if AUTHORISED in found[0] else AUTHORISED
    return body[: found.end()] + LAST_EVENT.sub(other, found[0]) + body[found.end() :]


def _with_balance(body: bytes, account: str) -> bytes:
    """Add a balance of the order's amount on this account: the grammar allows any name (`balance`)."""

    def with_balance(found: re.Match[bytes]) -> bytes:
        amount = AMOUNT.search(found[0])
        balance = b'<balance accountType="%s">%s</balance>' % (account.encode(), amount[0] if amount else b"")
        return found[0].replace(b"<cardNumber>", balance + b"<cardNumber>", 1)

    return PAYMENT.sub(with_balance, body)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: body[: len(body) * 2 // 3],
    "empty": lambda body: b"",
    "raw_ampersand": lambda body: body.replace(END_OF_REPLY, b" & " + END_OF_REPLY),
    "wrong_encoding": lambda body: body.replace(END_OF_REPLY, b"caf\xe9" + END_OF_REPLY),
    "two_payments": _with_other_payment,
    "payment_and_error": lambda body: body.replace(b"</payment>", b"</payment>" + ERROR, 1),
    "list_cut": lambda body: body.replace(b'complete="true"', b'complete="false"'),
    "no_list": lambda body: REPLY.sub(b'<reply><batchStatus merchantBatchCode="1"/></reply>', body),
    "another_merchant": lambda body: MERCHANT.sub(b'merchantCode="ANOTHERMERCHANT"', body, count=1),
    "sent_for_authorisation": lambda body: LAST_EVENT.sub(SENT_FOR_AUTHORISATION, body),
    "last_event_null": lambda body: LAST_EVENT.sub(b"<lastEvent>null</lastEvent>", body),
    "last_event_unknown": lambda body: LAST_EVENT.sub(b"<lastEvent>TELEPORTED</lastEvent>", body),
}
