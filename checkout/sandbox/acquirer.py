"""The acquiring bank: decides orders and moves its (imaginary) money.

Every verb runs inside the caller's transaction and on one thread, so what it reads is what it decides upon.
"""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from random import Random
from uuid import UUID

from checkout.sandbox.books import Books, Kind
from checkout.sandbox.cards import Card, UnreadableCard
from checkout.sandbox.clock import Clock
from checkout.sandbox.configuration import Configuration
from checkout.sandbox.orders import Challenge, Order, fold
from checkout.sandbox.outgoing import Outgoing
from checkout.sandbox.scenarios import choose

WINDOW_CODES = {"250x400": "01", "390x400": "02", "500x600": "03", "600x400": "04", "fullPage": "05"}
ECI = {"ECMC-SSL": {"Y": "02", "A": "01", "U": "00"}}
OTHER_ECI = {"Y": "05", "A": "06", "U": "07"}
NOT_FOUND = "Could not find payment for order"


class RequestRefused(Exception):
    """An error element with a code of the provider's grammar, see the comment on `error` in its DTD."""

    def __init__(self, code: int, message: str, order_code: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.order_code = order_code


@dataclass(frozen=True, slots=True)
class Submission:
    """A first message. `amount` is in minor units; `wants_3ds` says that it carries 3-D Secure data."""

    order_code: str
    description: str
    amount: int
    currency: str
    exponent: int
    card: Card
    session_id: str
    wants_3ds: bool
    device_data: str
    window: str


class Acquirer:
    def __init__(
        self, books: Books, outgoing: Outgoing, configuration: Configuration, clock: Clock, seed: str
    ) -> None:
        self._books = books
        self._outgoing = outgoing
        self._configuration = configuration
        self._clock = clock
        self._seed = seed

    def order(self, order_code: str) -> Order:
        """Raises RequestRefused (5) for an order that is unknown or still in its challenge."""
        order = fold(self._books.entries(order_code))
        if order is None or not order.last_event:
            raise RequestRefused(5, NOT_FOUND, order_code)
        return order

    def orders(self, since: float, until: float) -> list[Order]:
        """Those submitted in this time, in seconds since the epoch, that are not in their challenge."""
        folded = map(fold, self._books.histories(self._books.submitted(since, until)).values())
        return [order for order in folded if order is not None and order.last_event]

    def submit(self, new: Submission) -> Order:
        """Raises RequestRefused: 5 duplicate order or missing session, 7 card not acceptable."""
        if self._books.entries(new.order_code):
            raise RequestRefused(5, "Duplicate Order", new.order_code)
        try:
            new.card.check()
        except UnreadableCard as error:
            raise RequestRefused(7, f"Invalid payment details : {error}", new.order_code) from error
        if new.wants_3ds and not new.session_id:
            raise RequestRefused(5, "Session id is required for 3DS", new.order_code)
        outcome = choose(new.card.holder, new.card.number)
        self._books.append(
            new.order_code,
            Kind.SUBMITTED,
            amount=new.amount,
            detail={
                "merchant_code": self._configuration.merchant_code,
                "currency": new.currency,
                "exponent": new.exponent,
                "description": new.description,
                "session_id": new.session_id,
                "card": {"brand": new.card.brand, "last4": new.card.last4, "masked": new.card.masked},
                "outcome": asdict(outcome) | {"cvc": new.card.has_cvc, "three_ds": new.wants_3ds},
                "machine": self._identifier(new.order_code, "machine").hex[:8],
                "device_data": new.device_data,
                "window": new.window,
            },
        )
        order = self._read(new.order_code)
        if not new.wants_3ds:
            return self._decide(order, "")
        if outcome.authentication.challenge:
            return self._challenge(order)
        return self._decide(order, outcome.authentication.status)

    def complete(self, order_code: str, session_id: str, machines: list[str]) -> Order:
        """The second message of a challenge.

        Raises RequestRefused: 5 unknown order or wrong node, 7 wrong session or nothing left to complete.
        """
        order = fold(self._books.entries(order_code))
        if order is None:
            raise RequestRefused(5, NOT_FOUND, order_code)
        if machines != [order.machine]:
            raise RequestRefused(
                5, "This node does not know the order: send the machine cookie once", order_code
            )
        if session_id != order.session_id:
            raise RequestRefused(7, "Invalid payment details : session id differs from the first", order_code)
        if not order.in_challenge:
            raise RequestRefused(7, "Invalid payment details : no authentication to complete", order_code)
        challenge = order.challenges[-1]
        if challenge.decision == "approve":
            return self._decide(order, order.outcome["authentication"]["status"])
        if challenge.decision == "fail":
            return self._decide(order, "N", {"reason": "01"})
        if challenge.decision == "cancel":
            return self._decide(order, "N", {"reason": "01", "cancel_indicator": "01"})
        if self.has_expired(challenge):
            return self._decide(order, "N", {"reason": "14"})
        if len(order.challenges) >= self._configuration.challenge_limit:
            return self._decide(order, "N", {"reason": "19"})
        return self._challenge(order)

    def capture(self, order_code: str, amount: int, currency: str, reference: str) -> None:
        """Raises RequestRefused (5): unknown, not authorised, other currency, or more than is left."""
        order = self.order(order_code)
        left = order.authorised - order.cancelled - order.capture_requested
        self._request(order, Kind.CAPTURE_REQUESTED, "capture", amount, currency, reference, left)

    def refund(self, order_code: str, amount: int, currency: str, reference: str) -> None:
        """Raises RequestRefused (5): unknown, nothing captured yet, other currency, or more than is left."""
        order = self.order(order_code)
        left = order.captured - order.refund_requested
        self._request(order, Kind.REFUND_REQUESTED, "refund", amount, currency, reference, left)

    def cancel(self, order_code: str) -> None:
        """Raises RequestRefused (5): unknown, not authorised, or a capture has been asked for."""
        order = self.order(order_code)
        if order.authorised == order.cancelled or order.capture_requested:
            raise RequestRefused(5, f"Cannot cancel an order in state {order.last_event}", order_code)
        self._books.append(order_code, Kind.CANCELLED, amount=order.authorised)
        self._outgoing.announce(self._read(order_code), "CANCELLED", order.authorised)

    def has_expired(self, challenge: Challenge) -> bool:
        return time.time() > challenge.issued_at + self._clock.seconds(self._configuration.challenge_seconds)

    def _request(
        self, order: Order, kind: Kind, verb: str, amount: int, currency: str, reference: str, left: int
    ) -> None:
        if currency != order.currency:
            raise RequestRefused(5, f"Currency of the {verb} differs from the order's", order.code)
        if not 0 < amount <= left:
            raise RequestRefused(5, f"Requested {verb} of {amount} exceeds the {left} available", order.code)
        self._books.append(order.code, kind, amount=amount, reference=reference)

    def _decide(self, order: Order, status: str, reasons: dict[str, str] | None = None) -> Order:
        """Authorises or refuses, given the issuer's authentication status (empty: none was asked for)."""
        authentication = {"status": status, **(reasons or {})} if status else {}
        if status:
            authentication["eci"] = ECI.get(order.card["brand"], OTHER_ECI).get(status, "")
            authentication["ds_transaction_id"] = str(self._identifier(order.code, "directory server"))
        payment, refusal_code = order.outcome["payment"], order.outcome["refusal_code"]
        if status in {"N", "R"}:
            payment, refusal_code = "REFUSED", ""
        detail = {"authentication": authentication, "refusal_code": refusal_code}
        if payment == "AUTHORISED":
            detail["authorisation_id"] = str(self._identifier(order.code, "authorisation").int % 10**6).zfill(
                6
            )
        amount = order.amount if payment == "AUTHORISED" else 0
        self._books.append(order.code, Kind[payment], amount=amount, detail=detail)
        decided = self._read(order.code)
        self._outgoing.announce(decided, payment, order.amount)
        return decided

    def _challenge(self, order: Order) -> Order:
        number = len(order.challenges) + 1
        transaction_id = str(self._identifier(order.code, f"challenge {number}"))
        acs_transaction_id = str(self._identifier(order.code, f"issuer {number}"))
        creq = {
            "threeDSServerTransID": transaction_id,
            "acsTransID": acs_transaction_id,
            "challengeWindowSize": WINDOW_CODES[order.window],
            "messageType": "CReq",
            "messageVersion": "2.2.0",
        }
        self._books.append(
            order.code,
            Kind.CHALLENGED,
            transaction_id=transaction_id,
            detail={
                "acs_transaction_id": acs_transaction_id,
                "payload": urlsafe_b64encode(json.dumps(creq).encode()).rstrip(b"=").decode(),
                "machine": self._identifier(order.code, f"machine {number}").hex[:8],
            },
        )
        return self._read(order.code)

    def _read(self, order_code: str) -> Order:
        order = fold(self._books.entries(order_code))
        if order is None:
            raise LookupError(order_code)
        return order

    def _identifier(self, order_code: str, purpose: str) -> UUID:
        bits = Random(f"{self._seed}:{order_code}:{purpose}").getrandbits(128)  # noqa: S311 - repeatable by design
        return UUID(int=bits, version=4)
