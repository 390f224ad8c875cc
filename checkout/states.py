"""The states of a payment and of an attempt, with one explicit table of the transitions of each.

An edge names its event and the parties that may cause the event. Any other transition is impossible:
``Machine.next`` raises ``IllegalTransition``, and the fact is recorded without being applied.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from checkout.errors import IllegalTransition


class PaymentState(StrEnum):
    """The state of a payment, as merchants and shoppers see it."""

    OPEN = "open"
    PROCESSING = "processing"
    CHALLENGE_REQUIRED = "challenge_required"
    CONFIRMING = "confirming"
    AUTHORISED = "authorised"
    CAPTURE_PENDING = "capture_pending"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    REFUSED = "refused"
    VOID_PENDING = "void_pending"
    VOIDED = "voided"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CHARGED_BACK = "charged_back"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CONFLICTED = "conflicted"

    @property
    def is_under_way(self) -> bool:
        """True if an attempt is under way, so that its saga changes the state.

        Otherwise the operations' sums do.
        """
        return self in LIVE

    @property
    def is_decided(self) -> bool:
        """True if the shopper can be told the result. A refused payment may still be tried again."""
        return self not in UNDECIDED

    @property
    def is_paid(self) -> bool:
        """True if the payment is made in the shopper's view."""
        return self in PAID

    @property
    def may_be_paid(self) -> bool:
        """True if a new attempt may start."""
        return self in (PaymentState.OPEN, PaymentState.REFUSED)


# Short names, because a row of the tables below has up to six states.
P = PaymentState
LIVE = frozenset({P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING})
UNDECIDED = LIVE | {P.OPEN, P.CONFLICTED}
PAID = frozenset({P.AUTHORISED, P.CAPTURE_PENDING, P.PARTIALLY_CAPTURED, P.CAPTURED, P.PARTIALLY_REFUNDED})


class AttemptState(StrEnum):
    """The state of one attempt, with one provider and one card."""

    CREATED = "created"
    SUBMITTED = "submitted"
    CHALLENGE_REQUIRED = "challenge_required"
    CHALLENGE_RETURNED = "challenge_returned"
    UNKNOWN = "unknown"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    EXPIRED = "expired"
    CONFLICTED = "conflicted"


A = AttemptState
# The states in which it is not known if the attempt holds money.
OPEN_ATTEMPTS = (A.CREATED, A.SUBMITTED, A.CHALLENGE_REQUIRED, A.CHALLENGE_RETURNED, A.UNKNOWN)
# The states of ended attempts that, as far as we know, hold no money.
ENDED_WITHOUT_MONEY = (A.REFUSED, A.NOT_SENT, A.EXPIRED)


class Actor(StrEnum):
    """A party that may cause an event."""

    SHOPPER = "shopper"
    MERCHANT = "merchant"
    SAGA = "saga"
    PROVIDER = "provider"
    STAFF = "staff"
    CLOCK = "clock"


# The events of the tables below, so that mypy knows them.
PaymentEvent = Literal[
    "submitted",
    "challenge_required",
    "challenge_returned",
    "called_off",
    "outcome_unknown",
    "refusal_doubted",
    "authorised",
    "refused",
    "expired",
    "cancelled",
    "capture_requested",
    "capture_refused",
    "captured_in_part",
    "captured",
    "void_requested",
    "void_refused",
    "voided",
    "refunded_in_part",
    "refunded",
    "charged_back",
    "charge_back_reversed",
    "charge_back_reversed_captured_in_part",
    "charge_back_reversed_refunded_in_part",
    "charge_back_reversed_refunded",
    "authorisation_expired",
    "conflict_resolved",
    "conflict_released",
    "settled_as_held",
    "settled_as_released",
    "conflicted",
]
# The events after which a payment's money is held: the provider's answer, the end of a contradiction, and the
# settlement by staff.
HOLDING: tuple[PaymentEvent, ...] = ("authorised", "conflict_resolved", "settled_as_held")
AttemptEvent = Literal[
    "submitted",
    "not_sent",
    "challenge_required",
    "challenge_returned",
    "outcome_unknown",
    "authorised",
    "refused",
    "released",
    "expired",
    "conflicted",
    "reviewed_as_authorised",
    "reviewed_as_refused",
    "settled_as_authorised",
    "settled_as_refused",
]


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition: ``event``, caused by one of ``actors``, leads from each of ``sources`` to ``target``."""

    event: str
    sources: frozenset[str]
    target: str
    actors: frozenset[Actor]


def _edge(event: PaymentEvent | AttemptEvent, sources: Iterable[str], target: str, *actors: Actor) -> Edge:
    return Edge(event, frozenset(sources), target, frozenset(actors))


_HELD = (P.AUTHORISED, P.CAPTURE_PENDING, P.VOID_PENDING)
_TAKEN = (P.PARTIALLY_CAPTURED, P.CAPTURED)
_GIVEN_BACK = (P.PARTIALLY_REFUNDED, P.REFUNDED)
_MOVED = (*_TAKEN, *_GIVEN_BACK, P.CHARGED_BACK)
_ENDED = (P.REFUSED, P.EXPIRED, P.CANCELLED, P.VOIDED)

PAYMENT_EDGES = (
    _edge("submitted", (P.OPEN, P.REFUSED), P.PROCESSING, Actor.SHOPPER, Actor.MERCHANT),
    _edge("challenge_required", (P.PROCESSING, P.CONFIRMING), P.CHALLENGE_REQUIRED, Actor.SAGA),
    _edge("challenge_returned", (P.CHALLENGE_REQUIRED,), P.PROCESSING, Actor.SHOPPER),
    # The provider is asked to cancel the order as well. If a payment is called off in another state, it stays
    # there until the outcome is known.
    _edge(
        "called_off",
        (P.CHALLENGE_REQUIRED,),
        P.PROCESSING,
        Actor.SHOPPER,
        Actor.MERCHANT,
        Actor.STAFF,
    ),
    _edge("outcome_unknown", (P.PROCESSING, P.CHALLENGE_REQUIRED, P.VOID_PENDING), P.CONFIRMING, Actor.SAGA),
    # The provider did not know the order, so the attempt ended. A later notification reports money for it.
    _edge("refusal_doubted", (P.REFUSED,), P.CONFIRMING, Actor.SAGA),
    # A payment that is captured automatically becomes authorised only when the capture was accepted.
    _edge("authorised", LIVE, P.AUTHORISED, Actor.SAGA, Actor.PROVIDER),
    # If we refuse an authorisation ourselves, the payment waits in VOID_PENDING until the money is released.
    _edge("refused", (*LIVE, P.VOID_PENDING), P.REFUSED, Actor.SAGA, Actor.PROVIDER),
    _edge("expired", (P.OPEN, *LIVE), P.EXPIRED, Actor.SAGA, Actor.CLOCK),
    _edge("expired", (P.REFUSED,), P.EXPIRED, Actor.CLOCK),
    # The saga causes this event if a payment was called off while an attempt was under way, and the attempt
    # was refused before the saga received the call-off.
    _edge(
        "cancelled",
        (P.OPEN, P.REFUSED),
        P.CANCELLED,
        Actor.SHOPPER,
        Actor.MERCHANT,
        Actor.STAFF,
        Actor.SAGA,
    ),
    # If the attempt holds money, the money is released first.
    _edge("cancelled", (*LIVE, P.VOID_PENDING), P.CANCELLED, Actor.SAGA),
    # From here on the state follows the sums of the payment's operations (``payments.totals``). The results
    # of two operations may arrive in either order, so an edge starts from every state that earlier sums may
    # have caused. An edge may lead to the state where it starts, if another part of the money moved. This is
    # reported as an event, too.
    _edge("capture_requested", (P.AUTHORISED, P.VOID_PENDING), P.CAPTURE_PENDING, Actor.SAGA),
    _edge("capture_refused", (P.CAPTURE_PENDING,), P.AUTHORISED, Actor.SAGA),
    _edge(
        "captured_in_part",
        (*_HELD, P.PARTIALLY_CAPTURED, *_GIVEN_BACK),
        P.PARTIALLY_CAPTURED,
        Actor.SAGA,
    ),
    _edge("captured", (*_HELD, P.PARTIALLY_CAPTURED, *_GIVEN_BACK), P.CAPTURED, Actor.SAGA),
    _edge("void_requested", (*LIVE, P.AUTHORISED, P.CAPTURE_PENDING), P.VOID_PENDING, Actor.SAGA),
    _edge("void_refused", (P.VOID_PENDING,), P.AUTHORISED, Actor.SAGA),
    _edge("voided", (*LIVE, *_HELD), P.VOIDED, Actor.SAGA),
    _edge("refunded_in_part", (*_HELD, *_TAKEN, *_GIVEN_BACK), P.PARTIALLY_REFUNDED, Actor.SAGA),
    _edge("refunded", (*_HELD, *_TAKEN, *_GIVEN_BACK), P.REFUNDED, Actor.SAGA),
    # An issuer took money back, and may return it. Then the payment returns to the state that follows from
    # its captures and refunds.
    _edge("charged_back", (*_HELD, *_TAKEN, *_GIVEN_BACK, P.CHARGED_BACK), P.CHARGED_BACK, Actor.SAGA),
    _edge("charge_back_reversed", (P.CHARGED_BACK,), P.CAPTURED, Actor.SAGA),
    _edge("charge_back_reversed_captured_in_part", (P.CHARGED_BACK,), P.PARTIALLY_CAPTURED, Actor.SAGA),
    _edge("charge_back_reversed_refunded_in_part", (P.CHARGED_BACK,), P.PARTIALLY_REFUNDED, Actor.SAGA),
    _edge("charge_back_reversed_refunded", (P.CHARGED_BACK,), P.REFUNDED, Actor.SAGA),
    # Actions of the provider. A notification of such an action counts only after the provider was queried.
    _edge("authorisation_expired", (P.AUTHORISED,), P.EXPIRED, Actor.SAGA),
    # Staff had the provider queried again. The provider's answer and our operations now agree on
    # whether money is held.
    _edge("conflict_resolved", (P.CONFLICTED,), P.AUTHORISED, Actor.SAGA),
    _edge("conflict_released", (P.CONFLICTED,), P.VOIDED, Actor.SAGA),
    # Staff have entered the figures of the provider's books. The next states follow from the sums.
    _edge("settled_as_held", (P.CONFIRMING, P.CONFLICTED, *_ENDED, *_MOVED), P.AUTHORISED, Actor.STAFF),
    _edge("settled_as_released", (P.CONFIRMING, P.CONFLICTED, *_MOVED), P.VOIDED, Actor.STAFF),
    # If a refused, expired or cancelled attempt is approved, a second attempt is stopped, because the first
    # one may hold money.
    _edge(
        "conflicted",
        (*LIVE, *_ENDED, *_HELD, *_MOVED),
        P.CONFLICTED,
        Actor.SAGA,
        Actor.PROVIDER,
    ),
)

_ASKED = (A.SUBMITTED, A.CHALLENGE_RETURNED)
_UNTOLD = (*_ASKED, A.CHALLENGE_REQUIRED, A.UNKNOWN)

ATTEMPT_EDGES = (
    _edge("submitted", (A.CREATED,), A.SUBMITTED, Actor.SAGA),
    _edge("not_sent", (A.CREATED, *_ASKED, A.UNKNOWN), A.NOT_SENT, Actor.SAGA),
    _edge("challenge_required", (*_ASKED, A.UNKNOWN), A.CHALLENGE_REQUIRED, Actor.PROVIDER),
    _edge("challenge_returned", (A.CHALLENGE_REQUIRED,), A.CHALLENGE_RETURNED, Actor.SHOPPER),
    _edge("outcome_unknown", _ASKED, A.UNKNOWN, Actor.SAGA),
    _edge("authorised", _UNTOLD, A.AUTHORISED, Actor.PROVIDER),
    _edge("refused", _UNTOLD, A.REFUSED, Actor.PROVIDER),
    # We refused the authorisation ourselves, and the money was released.
    _edge("released", (A.AUTHORISED,), A.REFUSED, Actor.SAGA),
    _edge(
        "expired",
        (A.CREATED, A.CHALLENGE_REQUIRED, A.CHALLENGE_RETURNED, A.UNKNOWN),
        A.EXPIRED,
        Actor.CLOCK,
    ),
    _edge(
        "conflicted",
        (*_UNTOLD, A.AUTHORISED, *ENDED_WITHOUT_MONEY),
        A.CONFLICTED,
        Actor.PROVIDER,
    ),
    # Only a query, or figures that staff enter, can resolve a contradiction, never a notification. Such
    # figures also settle an attempt about which the provider gives no answer, or which ended otherwise.
    _edge("reviewed_as_authorised", (A.CONFLICTED,), A.AUTHORISED, Actor.PROVIDER),
    _edge("reviewed_as_refused", (A.CONFLICTED,), A.REFUSED, Actor.PROVIDER),
    _edge("settled_as_authorised", (*_UNTOLD, A.CONFLICTED, *ENDED_WITHOUT_MONEY), A.AUTHORISED, Actor.STAFF),
    _edge("settled_as_refused", (*_UNTOLD, A.CONFLICTED, A.AUTHORISED), A.REFUSED, Actor.STAFF),
)


class Machine:
    """A state machine: a set of edges, with the state to which each event leads from each state."""

    def __init__(self, name: str, edges: Iterable[Edge]) -> None:
        self.name = name
        self.edges = tuple(edges)
        self._targets = {(source, edge.event): edge for edge in self.edges for source in edge.sources}

    def allows(self, state: str, event: str, actor: Actor) -> bool:
        """Return True if ``actor`` may cause ``event`` in ``state``."""
        edge = self._targets.get((state, event))
        return edge is not None and actor in edge.actors

    def next(self, state: str, event: str, actor: Actor) -> str:
        """Return the state to which ``event`` leads. Raises ``IllegalTransition`` if there is none."""
        edge = self._targets.get((state, event))
        if edge is None:
            raise IllegalTransition(f"A {self.name} that is {state} cannot become {event}.")
        if actor not in edge.actors:
            raise IllegalTransition(f"{actor} may not make a {self.name} {event}.")
        return edge.target

    def has_happened(self, state: str, event: str) -> bool:
        """Return True if ``event`` leads to ``state``, so that repeating the event changes nothing."""
        return any(edge.event == event and edge.target == state for edge in self.edges)

    def event_between(self, state: str, target: str, among: Collection[str]) -> str | None:
        """Return the event in ``among`` that leads directly from ``state`` to ``target``, or None."""
        found = (edge for (source, _), edge in self._targets.items() if source == state)
        return next((edge.event for edge in found if edge.target == target and edge.event in among), None)


# The events that follow from the sums of a payment's operations.
COUNTED = frozenset(
    {
        "capture_requested",
        "capture_refused",
        "captured_in_part",
        "captured",
        "void_requested",
        "void_refused",
        "voided",
        "refunded_in_part",
        "refunded",
        "charged_back",
        "charge_back_reversed",
        "charge_back_reversed_captured_in_part",
        "charge_back_reversed_refunded_in_part",
        "charge_back_reversed_refunded",
    }
)

payment_machine = Machine("payment", PAYMENT_EDGES)
attempt_machine = Machine("attempt", ATTEMPT_EDGES)
