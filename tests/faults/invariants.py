"""The invariants I1 to I13 and P, which must hold under all faults, each a function of the evidence."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checkout.payments.objects.payment import STATUSES
from checkout.states import PAID, PAYMENT_EDGES, PaymentState
from tests.faults.card_invariants import cards_obey_their_owners
from tests.faults.evidence import Evidence, Payment
from tests.faults.merchant_invariants import merchant_was_told
from tests.faults.money_invariants import Found, balances_of, books_agree, nothing_charged_twice
from tests.faults.provider_books import Order
from tests.support.moves import MOVES

P = PaymentState
NOT_PAID = frozenset({P.OPEN, P.REFUSED, P.CANCELLED, P.EXPIRED})
ON_THE_WAY = frozenset({P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CAPTURE_PENDING, P.VOID_PENDING})
# The kind of the fact that a shopper returned from the issuer.
RETURNED = "challenge_returned"


@dataclass(frozen=True, slots=True)
class Violation:
    """A violated invariant. `payment` is empty if the violation concerns no single payment."""

    invariant: str
    payment: str
    text: str


def nothing_lost(evidence: Evidence) -> Found:
    """Check that payments and operations that clients know exist, and that the provider's orders are ours."""
    for reference in evidence.histories:
        if reference and reference not in evidence.payments:
            yield reference, "a client knows this payment, the database does not"
    ours = {attempt.order_code for attempts in evidence.attempts.values() for attempt in attempts}
    for code in evidence.orders.keys() - ours:
        yield "", f"the provider has an order {code}, and we have no such attempt"
    operations = {each.reference for rows in evidence.operations.values() for each in rows}
    for asked in evidence.asked:
        if asked.answer.startswith("op_") and asked.answer not in operations:
            yield asked.payment, f"{asked.kind} {asked.answer} was accepted and does not exist"


def nothing_stuck(evidence: Evidence) -> Found:
    """Check that no payment is unfinished, and that every saga has ended and none is parked."""
    for reference, payment in evidence.payments.items():
        if payment.state in ON_THE_WAY:
            yield reference, f"still {payment.state}"
        if payment.state == P.CONFLICTED:
            yield reference, "conflicted"
        for saga in evidence.sagas.get(reference, ()):
            if saga.status in ("running", "parked"):
                yield reference, f"{saga.kind} saga {saga.status} at {saga.step}"
        for operation in evidence.operations.get(reference, ()):
            if operation.state not in ("done", "refused"):
                yield reference, f"{operation.kind} {operation.reference} still {operation.state}"
    for text in evidence.unread:
        yield "", f"a notification that nobody can read waits still: {text}"


def compensation_complete(evidence: Evidence) -> Found:
    """Check that an unpaid payment holds no money at the provider or in the ledger, and no stock.

    The compensation of an earlier attempt must not release the stock that is reserved for a later one.
    """
    for reference, payment in evidence.payments.items():
        if payment.state not in (*NOT_PAID, P.VOIDED):
            continue
        for order in evidence.orders_of(reference):
            net = order.authorised - order.cancelled + order.capture_requested - order.refunded
            if net:
                yield reference, f"{payment.state}, but {net} is held or taken at {order.code}"
        balances = balances_of(evidence, reference)
        if any(balances.values()):
            yield reference, f"{payment.state}, but the ledger has {dict(balances)}"
        reservation = evidence.reservations.get(reference)
        if reservation in ("reserved", "confirmed"):
            yield reference, f"{payment.state}, but its stock is still {reservation}"
    for text in evidence.taken_away:
        payment_reference, _, attempt = text.partition(": ")
        yield payment_reference, released_text(attempt)


def released_text(attempt: str) -> str:
    """Return the text of the violation for stock that the release of another attempt gave back."""
    return f"the stock of {attempt} was given back, and nothing has released that attempt"


def clients_were_told_the_truth(evidence: Evidence) -> Found:
    """Check that later answers agree with earlier ones, that "paid" was true, and that no answer was 500.

    A shopper who returns from the issuer after the challenge has expired must be rejected.
    """
    for reference, history in evidence.histories.items():
        for seen in history:
            if seen.status == 500 or seen.note == "without Retry-After":
                yield reference, f"{seen}"
        if not reference or reference not in evidence.payments:
            continue
        payment = evidence.payments[reference]
        end = payment.state
        told = sorted((seen for seen in history if seen.state), key=lambda seen: seen.at)
        previous = None
        for seen in told:
            # Answers of two concurrent requests may have been sent in either order.
            if (
                previous is not None
                and previous.at < seen.began
                and not _leads_to(previous.state, seen.state)
            ):
                yield reference, f"told {previous.state}, later {seen.state}"
            if previous is None or previous.at < seen.began:
                previous = seen
        is_taken_back = _may_be_taken_back(payment, evidence.orders_of(reference))
        is_unpaid = end in (*NOT_PAID, P.VOIDED) and not is_taken_back
        if is_unpaid and any(seen.is_paid for seen in told):
            yield reference, f"told it was paid, and it ended {end}"
        if previous is not None and not _leads_to(previous.state, end):
            yield reference, f"told {previous.state} last, and it ended {end}"
    for reference in evidence.late_returns:
        if any(fact.kind == RETURNED for fact in evidence.facts.get(reference, ())):
            yield reference, "came back from the issuer too late, and was let in"


def _may_be_taken_back(payment: Payment, orders: Sequence[Order]) -> bool:
    """Return True if a payment that was called paid may end without money.

    Staff may void an authorisation, and an authorisation may expire. With automatic capture "paid" means
    captured, unless the provider's risk department cancels an order that was to be captured with its
    authorisation.
    """
    if payment.is_manual:
        return payment.state == P.VOIDED or any(order.has("expired") for order in orders)
    return payment.state == P.VOIDED and any("cancelled_by_risk" in order.traits for order in orders)


def same_key_same_answer(evidence: Evidence) -> Found:
    """Check that each key has one answer and one operation, and that there is one payment per order."""
    answers: dict[tuple[str, str, str], set[tuple[int | None, str]]] = {}
    for asked in evidence.asked:
        if asked.answer:
            answers.setdefault((asked.payment, asked.kind, asked.key), set()).add((asked.minor, asked.answer))
    for (payment, kind, key), given in answers.items():
        accepted = {(minor, answer) for minor, answer in given if answer.startswith(("op_", "pay_"))}
        if len(accepted) > 1:
            yield payment, f"{kind} with key {key} was answered by {sorted(map(str, accepted))}"
    for repeated in evidence.repeated:
        if not repeated.is_same:
            yield repeated.payment, f"{repeated.path} with key {repeated.key} was answered differently"
    for reference, operations in evidence.operations.items():
        keys = Counter(each.key for each in operations if each.key)
        for key, count in keys.items():
            if count > 1:
                yield reference, f"{count} operations with key {key}"
    orders = Counter(payment.order_reference for payment in evidence.payments.values())
    for name, count in orders.items():
        if count > 1:
            yield "", f"{count} payments for order {name}"


def no_leak(evidence: Evidence) -> Found:
    """Check that connections, descriptors, threads and memory are back to their earlier amounts."""
    for leak in evidence.leaks:
        yield "", leak


def processes_go_on(evidence: Evidence) -> Found:
    """Check that no process ended by itself, and that each ended in order after SIGTERM."""
    for mishap in evidence.mishaps:
        yield "", mishap


def order_of_states(evidence: Evidence) -> Found:
    """Check that the history of every payment is a path through the declared state machine."""
    for reference, payment in evidence.payments.items():
        # Several states of the machine may have the same public name.
        states: set[str] = {P.OPEN}
        for event in evidence.events.get(reference, ()):
            told = event.told
            if not told.type.startswith("payment.") or told.type == "payment.created":
                continue
            earlier = states
            states = {to for now, to in MOVES if now in earlier and STATUSES[to] == told.state}
            if not states:
                yield reference, f"{told.type} to {told.state} while {sorted(earlier)}"
                break
        else:
            if payment.state not in states:
                yield reference, f"its events lead to {sorted(states)}, and it is {payment.state}"


def no_secret(evidence: Evidence) -> Found:
    """Check that no table, log or message contains a card number, security code or sealed card."""
    for place in evidence.secrets:
        yield "", place


def messages_delivered(evidence: Evidence) -> Found:
    """Check that every message was published and handled once, and that none is left or a dead letter."""
    for name in ("unpublished", "unhandled", "answered_twice"):
        for text in getattr(evidence, name):
            yield "", f"{name}: {text}"
    for letter in evidence.dead:
        if letter.is_open:
            # Anybody may name a payment in a message, even one that does not exist.
            yield letter.payment if letter.payment in evidence.payments else "", f"dead: {letter}"
    if evidence.poison_found != evidence.poison_sent:
        yield "", f"{evidence.poison_sent} poisonous messages sent, {evidence.poison_found} dead letters"
    for queue, count in evidence.queued.items():
        if count:
            yield "", f"{count} messages left in {queue}"
    yield from _events_heard(evidence)


def _events_heard(evidence: Evidence) -> Found:
    """Check that the listener got every event, and no event that does not exist.

    No event is excused: no fault deletes the listener's queue, which is on disk and refuses messages when it
    is full.
    """
    events = {event.told.event: event for events in evidence.events.values() for event in events}
    for name, event in events.items():
        if event.is_due and name not in evidence.heard:
            yield event.told.payment, f"the listener did not get {event.told.type} {name}"
    for name in sorted(evidence.heard - events.keys()):
        yield "", f"the listener got an event {name}, which does not exist"


INVARIANTS: dict[str, tuple[str, Callable[[Evidence], Found]]] = {
    "I1": ("nothing lost", nothing_lost),
    "I2": ("nothing charged twice", nothing_charged_twice),
    "I3": ("nothing stuck", nothing_stuck),
    "I4": ("compensation complete", compensation_complete),
    "I5": ("books agree", books_agree),
    "I6": ("clients were told the truth", clients_were_told_the_truth),
    "I7": ("same key, same answer", same_key_same_answer),
    "I8": ("no resource leak", no_leak),
    "I9": ("states in order", order_of_states),
    "I10": ("no secret written down", no_secret),
    "I11": ("messages delivered once", messages_delivered),
    "I12": ("merchant was told", merchant_was_told),
    "I13": ("cards obey their owners", cards_obey_their_owners),
    "P": ("processes go on", processes_go_on),
}


def violations_of(evidence: Evidence) -> list[Violation]:
    """Return the violations of all invariants."""
    return [
        Violation(name, payment, text)
        for name, (_, check) in INVARIANTS.items()
        for payment, text in check(evidence)
    ]


def _reachable() -> dict[str, frozenset[str]]:
    """Return for each state the states that can follow it in the machine, and the state itself."""
    reached = {state.value: {state.value} for state in PaymentState}
    for _ in PaymentState:
        for edge in PAYMENT_EDGES:
            for source in edge.sources:
                for states in reached.values():
                    if source in states:
                        states.add(edge.target)
    return {state: frozenset(states) for state, states in reached.items()}


_REACHABLE = _reachable()


def _leads_to(state: str, later: str) -> bool:
    """Return True if `later` may follow `state`. A paid payment never returns to an earlier state."""
    was_paid = state in PAID or state in (P.VOIDED, P.REFUNDED, P.CHARGED_BACK)
    return later in _REACHABLE[state] and not (was_paid and PaymentState(later).is_under_way)
