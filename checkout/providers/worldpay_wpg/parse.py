"""Read a WPG reply: bytes in, a result out. Pure, so that recorded messages can drive it."""

from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from checkout.errors import ProviderReplyInvalid
from checkout.providers.base import (
    Challenge,
    EventKind,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    ThreeDSecure,
    Verb,
)
from checkout.providers.worldpay_wpg import codes
from checkout.providers.worldpay_wpg.elements import (
    PaymentElement,
    amount,
    attribute,
    journals,
    prose,
    text,
    word,
)
from checkout.providers.worldpay_wpg.envelope import UnreadableMessage, read_message
from checkout.providers.worldpay_wpg.position import position_of

MAX_LIST_BYTES = 8_388_608
MAX_LIST_ELEMENTS = 500_000
_FAILED_AUTHENTICATION = ("fail", "reject", "not authenticated")


def parse_reply(body: bytes, verb: Verb = Verb.AUTHORISE) -> ProviderResult:
    """Return what ``body``, in answer to ``verb``, says; raises ``ProviderReplyInvalid`` and nothing else.

    An error whose code leaves it open whether something was carried out is ``UNKNOWN``, and the verb matters
    there: the default is the most careful reading. An order without record is ``NOT_SENT`` with the event
    ``MISSING``; one that is "not ready" exists, and is ``UNKNOWN`` with the event ``NOT_READY``.
    """
    try:
        return _read_reply(read_message(body).find("reply"), verb)
    except UnreadableMessage as error:
        raise ProviderReplyInvalid(f"Worldpay's reply cannot be understood: {error}.") from error


def parse_listing(body: bytes) -> list[ProviderResult]:
    """Return what ``body`` says of each of its orders; raises ``ProviderReplyInvalid`` and nothing else."""
    try:
        message = read_message(body, max_bytes=MAX_LIST_BYTES, max_elements=MAX_LIST_ELEMENTS)
        reply = message.find("reply")
        if reply is None or reply.find("error") is not None:
            raise UnreadableMessage("no list of orders")
        return [_read_order(status, Verb.INQUIRE) for status in reply.iterfind("orderStatus")]
    except UnreadableMessage as error:
        raise ProviderReplyInvalid(f"Worldpay's list cannot be understood: {error}.") from error


def _read_reply(reply: Element | None, verb: Verb) -> ProviderResult:
    if reply is None:
        raise UnreadableMessage("no reply in it")
    statuses = reply.findall("orderStatus")
    if len(statuses) > 1:
        raise UnreadableMessage("several orders in one reply")
    if statuses:
        return _read_order(statuses[0], verb)
    if (error := reply.find("error")) is not None:
        return _read_error(error, "", verb)
    if (received := reply.find("ok/*[@orderCode]")) is not None:
        return _read_acknowledgement(received)
    raise UnreadableMessage("neither an order, nor an error, nor an acknowledgement")


def _read_acknowledgement(received: Element) -> ProviderResult:
    """``ok`` is not success: the provider only took the request, the result comes as a notification."""
    return ProviderResult(
        outcome=Outcome.PENDING,
        order_code=received.get("orderCode", ""),
        event=word(received.tag),
        amount=amount(received),
    )


def _read_order(status: Element, verb: Verb) -> ProviderResult:
    order_code = status.get("orderCode", "").strip()
    if (error := status.find("error")) is not None:
        return _read_error(error, order_code, verb)
    if (challenge := _challenge(status)) is not None:
        return ProviderResult(
            outcome=Outcome.CHALLENGE_REQUIRED,
            order_code=order_code,
            event="challengeRequired",
            challenge=challenge,
        )
    payments = [PaymentElement(element) for element in status.iterfind("payment")]
    if not payments:
        raise UnreadableMessage("an order without payment, challenge or error")
    # Several payments are several tries at one order: if one was approved, the order was.
    approved = (p for p in payments if _meaning(p.event)[0] == Outcome.APPROVED)
    return _read_payment(next(approved, payments[0]), status, order_code)


def _meaning(event: str) -> tuple[Outcome, EventKind]:
    return codes.EVENTS.get(event, (Outcome.UNKNOWN, EventKind.OTHER))


def _read_payment(payment: PaymentElement, status: Element, order_code: str) -> ProviderResult:
    last_journal = next((kind for kind, _ in reversed(list(journals(status)))), "")
    event = payment.event or last_journal
    outcome, kind = _meaning(event)
    return ProviderResult(
        outcome=outcome,
        order_code=order_code,
        event=event,
        kind=kind,
        amount=payment.amount,
        refusal=_refusal(payment, kind) if outcome == Outcome.REFUSED else None,
        three_ds=payment.three_ds,
        card=payment.card,
        checks=payment.checks,
        position=position_of(payment, outcome, kind),
        reference=payment.authorisation_id,
    )


def _refusal(payment: PaymentElement, kind: EventKind) -> Refusal:
    code = word(attribute(payment.element, "ISO8583ReturnCode", "code"))[:50]
    reason = codes.RETURN_CODES.get(code.lstrip("0"), RefusalReason.REFUSED_BY_ISSUER)
    if reason == RefusalReason.REFUSED_BY_ISSUER:
        if kind == EventKind.REFUSED and payment.was_cancelled_by_shopper:
            reason = RefusalReason.CANCELLED
        elif kind == EventKind.REFUSED and _authentication_failed(payment.three_ds):
            reason = RefusalReason.AUTHENTICATION_FAILED
        else:
            reason = codes.KIND_REASONS.get(kind, reason)
    description = attribute(payment.element, "ISO8583ReturnCode", "description")
    return Refusal(reason=reason, code=code, description=prose(description))


def _authentication_failed(three_ds: ThreeDSecure | None) -> bool:
    result = three_ds.result.casefold() if three_ds else ""
    return any(words in result for words in _FAILED_AUTHENTICATION)


def _read_error(error: Element, order_code: str, verb: Verb) -> ProviderResult:
    code = word(error.get("code", ""))[:50]
    description = prose("".join(error.itertext()))
    outcome, event, refusal = Outcome.UNKNOWN, f"ERROR {code}".strip(), None
    if code == codes.INVALID_REQUEST and codes.NO_RECORD in description.casefold():
        outcome, event = Outcome.NOT_SENT, "MISSING"
    elif code == codes.INVALID_REQUEST and codes.NOT_READY in description.casefold():
        event = "NOT_READY"
    elif codes.is_certain(code, verb):
        outcome = Outcome.REFUSED
        reason = codes.ERROR_REASONS.get(code, RefusalReason.INVALID_REQUEST)
        refusal = Refusal(reason=reason, code=code, description=description)
    return ProviderResult(
        outcome=outcome, order_code=order_code, event=event, kind=EventKind.ERROR, refusal=refusal
    )


def _challenge(status: Element) -> Challenge | None:
    """Return the challenge of 3-D Secure 2 or, in the old shape, 1."""
    if status.find("challengeRequired") is not None:
        details = status.find("challengeRequired/threeDSChallengeDetails")
        challenge = Challenge(
            version=text(details, "threeDSVersion"),
            transaction_id=text(details, "transactionId3DS"),
            acs_url=_address(text(details, "acsURL")),
            payload=text(details, "payload"),
        )
        if not (challenge.transaction_id and challenge.payload):
            raise UnreadableMessage("an incomplete challenge")
        return challenge
    if status.find("requestInfo/request3DSecure") is not None:
        request = status.find("requestInfo/request3DSecure")
        challenge = Challenge(
            version="1",
            transaction_id="",
            acs_url=_address(text(request, "issuerURL")),
            payload=text(request, "paRequest"),
            echo_data=text(status, "echoData"),
        )
        if not challenge.payload:
            raise UnreadableMessage("an incomplete challenge")
        return challenge
    return None


def _address(url: str) -> str:
    """The shopper's browser is sent there: nothing but an absolute web address will do."""
    url = "".join(url.split())
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnreadableMessage("a challenge with an impossible address") from error
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        raise UnreadableMessage("a challenge without the issuer's address")
    return url
