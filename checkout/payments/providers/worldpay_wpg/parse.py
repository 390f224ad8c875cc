"""Read a WPG reply: from bytes to a result, in pure functions, so that recorded messages can test them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from checkout.errors import ListIncomplete, ProviderReplyInvalid
from checkout.payments.providers.authentication import Authentication, ThreeDSecure
from checkout.payments.providers.base import (
    Challenge,
    EventKind,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.worldpay_wpg import codes
from checkout.payments.providers.worldpay_wpg.amounts import read_amount
from checkout.payments.providers.worldpay_wpg.books import (
    Journal,
    kind_in_books,
    may_have_taken,
    meaning_of,
    references,
    sums_of,
)
from checkout.payments.providers.worldpay_wpg.elements import PaymentElement, read_token, text, word
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage, read_message
from checkout.payments.providers.worldpay_wpg.error_elements import read_error

MAX_LIST_BYTES = 8_388_608
MAX_LIST_ELEMENTS = 500_000
# Events of our own: for an answer that contradicts itself about an order, and for a listed order that is not
# understood.
CONTRADICTORY = "CONTRADICTORY"
UNREADABLE = "UNREADABLE"
# The event of an order that waits for an authentication by 3-D Secure 1: the name of its element.
OLD_CHALLENGE = "request3DSecure"
# The element that repeats the request in the status of an order that was modified at once.
_REQUESTS = {Verb.CAPTURE: "capture", Verb.VOID: "cancel", Verb.REFUND: "refund"}
# The acknowledgements (DTD, ``ok``) of each modification.
_RECEIVED = {
    Verb.CAPTURE: {"captureReceived"},
    Verb.VOID: {"cancelReceived", "voidReceived"},
    Verb.REFUND: {"refundReceived"},
}
_PAYS = {Verb.AUTHORISE, Verb.COMPLETE_CHALLENGE}
_OF_A_LIST = {"orderStatus", "actions"}
_NOTHING_HELD = {"CANCELLED", "VOIDED"}
_ISO_4217: Mapping[str, int] = MappingProxyType({})


def parse_reply(
    body: bytes,
    verb: Verb = Verb.AUTHORISE,
    exponents: Mapping[str, int] = _ISO_4217,
    *,
    merchant_code: str = "",
) -> ProviderResult:
    """Return the result in ``body``, the answer to ``verb``. Raises only ``ProviderReplyInvalid``.

    ``exponents`` are the account's, where they differ from ISO 4217. If ``merchant_code`` is given, a reply
    for another merchant raises the error. An error whose code and text do not show whether anything was
    carried out is ``UNKNOWN``. That depends on the verb; the default gets the most careful reading. The
    status of an order in answer to a capture, void or refund is that operation's, see ``_read_modified``. An
    order without a record is ``NOT_FOUND`` with the event ``MISSING``. An order that is "not ready" exists,
    and is ``UNKNOWN`` with the event ``NOT_READY``. An answer with more than one statement about its order
    (two payments, or a payment and an error), or with an acknowledgement of another request, is ``UNKNOWN``
    with the event ``CONTRADICTORY``.
    """
    try:
        return _read_reply(_reply_in(read_message(body), merchant_code), verb, exponents)
    except UnreadableMessage as error:
        raise ProviderReplyInvalid(f"Worldpay's reply cannot be understood: {error}.") from error


def parse_token_deletion(body: bytes, token: str, *, merchant_code: str = "") -> ProviderResult:
    """Return the result in ``body``, the answer to the deletion of ``token``.

    Raises only ``ProviderReplyInvalid``, also if the reply is for another merchant than ``merchant_code``. An
    answer with more than one statement is ``UNKNOWN`` with the event ``CONTRADICTORY``.
    """
    try:
        reply = _reply_in(read_message(body), merchant_code)
        errors = [*reply.findall("error"), *reply.findall("orderStatus/error")]
        received = reply.findall("ok/deleteTokenReceived")
        if len(errors) + len(received) > 1:
            return _contradiction("")
        if errors:
            return read_error(errors[0], "", Verb.DELETE_TOKEN)
        if not received:
            raise UnreadableMessage("neither an acknowledgement nor an error")
        if received[0].get("paymentTokenID", "").strip() != token:
            raise UnreadableMessage("the acknowledgement of another token")
        return ProviderResult(outcome=Outcome.APPROVED, event=received[0].tag)
    except UnreadableMessage as error:
        raise ProviderReplyInvalid(f"Worldpay's reply cannot be understood: {error}.") from error


def parse_listing(
    body: bytes, exponents: Mapping[str, int] = _ISO_4217, *, merchant_code: str = ""
) -> list[ProviderResult]:
    """Return one result for each order in ``body``. Raises ``ProviderReplyInvalid`` or ``ListIncomplete``.

    A reply with ``complete="false"`` (DTD, ``reply``) has only some of the orders. ``ProviderReplyInvalid``
    is raised for a reply with anything but orders (and ``actions``, which the DTD allows after any reply),
    and for another merchant than ``merchant_code``, if that is given. An order that cannot be understood is
    ``UNKNOWN`` with the event ``UNREADABLE``; the others are read.
    """
    try:
        message = read_message(body, max_bytes=MAX_LIST_BYTES, max_elements=MAX_LIST_ELEMENTS)
        reply = _reply_in(message, merchant_code)
        if not {child.tag for child in reply} <= _OF_A_LIST:
            raise UnreadableMessage("no list of orders")
        if reply.get("complete") == "false":
            raise ListIncomplete("Worldpay has not listed all orders of this period.")
        return [_read_listed(status, exponents) for status in reply.iterfind("orderStatus")]
    except UnreadableMessage as error:
        raise ProviderReplyInvalid(f"Worldpay's list cannot be understood: {error}.") from error


def _read_listed(status: Element, exponents: Mapping[str, int]) -> ProviderResult:
    """Read one order of a list. Its code is not checked, because another program may have chosen it."""
    if (order_code := status.get("orderCode")) is None:
        raise UnreadableMessage("an order without a code")
    try:
        return replace(_read_order(status, Verb.INQUIRE, exponents), order_code=order_code)
    except UnreadableMessage:
        return ProviderResult(outcome=Outcome.UNKNOWN, order_code=order_code, event=UNREADABLE)


def _reply_in(message: Element, merchant_code: str) -> Element:
    replies, named = message.findall("reply"), message.get("merchantCode", "").strip()
    # If the provider could not read a request, its error names no merchant.
    is_unnamed_error = not named and all(each.tag == "error" for reply in replies for each in reply)
    if merchant_code and named != merchant_code and not is_unnamed_error:
        raise UnreadableMessage("a reply for another merchant")
    if len(replies) != 1:
        raise UnreadableMessage("no reply, or several, in it")
    return replies[0]


def _read_reply(reply: Element, verb: Verb, exponents: Mapping[str, int]) -> ProviderResult:
    statuses, errors = reply.findall("orderStatus"), reply.findall("error")
    received = reply.findall("ok/*[@orderCode]")
    if len(statuses) > 1:
        raise UnreadableMessage("several orders in one reply")
    if len(statuses) + len(errors) + len(received) > 1:
        return _contradiction(statuses[0].get("orderCode", "").strip() if statuses else "")
    if statuses:
        return _read_order(statuses[0], verb, exponents)
    if errors:
        return read_error(errors[0], "", verb)
    if received:
        return _read_acknowledgement(received[0], verb, exponents)
    raise UnreadableMessage("neither an order, nor an error, nor an acknowledgement")


def _contradiction(order_code: str) -> ProviderResult:
    return ProviderResult(outcome=Outcome.UNKNOWN, order_code=order_code, event=CONTRADICTORY)


def _read_acknowledgement(received: Element, verb: Verb, exponents: Mapping[str, int]) -> ProviderResult:
    """Read an ``ok``, which is not success: the request was accepted, and a notification has its result.

    An acknowledgement of another request says nothing about ours.
    """
    order_code = received.get("orderCode", "").strip()
    if received.tag not in _RECEIVED.get(verb, ()):
        return _contradiction(order_code)
    return ProviderResult(
        outcome=Outcome.PENDING,
        order_code=order_code,
        event=word(received.tag),
        amount=read_amount(received, "amount", exponents),
    )


def _read_order(status: Element, verb: Verb, exponents: Mapping[str, int]) -> ProviderResult:
    order_code = status.get("orderCode", "").strip()
    errors, payments = status.findall("error"), status.findall("payment")
    old_challenges = status.findall("requestInfo/request3DSecure")
    challenges = status.findall("challengeRequired") + old_challenges
    is_modified = verb in _REQUESTS and status.find("orderModification") is not None
    several = len(errors) + len(payments[:1] if is_modified else payments) + len(challenges)
    if several > 1:
        return _contradiction(order_code)
    if errors:
        return read_error(errors[0], order_code, verb)
    if (challenge := _challenge(status)) is not None:
        return ProviderResult(
            outcome=Outcome.CHALLENGE_REQUIRED,
            order_code=order_code,
            event="challengeRequired",
            challenge=challenge,
        )
    if old_challenges:
        return _read_old_challenge(order_code, verb)
    if not payments:
        raise UnreadableMessage("an order without payment, challenge or error")
    payment, *further = (PaymentElement(found, exponents) for found in payments)
    if any(each.has_several_events for each in (payment, *further)):
        return _contradiction(order_code)
    if verb in _REQUESTS:
        return _read_modified(status, verb, [payment, *further], exponents)
    journals = [Journal(element, exponents) for element in status.iterfind("journal")]
    result = _read_payment(payment, journals, order_code, verb)
    token, fault = read_token(status, payment)
    return replace(result, token=token, token_fault=fault)


def _read_modified(
    status: Element, verb: Verb, payments: list[PaymentElement], exponents: Mapping[str, int]
) -> ProviderResult:
    """Read the status of an order that answers a capture, void or refund instead of an ``ok``.

    Some accounts are answered at once, with the order's payment and, perhaps, the ``orderModification`` that
    was requested (activemerchant, worldpay_test.rb: synchronous responses; DTD, ``orderStatus``). The last
    event may concern an earlier capture or refund of the order, so it does not show that this one is done: a
    notification or an inquiry shows it. Only the event of a void is certain, because a void releases the
    whole order. A failed refund may be this one, so the provider must be asked. The amount of the payment
    element is the order's; the operation's amount is in the repeated request.
    """
    order_code = status.get("orderCode", "").strip()
    asked = [(each.get("orderCode", "").strip(), [*each]) for each in status.iterfind("orderModification")]
    for code, requests in asked:
        if len(asked) > 1 or code != order_code or [found.tag for found in requests] != [_REQUESTS[verb]]:
            return _contradiction(order_code)
    events = {payment.event for payment in payments}
    outcome = Outcome.PENDING
    if verb == Verb.VOID and events <= _NOTHING_HELD:
        outcome = Outcome.APPROVED
    elif verb == Verb.REFUND and codes.FAILED_REFUNDS & events:
        outcome = Outcome.UNKNOWN
    return ProviderResult(
        outcome=outcome,
        order_code=order_code,
        event=payments[-1].event,
        kind=codes.meaning(payments[-1].event)[1],
        amount=read_amount(asked[0][1][0], "amount", exponents) if asked else None,
    )


def _read_payment(
    payment: PaymentElement, journals: list[Journal], order_code: str, verb: Verb
) -> ProviderResult:
    last_journal = next((journal.event for journal in reversed(journals) if journal.event), "")
    event = payment.event or last_journal
    booking = next((journal for journal in reversed(journals) if journal.event == event), None)
    outcome, named = meaning_of(event, booking)
    # The answer to an authorisation must be about the whole amount, also if it is captured at once.
    kind = kind_in_books(payment, named) if verb == Verb.INQUIRE else named
    told = sums_of(payment, outcome, kind)
    if outcome == Outcome.REFUSED and may_have_taken(payment, kind):
        # Only the rest was cancelled, or has expired. Otherwise the message contradicts itself.
        outcome = Outcome.APPROVED if told.kept is not None else Outcome.UNKNOWN
    return ProviderResult(
        outcome=outcome,
        order_code=order_code,
        event=event,
        kind=kind,
        is_behind=named == EventKind.AUTHORISED and kind != named,
        amount=payment.amount,
        refusal=_refusal(payment, kind, verb) if outcome == Outcome.REFUSED else None,
        three_ds=payment.three_ds,
        card=payment.card,
        checks=payment.checks,
        position=told.position,
        kept=told.kept,
        presume_unsettled=told.presume_unsettled,
        reference=payment.authorisation_id,
        references=_references(kind, journals, payment),
    )


def _references(kind: EventKind, journals: list[Journal], payment: PaymentElement) -> tuple[str, ...]:
    """Return the references that the reply names for its last event, without other events' journals."""
    of_last_event = (journal for journal in journals if meaning_of(journal.event, journal)[1] == kind)
    named = [name for journal in of_last_event for name in references(kind, journal)]
    return tuple(dict.fromkeys([*named, *references(kind, None, payment.references)]))


def _refusal(payment: PaymentElement, kind: EventKind, verb: Verb) -> Refusal:
    """Return why the order was refused.

    An order that is cancelled while it is paid was cancelled by Worldpay's risk service
    (developer.worldpay.com/docs/wpg/manage/: "post authorisation risk rejection").
    """
    code, description, is_raw = payment.return_code
    reason = codes.reason_of_raw(code, payment.brand) if is_raw else codes.reason_of(code)
    if reason == RefusalReason.REFUSED_BY_ISSUER:
        if kind == EventKind.REFUSED and payment.was_cancelled_by_shopper:
            reason = RefusalReason.CANCELLED
        elif kind == EventKind.REFUSED and _authentication_failed(payment.three_ds):
            reason = RefusalReason.AUTHENTICATION_FAILED
        elif kind == EventKind.CANCELLED and verb in _PAYS:
            reason = RefusalReason.SUSPECTED_FRAUD
        else:
            reason = codes.KIND_REASONS.get(kind, reason)
    return Refusal(reason=reason, code=code, description=description)


def _authentication_failed(three_ds: ThreeDSecure | None) -> bool:
    return three_ds is not None and three_ds.status is Authentication.FAILED


def _challenge(status: Element) -> Challenge | None:
    """Return the challenge of 3-D Secure 2, if there is one."""
    if status.find("challengeRequired") is None:
        return None
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


def _read_old_challenge(order_code: str, verb: Verb) -> ProviderResult:
    """Read the demand for an authentication by 3-D Secure 1, which the card schemes have retired.

    It is not supported. In answer to the first message, nothing is authorised and nothing ever will be,
    because no second message follows. In answer to any other message, the outcomes of earlier messages are
    unknown.
    """
    if verb != Verb.AUTHORISE:
        return ProviderResult(outcome=Outcome.UNKNOWN, order_code=order_code, event=OLD_CHALLENGE)
    refusal = Refusal(
        reason=RefusalReason.AUTHENTICATION_FAILED, description="The issuer asks for 3-D Secure 1."
    )
    return ProviderResult(
        outcome=Outcome.REFUSED, order_code=order_code, event=OLD_CHALLENGE, refusal=refusal
    )


def _address(url: str) -> str:
    """Return the address to which the shopper's browser is sent. It must be an absolute web address."""
    url = "".join(url.split())
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnreadableMessage("a challenge with an impossible address") from error
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        raise UnreadableMessage("a challenge without the issuer's address")
    return url
