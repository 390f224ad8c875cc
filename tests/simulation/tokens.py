"""The tokens of the cards that the bank keeps, as difficult as Worldpay's documents allow.

The gateway may learn a token from the reply only, from an inquiry only, from both or never, or get a
conflict. A token expires or is forgotten; a charge with it then makes no order, and its answer decides
nothing. Otherwise the issuer decides again for each charge, and may demand the shopper, who is not there.
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from checkout.payments.providers.base import Authorisation, ProviderResult
from checkout.payments.providers.saved_cards import KeptToken, StoredCard
from tests.support.memory_provider.books import Books

if TYPE_CHECKING:
    from tests.simulation.world import World

TELLINGS = ("always", "by reply", "by inquiry", "never", "conflict")
TELLING_WEIGHTS = (10, 2, 2, 1, 1)
LIVES_DAYS = (0, 1, 30)
LIFE_WEIGHTS = (1, 2, 7)
FORGOTTEN = "forgotten"
ANSWERS = ("approve", "refuse", "challenge", "pending", FORGOTTEN)
ANSWER_WEIGHTS = (10, 3, 2, 2, 2)


class Tokens:
    """The bank's tokens in one schedule.

    ``kept_at`` and ``deleted_at`` have the virtual times at which each token was last requested and last
    deleted.
    """

    def __init__(self, world: "World", books: Books) -> None:
        self._world = world
        self._books = books
        self._telling: dict[str, str] = {}
        self._last_days: dict[str, date] = {}
        self.kept_at: dict[str, float] = {}
        self.deleted_at: dict[str, float] = {}

    def be_kept(self, request: Authorisation) -> None:
        """Note that a card is kept again, if the bank has its order."""
        order = self._books.orders.get(request.order_code)
        if order is not None and order.token:
            self.kept_at[order.token] = self._world.clock.now

    def be_deleted(self, kept: KeptToken) -> None:
        """Delete a token if the shopper is its own."""
        if f"/{kept.shopper}/" not in kept.token:
            self._world.violations.append(f"I13: {kept.token} was to be deleted for {kept.shopper}")
        self.deleted_at[kept.token] = self._world.clock.now
        self._last_days.pop(kept.token, None)

    def be_charged(self, card: StoredCard) -> None:
        """Let the issuer decide about a charge, or forget the card. Only its own shopper can use a token."""
        today = timezone.now().date()
        answer = self._world.chance.of_token(ANSWERS, ANSWER_WEIGHTS)
        is_over = self._last_days.get(card.token, today) < today
        if answer == FORGOTTEN or is_over or f"/{card.shopper}/" not in card.token:
            self._books.tokens.pop(card.token, None)
            self._last_days.pop(card.token, None)
        elif card.token in self._books.tokens:
            self._books.tokens[card.token] = answer

    def told(self, result: ProviderResult, *, is_reply: bool) -> ProviderResult:
        """Return the provider's answer with the details of the token at this time."""
        if result.token is None:
            return result
        chance, token = self._world.chance, result.token.token
        if result.order_code not in self._telling:
            self._telling[result.order_code] = chance.of_token(TELLINGS, TELLING_WEIGHTS)
            # A token that is requested again lives longer.
            days = timedelta(days=chance.of_token(LIVES_DAYS, LIFE_WEIGHTS))
            last = timezone.now().date() + days
            self._last_days[token] = max(last, self._last_days.get(token, last))
        telling = self._telling[result.order_code]
        if telling == "conflict":
            return replace(result, token=None, token_fault="conflict")
        if telling in ("always", "by reply" if is_reply else "by inquiry"):
            issued = replace(result.token, valid_until=self._last_days.get(token))
            return replace(result, token=issued)
        return replace(result, token=None)
