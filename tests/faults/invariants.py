"""The invariants I1 to I11 and P, which hold whatever was broken, each a function of the evidence."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from checkout.states import PAID, PAYMENT_EDGES, Actor, PaymentState, payment_machine
from tests.faults.evidence import Evidence
from tests.faults.money_invariants import Found, balances_of, books_agree, nothing_charged_twice

P = PaymentState
NOT_PAID = frozenset({P.OPEN, P.REFUSED, P.CANCELLED, P.EXPIRED})
ON_THE_WAY = frozenset({P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CAPTURE_PENDING, P.VOID_PENDING})
# Facts that record an event under another name, and events that facts record without the state.
OTHER_NAMES = {"abandoned": "expired"}
WITHOUT_STATE = frozenset({"submitted", "challenge_returned", "cancelled"})


@dataclass(frozen=True, slots=True)
class Violation:
    """`payment` is empty for what concerns no single one."""

    invariant: str
    payment: str
    text: str


def nothing_lost(evidence: Evidence) -> Found:
    """Every payment and operation that a client was told of exists; every order at the provider is ours."""
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
    """Every payment has come to rest, every saga has ended, and none waits for staff."""
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
    """A shopper who did not pay has nothing taken or held, at the provider, in the ledger and on the shelf.

    Stock that is set aside for a later attempt stays there when an earlier attempt is undone.
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
    """Return the complaint about stock that was given back by the release of another attempt."""
    return f"the stock of {attempt} was given back, and nothing has released that attempt"


def clients_were_told_the_truth(evidence: Evidence) -> Found:
    """Later answers agree with earlier ones, "paid" means paid, and no answer is a 500.

    A shopper who comes back from the issuer after the time is up is told so, and is not let in.
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
            # Two answers that were under way at once may have been told in either order.
            if (
                previous is not None
                and previous.at < seen.began
                and not _leads_to(previous.state, seen.state)
            ):
                yield reference, f"told {previous.state}, later {seen.state}"
            if previous is None or previous.at < seen.began:
                previous = seen
        # Staff may void what was only authorised; what is captured automatically is paid when told so.
        is_unpaid = end in NOT_PAID or (end == P.VOIDED and not payment.is_manual)
        if is_unpaid and any(seen.is_paid for seen in told):
            yield reference, f"told it was paid, and it ended {end}"
        if previous is not None and not _leads_to(previous.state, end):
            yield reference, f"told {previous.state} last, and it ended {end}"
    for reference in evidence.late_returns:
        if any(step.event == "challenge_returned" for step in evidence.steps.get(reference, ())):
            yield reference, "came back from the issuer too late, and was let in"


def same_key_same_answer(evidence: Evidence) -> Found:
    """One key, one answer; the key again with another amount is an error; one form makes one attempt."""
    answers: dict[tuple[str, str, str], set[tuple[int | None, str]]] = {}
    for asked in evidence.asked:
        if asked.answer:
            answers.setdefault((asked.payment, asked.kind, asked.key), set()).add((asked.minor, asked.answer))
    for (payment, kind, key), given in answers.items():
        accepted = {(minor, answer) for minor, answer in given if answer.startswith(("op_", "pay_"))}
        if len(accepted) > 1:
            yield payment, f"{kind} with key {key} was answered by {sorted(map(str, accepted))}"
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
    """Connections, descriptors, memory and waiters are back to what they were."""
    for leak in evidence.leaks:
        yield "", leak


def processes_go_on(evidence: Evidence) -> Found:
    """No process ends by itself, and each ends in order when it is asked to."""
    for mishap in evidence.mishaps:
        yield "", mishap


def order_of_states(evidence: Evidence) -> Found:
    """The history of every payment is a path through the declared state machine."""
    for reference, payment in evidence.payments.items():
        state: str = P.OPEN
        for step in evidence.steps.get(reference, ()):
            if not step.state and step.event not in WITHOUT_STATE:
                continue
            event, actor = OTHER_NAMES.get(step.event, step.event), Actor(step.actor)
            if not payment_machine.allows(state, event, actor):
                yield reference, f"{event} by {actor} while {state}"
                break
            state = payment_machine.next(state, event, actor)
        else:
            if state != payment.state:
                yield reference, f"its history leads to {state}, and it is {payment.state}"


def no_secret(evidence: Evidence) -> Found:
    """No card number, security code or sealed card is in any table, log or message."""
    for place in evidence.secrets:
        yield "", place


def messages_delivered(evidence: Evidence) -> Found:
    """Every message that was owed was published and handled, once; nothing is left over, nothing has died."""
    for name in ("unpublished", "unhandled", "answered_twice", "dead"):
        for text in getattr(evidence, name):
            yield "", f"{name}: {text}"
    if evidence.poison_found != evidence.poison_sent:
        yield "", f"{evidence.poison_sent} poisonous messages sent, {evidence.poison_found} dead letters"
    for queue, count in evidence.queued.items():
        if count:
            yield "", f"{count} messages left in {queue}"


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
    "P": ("processes go on", processes_go_on),
}


def violations_of(evidence: Evidence) -> list[Violation]:
    """Judge everything."""
    return [
        Violation(name, payment, text)
        for name, (_, check) in INVARIANTS.items()
        for payment, text in check(evidence)
    ]


def _reachable() -> dict[str, frozenset[str]]:
    """From each state, the states that some path of the machine leads to, itself included."""
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
    """Return True if the one may be told after the other. What was paid is never again on its way to that."""
    was_paid = state in PAID or state in (P.VOIDED, P.REFUNDED, P.CHARGED_BACK)
    return later in _REACHABLE[state] and not (was_paid and PaymentState(later).is_under_way)
