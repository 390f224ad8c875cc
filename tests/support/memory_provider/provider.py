"""A provider without a network, for tests and simulation: the text in the sealed card determines the result.

``approve``, ``challenge`` (then approved), ``challenge_refuse`` (then refused), ``refuse`` or
``refuse:<reason>``, ``pending``. Failures: ``unavailable`` (never sent), ``lost`` (sent, never arrived),
``unknown`` (carried out, the answer lost), ``invalid`` (carried out, the answer unreadable). Any other text
is a card that cannot be opened. The result for a saved card is the text that ``books.tokens`` has for its
token; at first it is that of the payment with which the card was saved. For an unknown token there is no
order, and the answer decides nothing, as from Worldpay.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from checkout.errors import (
    AmountNotSupported,
    ListIncomplete,
    NotificationRejected,
    OutcomeUnknown,
    ProviderReplyInvalid,
    ProviderUnavailable,
)
from checkout.money import Money, exponent
from checkout.payments.providers.base import (
    Account,
    Acknowledgement,
    Authorisation,
    BrowserForm,
    CardEncryption,
    CardSummary,
    Challenge,
    ChallengeCompletion,
    EventKind,
    Modification,
    Notification,
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.saved_cards import IssuedToken, KeptToken
from checkout.privacy.scrubbing import scrub_text
from tests.support.memory_provider.books import Movement, Order, OrderState, books_of

_STATES = {
    "approve": OrderState.AUTHORISED,
    "unknown": OrderState.AUTHORISED,
    "invalid": OrderState.AUTHORISED,
    "challenge": OrderState.CHALLENGED,
    "challenge_refuse": OrderState.CHALLENGED,
    "pending": OrderState.PENDING,
}
_OUTCOMES = {
    OrderState.CHALLENGED: Outcome.CHALLENGE_REQUIRED,
    OrderState.PENDING: Outcome.PENDING,
    OrderState.AUTHORISED: Outcome.APPROVED,
    OrderState.REFUSED: Outcome.REFUSED,
    OrderState.CANCELLED: Outcome.REFUSED,
    OrderState.EXPIRED: Outcome.REFUSED,
}
# The bank keeps a card as requested, whatever its decision about the payment is.
_DECIDED = (OrderState.AUTHORISED, OrderState.REFUSED)
_CARD = CardSummary(brand="visa", last4="1111", expiry="12/2030")


class MemoryProvider:
    """A provider with one set of books per account code in this process: ``books``, the bank's records."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.books = books_of(account.code)

    def authorise(self, request: Authorisation) -> ProviderResult:
        return self._play(Verb.AUTHORISE, request, partial(self._authorise, request))

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        return self._play(Verb.COMPLETE_CHALLENGE, request, partial(self._complete_challenge, request))

    def capture(self, request: Modification) -> ProviderResult:
        act = partial(self._move, request, "captureReceived", EventKind.CAPTURED)
        return self._play(Verb.CAPTURE, request, act)

    def void(self, request: Modification) -> ProviderResult:
        return self._play(Verb.VOID, request, partial(self._void, request))

    def refund(self, request: Modification) -> ProviderResult:
        act = partial(self._move, request, "refundReceived", EventKind.REFUNDED)
        return self._play(Verb.REFUND, request, act)

    @property
    def captures_with_authorisation(self) -> bool:
        return self.account.options.get("captures_with_authorisation") == "yes"

    @property
    def refuses_failed_authentication(self) -> bool:
        return self.account.options.get("refuses_failed_authentication") == "yes"

    def inquire(self, order_code: str) -> ProviderResult:
        return self._play(Verb.INQUIRE, order_code, partial(self._inquire, order_code))

    def require_sendable(self, amount: Money) -> None:
        without_decimals = f"{amount.currency}=0" in self.account.options.get("exponents", "").split()
        if without_decimals and amount.minor % 10 ** exponent(amount.currency):
            raise AmountNotSupported(f"{amount} cannot be sent with 0 decimals.")

    def recognised_key(self, key: str) -> str:
        return "" if self.account.options.get("remembers_keys") == "no" else key

    @property
    def remembers_keys_for(self) -> timedelta:
        return timedelta(days=1)

    @property
    def saves_cards(self) -> bool:
        return self.account.options.get("saved_cards") != "no"

    @property
    def deletes_tokens(self) -> bool:
        return self.account.options.get("deletes_tokens") != "no"

    def delete_token(self, kept: KeptToken) -> ProviderResult:
        act = partial(self.books.every_time, partial(self._delete, kept))
        return self._play(Verb.DELETE_TOKEN, kept, act)

    @property
    def inquiries_at_once(self) -> int:
        return int(self.account.options.get("inquiries_at_once", "1"))

    @property
    def lists_orders(self) -> bool:
        return self.account.options.get("lists_orders") != "no"

    def orders(self, since: datetime, until: datetime) -> list[ProviderResult]:
        listed_orders: list[ProviderResult] = self.books.scenarios.play(
            Verb.LIST, (since, until), partial(self._orders, since, until)
        )
        return listed_orders

    def card_encryption(self) -> CardEncryption:
        return CardEncryption(script_url="/memory/seal.js", public_key="memory")

    def device_data_form(self) -> BrowserForm:
        return BrowserForm(action="http://localhost/memory/device-data/", fields={"JWT": "memory"})

    def challenge_form(self, challenge: Challenge, *, return_url: str, merchant_data: str) -> BrowserForm:
        fields = {"TransactionId": challenge.transaction_id, "ReturnUrl": return_url, "MD": merchant_data}
        return BrowserForm(action=challenge.acs_url, fields=fields)

    def answer_challenge(self, order_code: str, *, approve: bool) -> None:
        """Answer the challenge as the shopper. Without this call, the card's text determines its result."""
        end = OrderState.AUTHORISED if approve else OrderState.REFUSED
        self.books.orders[order_code].after_challenge = end

    def parse_notification(self, body: bytes) -> list[Notification]:
        try:
            told = json.loads(body)
            event = str(told["event"])
            return [
                Notification(
                    merchant_code=str(told["merchant_code"]),
                    order_code=str(told["order_code"]),
                    kind=EventKind(event.lower()) if event.lower() in set(EventKind) else EventKind.OTHER,
                    event=event,
                    amount=None if told["minor"] is None else Money(told["minor"], told["currency"]),
                    reference=str(told["reference"]),
                    event_id=str(told["number"]),
                    references=tuple(told.get("references", ())),
                    is_identity=self.account.options.get("identifies_events") != "no",
                )
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotificationRejected("The notification cannot be understood.") from error

    def acknowledgement(self) -> Acknowledgement:
        return Acknowledgement(status=200, body="OK", content_type="text/plain")

    def scrub(self, transcript: bytes) -> str:
        return scrub_text(transcript.decode(errors="replace"))

    def _play(self, verb: Verb, request: object, act: Callable[[], ProviderResult]) -> ProviderResult:
        result: ProviderResult = self.books.scenarios.play(verb, request, act)
        return result

    def _authorise(self, request: Authorisation) -> ProviderResult:
        self.require_sendable(request.amount)
        stored = request.stored_card
        card = request.sealed_card if stored is None else self.books.tokens.get(stored.token)
        if card is None:
            return ProviderResult(outcome=Outcome.UNKNOWN, order_code=request.order_code, event="ERROR")
        wish, _, reason = card.partition(":")
        if wish == "unavailable":
            raise ProviderUnavailable("No connection to the provider.")
        if wish == "lost":
            raise OutcomeUnknown("The provider did not answer in time.")
        opened = partial(self._open, request, wish, reason)
        result = self.books.once(request.idempotency_key, opened, of=request.order_code)
        if wish == "unknown":
            raise OutcomeUnknown("The connection to the provider broke.")
        if wish == "invalid":
            raise ProviderReplyInvalid("The provider's reply cannot be understood.")
        return result

    def _complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        answer = partial(self._complete, request)
        return self.books.once(request.idempotency_key, answer, of=request.order_code)

    def _void(self, request: Modification) -> ProviderResult:
        def act(order: Order) -> bool:
            if not order.cancel():
                return False
            self.books.notify(self.account.merchant_code, order, request.amount, request.reference)
            return True

        if self._found(request.order_code) is None:
            return missing(request.order_code)
        return self.books.every_time(lambda: self._modify(request, "cancelReceived", act))

    def _found(self, order_code: str) -> Order | None:
        """Return the order, or None during its challenge, when a provider has no record of it yet."""
        order = self.books.orders.get(order_code)
        return None if order is None or order.state == OrderState.CHALLENGED else order

    def _inquire(self, order_code: str) -> ProviderResult:
        order = self._found(order_code)
        return missing(order_code) if order is None else self._told(order)

    def _orders(self, since: datetime, until: datetime) -> list[ProviderResult]:
        listed = [
            self._told(order)
            for order in list(self.books.orders.values())
            if since <= order.submitted_at < until and order.state != OrderState.CHALLENGED
        ]
        if self.books.longest_list is not None and len(listed) > self.books.longest_list:
            raise ListIncomplete("There are more orders than one list may have.")
        return listed

    def _open(self, request: Authorisation, wish: str, reason: str) -> ProviderResult:
        if request.order_code in self.books.orders:
            return ProviderResult(outcome=Outcome.UNKNOWN, order_code=request.order_code, event="DUPLICATE")
        order = Order(
            order_code=request.order_code,
            session_id=request.session_id,
            amount=request.amount,
            state=_state(wish, demands_challenge=request.demands_challenge),
            after_challenge=OrderState.REFUSED if wish == "challenge_refuse" else OrderState.AUTHORISED,
            reason=_refusal_reason(wish, reason),
            manners=self.books.manners_for(request.order_code),
            token=self.books.token_for(request) if request.saves_for else "",
            captures=request.captures,
        )
        self.books.orders[order.order_code] = order
        self._end(order)
        return self._told(order)

    def _delete(self, kept: KeptToken) -> ProviderResult:
        is_known = self.books.tokens.pop(kept.token, None) is not None
        return ProviderResult(outcome=Outcome.APPROVED, event="deleted" if is_known else "MISSING")

    def _complete(self, request: ChallengeCompletion) -> ProviderResult:
        order = self.books.orders.get(request.order_code)
        known = order is not None and order.session_id == request.session_id
        if order is None or not known or request.session_state != _session_state(order):
            return ProviderResult(outcome=Outcome.UNKNOWN, order_code=request.order_code, event="SESSION")
        if order.state != OrderState.CHALLENGED:
            # Like Worldpay's error 7, which does not say what became of the earlier message.
            return ProviderResult(outcome=Outcome.UNKNOWN, order_code=request.order_code, event="COMPLETED")
        order.state = order.after_challenge
        self._end(order)
        return self._told(order)

    def _move(self, request: Modification, event: str, kind: EventKind) -> ProviderResult:
        self.require_sendable(request.amount)
        if self._found(request.order_code) is None:
            return missing(request.order_code)
        movement = Movement(kind, request.reference, request.amount)

        def act(order: Order) -> bool:
            return self.books.take(self.account.merchant_code, order, movement)

        answer = partial(self._modify, request, event, act)
        return self.books.once(request.idempotency_key, answer, of=request.order_code)

    def _modify(self, request: Modification, event: str, act: Callable[[Order], bool]) -> ProviderResult:
        order = self.books.orders.get(request.order_code)
        if order is None or order.state != OrderState.AUTHORISED or not act(order):
            refusal = Refusal(reason=RefusalReason.INVALID_REQUEST, description="Not in this state.")
            return ProviderResult(
                outcome=Outcome.REFUSED, order_code=request.order_code, event="ERROR", refusal=refusal
            )
        return ProviderResult(
            outcome=Outcome.PENDING, order_code=request.order_code, event=event, amount=request.amount
        )

    def _end(self, order: Order) -> None:
        """Announce how the authorisation ended, if it has, and capture an order that is captured with it."""
        if order.kind != EventKind.OTHER:
            self.books.notify(self.account.merchant_code, order, order.amount)
        if order.captures and order.state == OrderState.AUTHORISED:
            self.books.take(self.account.merchant_code, order, Movement(EventKind.CAPTURED, "", order.amount))

    def _told(self, order: Order) -> ProviderResult:
        is_challenge = order.state == OrderState.CHALLENGED
        is_refused = _OUTCOMES[order.state] == Outcome.REFUSED
        return ProviderResult(
            outcome=_OUTCOMES[order.state],
            order_code=order.order_code,
            event=_word(order),
            kind=order.kind,
            is_behind=order.is_behind,
            amount=None if is_challenge else order.amount,
            challenge=self._challenge(order) if is_challenge else None,
            refusal=Refusal(reason=order.reason or RefusalReason.CANCELLED) if is_refused else None,
            card=None if is_challenge else _CARD,
            position=None if is_challenge else order.position,
            kept=None if is_challenge else order.kept,
            token=self._issued(order) if order.state in _DECIDED else None,
            session_state=_session_state(order),
        )

    def _issued(self, order: Order) -> IssuedToken | None:
        """Return the token of the card that was saved with this order."""
        if not order.token:
            return None
        return self.books.issues or IssuedToken(
            token=order.token,
            brand=_CARD.brand,
            last4=_CARD.last4,
            expiry=_CARD.expiry,
            scheme_transaction=f"scheme-{order.order_code}",
        )

    def _challenge(self, order: Order) -> Challenge:
        return Challenge(
            version="2.2.0",
            transaction_id=f"challenge-{order.order_code}",
            acs_url=self.account.endpoint or "/memory/challenge/",
            payload="memory",
        )


def _state(wish: str, *, demands_challenge: bool) -> OrderState:
    """Return the first state of an authorisation. A demanded challenge comes before an approval."""
    state = _STATES.get(wish, OrderState.REFUSED)
    return OrderState.CHALLENGED if demands_challenge and state == OrderState.AUTHORISED else state


def _word(order: Order) -> str:
    """Return the provider's word for the last event, which is unknown to us while nothing is decided."""
    is_undecided = order.state in (OrderState.CHALLENGED, OrderState.PENDING)
    if order.is_behind:
        return EventKind.AUTHORISED.upper()
    return (order.state if is_undecided else order.kind).upper()


def _session_state(order: Order) -> str:
    return f"books={order.order_code}"


def _refusal_reason(wish: str, reason: str) -> RefusalReason:
    if wish.startswith("challenge"):
        return RefusalReason.AUTHENTICATION_FAILED
    if wish == "refuse":
        return RefusalReason(reason or RefusalReason.REFUSED_BY_ISSUER)
    return RefusalReason.CARD_INVALID


def missing(order_code: str) -> ProviderResult:
    """Return the answer about an order that the provider does not find."""
    return ProviderResult(outcome=Outcome.NOT_FOUND, order_code=order_code, event="MISSING")
