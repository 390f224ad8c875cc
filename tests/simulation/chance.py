"""The random decisions of a schedule, determined by its seed."""

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from checkout.conf import conf

T = TypeVar("T")

# For each fault, the probabilities from which a schedule draws one, and the most times it can happen in a
# schedule. The number is limited because the product must survive faults, but cannot make progress if they
# never end.
FAULTS: dict[str, tuple[tuple[float, ...], int]] = {
    "crash": ((0.002, 0.01, 0.04), 5),
    "database_lost": ((0.005, 0.03), 4),
    "connection_cut": ((0.005, 0.03), 4),
    "publish_refused": ((0.02, 0.1), 6),
    "publish_uncertain": ((0.02, 0.1), 6),
    "doubled": ((0.03, 0.2), 20),
    "provider": ((0.1, 0.4), 6),
    # An additional share of lost answers to requests that move money, because the gateway must not guess
    # those answers.
    "movement_lost": ((0.4, 0.8), 6),
    "notification_copied": ((0.3,), 6),
    "notification_late": ((0.3,), 6),
    "notification_forged": ((0.2, 0.4), 4),
    "booking_forged": ((0.5,), 3),
    "notification_wrong": ((0.3,), 3),
    "release_late": ((0.5,), 2),
    "refund_returned": ((0.3, 0.7), 4),
    "stall": ((0.03, 0.2), 3),
    "freeze": ((0.005, 0.02), 3),
    "poison": ((0.5,), 1),
    "hiccup": ((0.02, 0.1), 20),
}

# Rare faults, each with random numbers of its own, so that other decisions of a schedule do not depend on
# them: the shares from which a schedule draws one, and the most times that it can happen.
HABITS: dict[str, tuple[tuple[float, ...], int]] = {
    # A process is held up between the intent and the request, longer than a query needs to show that nothing
    # arrived; or between the answer that nothing was done and its record, until another copy was carried out.
    "held_up": ((0.0, 0.0, 0.5), 2),
    "answer_held": ((0.0, 0.0, 0.4), 1),
    # The answer to a second capture or refund of an order is lost, and no other message reports it.
    "second_hidden": ((0.0, 0.0, 0.6), 3),
    # A clerk refunds a payment in several parts.
    "refunded_in_parts": ((0.0, 0.0, 0.7), 3),
    # The provider refuses a request whose key it knows, instead of repeating its answer.
    "copy_refused": ((0.0, 0.7), 3),
    # The provider forgets a key within hours, long before its documents say so.
    "key_forgotten": ((0.0, 0.0, 0.5), 3),
    # The provider does not find an order, or may not act for the account, until somebody mends that.
    "not_through": ((0.0, 0.0, 0.0, 0.4), 2),
    # An inquiry is answered with a wrong amount while the request that it asks about is in flight.
    "answer_wrong_meanwhile": ((0.0, 0.0, 0.7), 1),
    # The same, and nobody ever mends it.
    "never_through": ((0.0, 0.2), 1),
    # The provider books a smaller amount than requested.
    "other_amount": ((0.0, 0.0, 0.3), 1),
    # Somebody makes the same movement twice in the portal on one day.
    "same_again": ((0.0, 0.5), 2),
    "dispute_untold": ((0.0, 0.0, 0.0, 0.6), 2),
    "dispute_untold_without_sums": ((0.0, 0.0, 0.5), 1),
    "rest_expires": ((0.0, 0.0, 0.4), 2),
    # A clerk decides as soon as a saga is parked, and a second clerk decides by an older page than the first.
    "clerk_hasty": ((0.0, 0.7), 3),
    "clerk_second": ((0.0, 0.5), 4),
    # A customer pays with a saved card that the page offers, perhaps a while after looking at the page.
    "saved_card_chosen": ((0.0, 0.5, 0.9), 4),
    # The same customer removes that card on the page, in another tab.
    "saved_card_removed": ((0.0, 0.0, 0.3), 2),
}

# The share of schedules that have a given kind of fault. With few kinds at a time, schedules get further.
LIKELIHOOD = 0.4
# The hardest cases for the gateway start with a lost answer about money that was moved.
LIKELIER = {"movement_lost": 0.7, "refund_returned": 0.7}


# The customers of the merchant, and the share of schedules in which shoppers are customers, who may save
# cards.
CUSTOMERS = ("anna", "ben")
WITH_CUSTOMERS = 0.4
# Each schedule draws one of these: the share of requests of staff after which the payment is erased at once.
ERASED_AT_ONCE = (0.0, 0.0, 0.6)

# Each schedule draws one of these: the share of events before whose keys other keys are left out. Then the
# means of the seconds for which the transactions with those keys are open: within a round of the relay, or
# longer than it remembers keys.
COMMITTED_LATE = (0.0, 0.2, 0.5)
OPEN_SECONDS = (0.5, 10.0, 300.0)

# The share of schedules in which automatic captures are left to the provider.
CAPTURED_WITH_AUTHORISATION = 0.4

# Each schedule draws one of these: the share of the provider's answers with a wrong amount. Then the most
# such answers.
WRONG_ANSWERS = (0.0, 0.0, 0.0, 0.2)
MOST_WRONG_ANSWERS = 2

# Each schedule draws one of these: the share of orders that the provider does not find at first, although it
# has notified them. Then the bounds of the seconds for which it does not find them.
NOT_FOUND = (0.0, 0.0, 0.7)
NOT_FOUND_SECONDS = (60.0, 8 * 3600.0)

# The share of schedules whose provider is slow to show new orders and modifications.
SLOW_TO_SHOW = 0.4

# Each schedule draws one of these: the share of orders whose rest the bank releases after the first capture.
RELEASES_REST = (0.0, 0.5, 1.0)

# Each schedule draws one of these: the share of authorisations that the provider carries out only hours after
# the request. Then the most such authorisations, and the bounds of the seconds. The order is not visible
# before.
CARRIED_OUT_LATE = (0.0,) * 9 + (0.6,)
MOST_CARRIED_OUT_LATE = 2
CARRIED_OUT_SECONDS = (3600.0, 48 * 3600.0)

# The share of schedules whose provider does not remember idempotency keys.
WITHOUT_KEYS = 0.4
# Each schedule draws one of these: the share of orders whose captures and refunds wait at the provider
# without being visible. Then the bounds of the seconds, which exceed the lag of modifications.
QUEUED = (0.0, 0.0, 0.0, 0.5)
QUEUED_SECONDS = (1800.0, 72 * 3600.0)
# The share of captures and refunds that never arrived which staff give up.
GIVEN_UP = 0.3

# The share of schedules in which the key of a notification is its content and day, as with Worldpay, and in
# which notifications have no reference for movements made in the portal.
WITH_CONTENT_KEYS = 0.3

# The share of schedules in which people work in the provider's portal as well.
WITH_PORTAL = 0.125

# The services that may work in place, and the share of schedules in which some do. The choice changes at each
# start of the checkout service.
IN_PLACE = ("risk", "orders", "ledger", "notifications")
WITH_SERVICES_IN_PLACE = 0.4

# Each schedule draws one of these: the share of shoppers who close a payment that they could try again.
CLOSED = (0.0, 0.0, 0.5)

# The answers of a service that decide nothing, and the field that makes a reply malformed.
PASSING, MALFORMED = "passing", "malformed"
NONSENSE = "nonsense"
# Fewer than a saga's attempts. Otherwise a saga would be parked because of answers that no real service gives
# for ever.
MOST_UNDECIDED = 3


class Chance:
    """A source of random decisions that are the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"schedule {seed}")
        self._rates = {
            name: self._random.choice(rates)
            if self._random.random() < LIKELIER.get(name, LIKELIHOOD)
            else 0.0
            for name, (rates, _) in FAULTS.items()
        }
        self._left = {name: most for name, (_, most) in (FAULTS | HABITS).items()}
        self._streams = {name: Random(f"{name} of schedule {seed}") for name in HABITS}
        self._rates |= {name: self._streams[name].choice(shares) for name, (shares, _) in HABITS.items()}
        self._pace = self._random.choice((0.001, 0.02, 0.3))
        self._issuers = Random(f"issuers of schedule {seed}")
        self._share_of_bad_issuers = self._issuers.choice((0.0, 0.0, 0.0, 0.3))
        self._liars = Random(f"liars of schedule {seed}")
        self._share_of_lies = self._liars.choice((0.0, 0.0, 0.5))
        self._colleagues = Random(f"colleagues of schedule {seed}")
        self._share_of_undecided = self._colleagues.choice((0.0, 0.0, 0.1, 0.4))
        self._undecided_left = MOST_UNDECIDED
        self._customers = Random(f"customers of schedule {seed}")
        self.has_customers = self._customers.random() < WITH_CUSTOMERS
        self._erasures = Random(f"erasures of schedule {seed}")
        self._share_of_erasures = self._erasures.choice(ERASED_AT_ONCE)
        self._transactions = Random(f"transactions of schedule {seed}")
        self._share_of_late_commits = self._transactions.choice(COMMITTED_LATE)
        captures = Random(f"captures of schedule {seed}")
        self.captures_with_authorisation = captures.random() < CAPTURED_WITH_AUTHORISATION
        self._answers = Random(f"answers of schedule {seed}")
        self._share_of_wrong_answers = self._answers.choice(WRONG_ANSWERS)
        self._wrong_answers_left = MOST_WRONG_ANSWERS
        self._search = Random(f"search of schedule {seed}")
        self._share_of_not_found = self._search.choice(NOT_FOUND)
        self._is_slow_to_show = self._search.random() < SLOW_TO_SHOW
        lag = conf.order_lag.total_seconds()
        self.copy_lag_seconds = self._search.uniform(1, lag) if self._is_slow_to_show else 0.0
        self._delays = Random(f"delays of schedule {seed}")
        self._share_of_delays = self._delays.choice(CARRIED_OUT_LATE)
        self._delays_left = MOST_CARRIED_OUT_LATE
        self._closing = Random(f"closing of schedule {seed}")
        self._share_of_closed = self._closing.choice(CLOSED)
        self._rests = Random(f"rests of schedule {seed}")
        self._share_of_released_rests = self._rests.choice(RELEASES_REST)
        self._queue = Random(f"queue of schedule {seed}")
        self.has_keys = self._queue.random() >= WITHOUT_KEYS
        self._share_of_queued = self._queue.choice(QUEUED)
        self.has_content_keys = Random(f"keys of schedule {seed}").random() < WITH_CONTENT_KEYS
        self.has_portal = Random(f"portal of schedule {seed}").random() < WITH_PORTAL
        self._places = Random(f"places of schedule {seed}")
        self._has_services_in_place = self._places.random() < WITH_SERVICES_IN_PLACE
        self.happened: dict[str, int] = {}

    def calm_down(self) -> None:
        """Stop all faults."""
        self._rates = dict.fromkeys(self._rates, 0.0)
        self._undecided_left = self._wrong_answers_left = self._delays_left = 0

    def services_in_place(self) -> Sequence[str]:
        """Choose services that work in place (``messaging.worker.in_place``) after this start of checkout."""
        if not self._has_services_in_place:
            return ()
        return [name for name in IN_PLACE if self._places.random() < 0.7]

    def happens(self, fault: str) -> bool:
        """Decide if ``fault`` happens now, and count it if it does."""
        rate = self._rates[fault]
        if not rate or not self._left[fault] or self._streams.get(fault, self._random).random() >= rate:
            return False
        self._left[fault] -= 1
        self.count(fault)
        return True

    def seconds_of(self, habit: str, least: float, most: float) -> float:
        """Return a number of seconds between two bounds, from the random numbers of one of ``HABITS``."""
        return self._streams[habit].uniform(least, most)

    def count(self, fault: str) -> None:
        """Count a fault that has happened."""
        self.happened[fault] = self.happened.get(fault, 0) + 1

    def issuer_refuses_capture(self) -> bool:
        """Decide if the issuer refuses to pay for an authorisation. This is not counted as a fault."""
        return self._issuers.random() < self._share_of_bad_issuers

    def answer_is_wrong(self) -> bool:
        """Decide if the provider's answer has another amount than the order, and count it if so."""
        if not self._wrong_answers_left or self._answers.random() >= self._share_of_wrong_answers:
            return False
        self._wrong_answers_left -= 1
        self.count("answer_wrong")
        return True

    def seconds_not_found(self) -> float:
        """Return the seconds for which the provider does not find an order that it has notified."""
        if self._search.random() >= self._share_of_not_found:
            return 0.0
        return self._search.uniform(*NOT_FOUND_SECONDS)

    def seconds_not_shown(self) -> float:
        """Return the seconds after which searches show a new order, within the lag of orders."""
        lag = conf.order_lag.total_seconds()
        return self._search.uniform(0, lag) if self._is_slow_to_show and self._search.random() < 0.5 else 0.0

    def seconds_until_carried_out(self) -> float:
        """Return the seconds after which the provider carries out an authorisation, mostly none."""
        if not self._delays_left or self._delays.random() >= self._share_of_delays:
            return 0.0
        self._delays_left -= 1
        self.count("carried_out_late")
        return self._delays.uniform(*CARRIED_OUT_SECONDS)

    def is_booked_late(self) -> bool:
        """Decide if a capture or refund is booked only within the lag of modifications."""
        return self._is_slow_to_show and self._search.random() < 0.5

    @property
    def has_queue(self) -> bool:
        """Return True if captures and refunds of some orders wait at the provider without being visible."""
        return self._share_of_queued > 0

    def is_queued(self) -> bool:
        """Decide if the captures and refunds of an order wait at the provider without being visible."""
        return self._queue.random() < self._share_of_queued

    def staff_give_up(self) -> bool:
        """Decide if staff give up an operation that never arrived. This is not counted as a fault."""
        return self._queue.random() < GIVEN_UP

    def seconds_queued(self) -> float:
        """Return the seconds after which a queued capture or refund is booked, and count the fault."""
        self.count("queued")
        return self._queue.uniform(*QUEUED_SECONDS)

    def releases_rest(self) -> bool:
        """Decide if the bank releases an order's rest once a part is captured. Not counted as a fault."""
        return self._rests.random() < self._share_of_released_rests

    def shopper_closes(self) -> bool:
        """Decide if a shopper closes the payment instead of trying again. This is not counted as a fault."""
        return self._closing.random() < self._share_of_closed

    def undecided_answer(self) -> str:
        """Decide if a service answers with a passing error or a malformed reply; empty for neither."""
        if not self._undecided_left or self._colleagues.random() >= self._share_of_undecided:
            return ""
        self._undecided_left -= 1
        answer = self._colleagues.choice((PASSING, MALFORMED))
        self.count("undecided")
        return answer

    def customer(self) -> str:
        """Return the customer who is the next shopper, or "" for a shopper who is not a customer."""
        if not self.has_customers or self._customers.random() < 0.2:
            return ""
        return self._customers.choice(CUSTOMERS)

    def of_token(self, choices: Sequence[T], weights: Sequence[float]) -> T:
        """Return the provider's choice of an answer about a token. This is not counted as a fault."""
        return self._customers.choices(choices, weights)[0]

    def erases_at_once(self) -> bool:
        """Decide if a payment is to be erased just after a request of staff. Not counted as a fault."""
        return self._erasures.random() < self._share_of_erasures

    def keys_left_out(self) -> int:
        """Return the number of keys that open transactions took just before an event's key, mostly 0."""
        if self._transactions.random() >= self._share_of_late_commits:
            return 0
        return self._transactions.randint(1, 2)

    def open_seconds(self) -> float:
        """Return the seconds for which a transaction with such a key stays open."""
        return self._transactions.expovariate(1 / self._transactions.choice(OPEN_SECONDS))

    def refund_is_denied(self) -> bool:
        """Decide if a notification falsely reports a refund as failed. This is not counted as a fault."""
        return self._liars.random() < self._share_of_lies

    def refund_is_made_after_all(self) -> bool:
        """Decide if a returned refund reaches the cardholder in the end. Not counted as a fault either."""
        return self._liars.random() < 0.5

    def moment(self) -> float:
        """Return the seconds that an internal step takes: mostly short, occasionally long."""
        if self.happens("hiccup"):
            return self.between(1, 30) if self.of(0.8) else self.between(30, 1500)
        return self.around(self._pace)

    def around(self, mean: float) -> float:
        """Return seconds from an exponential distribution with this mean."""
        return -mean * math.log(1 - self._random.random())

    def between(self, least: float, most: float) -> float:
        """Return a number between two bounds, uniformly distributed."""
        return self._random.uniform(least, most)

    def number(self, least: int, most: int) -> int:
        """Return an integer between two bounds, inclusive."""
        return self._random.randint(least, most)

    def of(self, likelihood: float) -> bool:
        """Return True with this probability."""
        return self._random.random() < likelihood

    def one_of(self, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Return one of ``choices``."""
        return self._random.choices(choices, weights)[0]
