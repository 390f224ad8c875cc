"""The acquiring bank, which accepts orders and decides them.

Every verb runs inside the caller's transaction and on one thread, so that its decision is based on current
data.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any
from uuid import UUID

from sandbox.bank.bookings import Bookings
from sandbox.bank.cards import Card, UnknownBrand, UnreadableCard
from sandbox.bank.tokens import KeptCard, Tokens
from sandbox.books.books import Books, Entry, Kind
from sandbox.books.orders import Challenge, Order, fold
from sandbox.clock import Clock
from sandbox.configuration import Configuration
from sandbox.errors import NOT_FOUND, NOT_READY, RequestRefused
from sandbox.faults.fault_settings import Knobs, OrderKnob
from sandbox.notifications.outgoing import Outgoing
from sandbox.scenarios import FRICTIONLESS, Outcome
from sandbox.traits import Trait, drawn, happens, named_by

# The most orders of a list that are in memory at once with all their entries.
READ_AT_ONCE = 500
WINDOW_CODES = {"250x400": "01", "390x400": "02", "500x600": "03", "600x400": "04", "fullPage": "05"}
MACHINE_COOKIES = ("machine", "node", "WPG-NODE", "mch.id")
ROUTE_COOKIES = ("route", "TS01b2c3", "LB_AFFINITY", "session~rt")
ECI = {"ECMC-SSL": {"Y": "02", "A": "01", "U": "00"}}
OTHER_ECI = {"Y": "05", "A": "06", "U": "07"}


@dataclass(frozen=True, slots=True)
class Submission:
    """The first message about an order. `amount` is in minor units; with `wants_3ds` it has 3-D Secure data.

    With `mandates_challenge`, the merchant demands a challenge. With `makes_token`, the card is saved for
    `shopper`. With `captures`, the sum is captured once it is authorised. With `pays_out`, the sum goes to
    the cardholder, without an earlier payment.
    """

    order_code: str
    description: str
    amount: int
    currency: str
    exponent: int
    card: Card | KeptCard
    session_id: str
    wants_3ds: bool
    device_data: str
    window: str
    mandates_challenge: bool = False
    makes_token: bool = False
    shopper: str = ""
    email: str = ""
    captures: bool = False
    pays_out: bool = False


class Acquirer:
    def __init__(
        self,
        books: Books,
        tokens: Tokens,
        bookings: Bookings,
        outgoing: Outgoing,
        knobs: Knobs[OrderKnob],
        configuration: Configuration,
        clock: Clock,
        seed: str,
    ) -> None:
        self._books = books
        self._tokens = tokens
        self._bookings = bookings
        self._outgoing = outgoing
        self._knobs = knobs
        self._configuration = configuration
        self._clock = clock
        self._seed = seed

    @property
    def settle_seconds(self) -> float:
        return self._clock.seconds(self._configuration.settle_seconds)

    def order(self, order_code: str) -> Order:
        """Return an order. Raises RequestRefused (5) if it is unknown or still in its challenge."""
        order = fold(self._books.entries(order_code))
        if order is None or not order.last_event:
            raise RequestRefused(5, NOT_FOUND, order_code)
        return order

    def shown(self, order_code: str) -> Order:
        """Return an order as inquiries show it, from a delayed copy of the books.

        Raises RequestRefused (5) as `order` does. If only the copy lacks the order, half of the orders get
        the text "not ready".
        """
        entries = self._books.entries(order_code)
        order = self._replicated(entries)
        if order is None or not order.last_event:
            newest = fold(entries)
            is_decided = newest is not None and newest.last_event
            is_told = is_decided and happens(self._seed, order_code, "the order is called not ready")
            raise RequestRefused(5, NOT_READY if is_told else NOT_FOUND, order_code)
        return order

    def listed(self, since: float, until: float, most: int) -> list[Order]:
        """Return the orders submitted in a period (epoch seconds), except those in their challenge.

        They come from the delayed copy of the books, as in inquiries, and are not many more than `most`.
        """
        listed, last = list[Order](), 0
        while len(listed) <= most:
            page = self._books.submitted(since, until, after=last, limit=READ_AT_ONCE)
            if not page:
                break
            folded = map(self._replicated, self._books.histories(page).values())
            listed += [order for order in folded if order is not None and order.last_event]
            last = max(page.values())
        return listed

    def _replicated(self, entries: Sequence[Entry]) -> Order | None:
        until = time.time() - self._clock.seconds(self._configuration.replication_seconds)
        return fold([entry for entry in entries if entry.at <= until])

    def submit(self, new: Submission) -> Order:
        """Decide a new order.

        Raises RequestRefused: 2 token without shopper, 5 duplicate, no session or unknown brand, 7 card.
        """
        if self._books.entries(new.order_code):
            raise RequestRefused(5, "Duplicate Order", new.order_code)
        try:
            new.card.check()
        except UnreadableCard as error:
            raise RequestRefused(7, f"Invalid payment details : {error}", new.order_code) from error
        except UnknownBrand as error:
            # The provider's text, as activemerchant's worldpay_test.rb has it.
            said = f"XML failed validation: Invalid payment details : {error}"
            raise RequestRefused(5, said, new.order_code) from error
        if new.wants_3ds and not new.session_id:
            raise RequestRefused(5, "Session id is required for 3DS", new.order_code)
        traits = self._traits(new)
        outcome = self._outcome(new.card, traits)
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
                "card": {
                    "brand": new.card.brand,
                    "last4": new.card.last4,
                    "masked": new.card.masked,
                    "expiry": f"{new.card.expiry_month:02d}/{new.card.expiry_year}",
                },
                "outcome": asdict(outcome) | {"cvc": new.card.has_cvc, "three_ds": new.wants_3ds},
                "machine": self._cookies(new.order_code, 0),
                "device_data": new.device_data,
                "window": new.window,
                "traits": traits,
                "holder": self._holder(new.card),
                "email": new.email,
                "token": self._token(new),
                "captures": new.captures,
            },
        )
        if isinstance(new.card, KeptCard):
            self._tokens.use(new.card)
        order = self._read(new.order_code)
        if new.pays_out and outcome.payment == "AUTHORISED":
            self._bookings.request(order, Kind.REFUND_REQUESTED, order.amount)
            return self._read(new.order_code)
        if not new.wants_3ds:
            return self._decide(order, "")
        if order.asks_for_old_authentication:
            return order
        is_frictionless = outcome.authentication == FRICTIONLESS
        if outcome.authentication.challenge or (is_frictionless and new.mandates_challenge):
            return self._challenge(order)
        return self._decide(order, outcome.authentication.status)

    def complete(self, order_code: str, session_id: str, cookies: list[str]) -> Order:
        """Decide an order after its challenge, by the merchant's second message.

        Raises RequestRefused: 5 unknown order or wrong node, 7 wrong session or nothing left to complete. An
        order with the trait `forgotten_after_challenge` is decided, and the answer is 7 nevertheless.
        """
        order = fold(self._books.entries(order_code))
        if order is None:
            raise RequestRefused(5, NOT_FOUND, order_code)
        expected = sorted(order.machine.split("; "))
        names = {pair.partition("=")[0] for pair in expected}
        if sorted(pair for pair in cookies if pair.partition("=")[0] in names) != expected:
            raise RequestRefused(5, "This node does not know the order: send each cookie once", order_code)
        if session_id != order.session_id:
            raise RequestRefused(7, "Invalid payment details : session id differs from the first", order_code)
        if not order.in_challenge:
            raise RequestRefused(7, "Invalid payment details : no authentication to complete", order_code)
        completed = self._complete(order)
        if "forgotten_after_challenge" in order.traits and not completed.in_challenge:
            raise RequestRefused(7, "Could not find order", order_code)
        return completed

    def _token(self, new: Submission) -> dict[str, Any]:
        """Return the details of the token for replies; empty if the merchant did not ask for one."""
        if not new.makes_token or isinstance(new.card, KeptCard):
            return {}
        scheme_transaction = self._identifier(new.order_code, "scheme").hex[:15].upper()
        return self._tokens.issue(new.card, new.shopper, scheme_transaction, new.order_code)

    def _holder(self, card: Card | KeptCard) -> str:
        """Return the card holder's name: for a saved card, that of the order with which it was saved."""
        first = fold(self._books.entries(card.order_code)) if isinstance(card, KeptCard) else None
        return card.holder if first is None else first.holder

    def _outcome(self, card: Card | KeptCard, traits: list[Trait]) -> Outcome:
        """Return the issuer's decision. The issuer may refuse a card that was saved without a challenge."""
        if "demands_first_challenge" in traits and isinstance(card, KeptCard):
            first = fold(self._books.entries(card.order_code))
            if first is None or not first.challenges:
                return Outcome(FRICTIONLESS, "REFUSED", "65")
        return card.outcome

    def has_expired(self, challenge: Challenge) -> bool:
        return time.time() > challenge.issued_at + self._clock.seconds(self._configuration.challenge_seconds)

    def _complete(self, order: Order) -> Order:
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

    def _traits(self, new: Submission) -> list[Trait]:
        """Return an order's traits: from a knob, else from the card holder's name, else drawn by chance."""
        if struck := self._knobs.strike(new.order_code):
            return struck[0].traits
        named = named_by(new.card.holder)
        return drawn(self._seed, new.order_code, self._configuration.traits) if named is None else named

    def _decide(self, order: Order, status: str, reasons: dict[str, str] | None = None) -> Order:
        """Authorise or refuse by the issuer's authentication status, which is empty without 3-D Secure."""
        authentication = {"status": status, **(reasons or {})} if status else {}
        if status:
            authentication["eci"] = ECI.get(order.card["brand"], OTHER_ECI).get(status, "")
            authentication["ds_transaction_id"] = str(self._identifier(order.code, "directory server"))
        payment, refusal_code = order.outcome["payment"], order.outcome["refusal_code"]
        if status in {"N", "R"} and "authorises_unauthenticated" not in order.traits:
            payment, refusal_code = "REFUSED", ""
        detail = {"authentication": authentication, "refusal_code": refusal_code}
        if payment == "AUTHORISED":
            detail["authorisation_id"] = str(self._identifier(order.code, "authorisation").int % 10**6).zfill(
                6
            )
        amount = order.amount if payment == "AUTHORISED" else 0
        self._books.append(order.code, Kind[payment], amount=amount, detail=detail)
        decided = self._read(order.code)
        if payment == "AUTHORISED" and "cancelled_by_risk" in order.traits:
            self._cancel_by_risk(decided)
            return decided
        self._outgoing.announce(decided, payment, order.amount)
        if payment == "AUTHORISED":
            self._bookings.authorised(decided)
            if decided.captures:
                self._bookings.request(decided, Kind.CAPTURE_REQUESTED, decided.authorised)
        return decided

    def _cancel_by_risk(self, decided: Order) -> None:
        """Cancel an authorised order, whose reply says AUTHORISED nevertheless (Worldpay/hybris#130)."""
        self._books.append(decided.code, Kind.CANCELLED, amount=decided.authorised)
        cancelled = self._read(decided.code)
        self._outgoing.announce(cancelled, "AUTHORISED", decided.authorised, last_event="CANCELLED")
        self._outgoing.announce(cancelled, "CANCELLED", decided.authorised)

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
                "machine": self._cookies(order.code, number),
            },
        )
        return self._read(order.code)

    def _cookies(self, order_code: str, number: int) -> str:
        """Return the two cookies of the machine that has the order after challenge `number`.

        The provider warns against assumptions about the cookies' names
        (developer.worldpay.com/docs/wpg/reference/wpgbestpractice/), so the names here depend on the seed.
        """
        draw = Random(f"{self._seed}:{order_code}:names of cookies")  # noqa: S311 - repeatable by design
        value = self._identifier(order_code, f"machine {number}").hex
        first, second = draw.choice(MACHINE_COOKIES), draw.choice(ROUTE_COOKIES)
        return f"{first}={value[:8]}; {second}={value[8:24]}"

    def _read(self, order_code: str) -> Order:
        order = fold(self._books.entries(order_code))
        if order is None:
            raise LookupError(order_code)
        return order

    def _identifier(self, order_code: str, purpose: str) -> UUID:
        bits = Random(f"{self._seed}:{order_code}:{purpose}").getrandbits(128)  # noqa: S311 - repeatable by design
        return UUID(int=bits, version=4)
