"""The cards that are saved for a merchant's customers, and their tokens. No number is stored.

Source: the provider's pages on tokenisation (developer.worldpay.com/docs/wpg/tokenisation/).
"""

import hmac
import json
import sqlite3
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sandbox.bank.cards import Card, UnreadableCard
from sandbox.errors import RequestRefused
from sandbox.scenarios import CHALLENGE, FRICTIONLESS, Outcome, Payment, choose_later

NO_SHOPPER = "authenticatedShopperID is required for a create token request"
NOT_FOUND = "Internal error: token not found"


@dataclass(frozen=True, slots=True)
class KeptCard:
    """A card that is kept under a token. `payment` and `refusal_code` are the result of later charges.

    `order_code` is that of the order with which the card was saved, and `name` a digest of its holder's name.
    If it `is_challenged`, the issuer challenges a shopper who pays with it.
    """

    token: str
    shopper: str
    brand: str
    last4: str
    masked: str
    expiry_month: int
    expiry_year: int
    payment: Payment
    refusal_code: str
    order_code: str = ""
    holder: str = ""
    has_cvc: bool = False
    name: str = ""
    is_challenged: bool = False

    def check(self) -> None:
        """Raise UnreadableCard if the card has expired."""
        today = datetime.now(UTC)
        if (self.expiry_year, self.expiry_month) < (today.year, today.month):
            raise UnreadableCard(f"Expiry date = {self.expiry_month}/{self.expiry_year}")

    def differs_from(self, other: "KeptCard") -> bool:
        """Return True if expiry or name differ."""
        own = (self.expiry_year, self.expiry_month, self.name)
        return own != (other.expiry_year, other.expiry_month, other.name)

    @property
    def outcome(self) -> Outcome:
        authentication = CHALLENGE if self.is_challenged else FRICTIONLESS
        return Outcome(authentication, self.payment, self.refusal_code)


class Tokens:
    """The tokens of one storage. They are written in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, seed: str, life: timedelta) -> None:
        self._connection = connection
        self._seed = seed
        self._life = life

    def issue(self, card: Card, shopper: str, scheme_transaction: str, order_code: str) -> dict[str, Any]:
        """Keep a card, and return the details of its token for the reply.

        If the same card is kept already, it keeps its token, with a new expiry and this order (MATCH). If the
        kept card has another expiry date or name, the kept card stays as it is (CONFLICT).

        Raises RequestRefused (2) without a shopper.
        """
        if not shopper:
            raise RequestRefused(2, NO_SHOPPER)
        later = choose_later(card.holder)
        purpose = f"{shopper} {card.number} {later.refusal_code}"
        token = f"99{int(self._digest(purpose), 16) % 10**18:018d}"
        kept = KeptCard(
            token, shopper, card.brand, card.last4, card.masked, card.expiry_month, card.expiry_year,
            later.payment, later.refusal_code, order_code, name=self._digest(f"name {card.holder}")[:16],
            is_challenged=card.outcome.authentication.challenge,
        )  # fmt: skip
        event, until = "NEW", (datetime.now(UTC).date() + self._life).isoformat()
        known = self._living(token)
        if known is not None:
            before = KeptCard(**json.loads(known["detail"]))
            event = "MATCH"
            if before.differs_from(kept):
                event, until, kept = "CONFLICT", known["valid_until"], before
        if event != "CONFLICT":
            self._connection.execute(
                "INSERT INTO token (at, token, valid_until, detail) VALUES (?, ?, ?, ?)",
                (time.time(), token, until, json.dumps(asdict(kept))),
            )
        return {
            "id": token,
            "event": event,
            "valid_until": until,
            "shopper": shopper,
            "expiry_month": kept.expiry_month,
            "expiry_year": kept.expiry_year,
            "scheme_transaction": scheme_transaction,
        }

    def find(self, token: str, shopper: str) -> KeptCard:
        """Return a saved card. Raises RequestRefused (1): unknown token, expired token, other shopper."""
        row = self._living(token)
        if row is None:
            raise RequestRefused(1, NOT_FOUND)
        kept = KeptCard(**json.loads(row["detail"]))
        if kept.shopper != shopper:
            raise RequestRefused(1, NOT_FOUND)
        return kept

    def use(self, kept: KeptCard) -> None:
        """Renew a token that was used, if less than half of its life is left.

        The provider's replies do not report that (developer.worldpay.com/products/access/tokens/changelog).
        """
        row, today = self._living(kept.token), datetime.now(UTC).date()
        if row is not None and 2 * (date.fromisoformat(row["valid_until"]) - today) < self._life:
            self._connection.execute(
                "INSERT INTO token (at, token, valid_until, detail) VALUES (?, ?, ?, ?)",
                (time.time(), kept.token, (today + self._life).isoformat(), row["detail"]),
            )

    def delete(self, token: str, shopper: str) -> None:
        """Delete a card. Raises RequestRefused (1) as `find` does."""
        self.find(token, shopper)
        self._connection.execute(
            "INSERT INTO token_deleted (at, token) SELECT ?, id FROM token WHERE token = ?"
            " AND NOT EXISTS (SELECT 1 FROM token_deleted WHERE token_deleted.token = token.id)",
            (time.time(), token),
        )

    def _digest(self, text: str) -> str:
        return hmac.digest(self._seed.encode(), text.encode(), "sha256").hex()

    def _living(self, token: str) -> Any:
        """Return the latest row of a token; None if there is none, or it was deleted or has expired."""
        row = self._connection.execute(
            "SELECT * FROM token WHERE token = ?"
            " AND NOT EXISTS (SELECT 1 FROM token_deleted WHERE token_deleted.token = token.id)"
            " ORDER BY id DESC LIMIT 1",
            (token,),
        ).fetchone()
        is_living = row is not None and date.fromisoformat(row["valid_until"]) >= datetime.now(UTC).date()
        return row if is_living else None
