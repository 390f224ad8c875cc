"""Random pairs of ledgers, ours and the provider's: of any shape, or of an order whose truth is known."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from checkout.money import Money
from checkout.payments.books.compare_events import Event
from checkout.payments.books.ours import FAILED, NOT_FOUND, Copies, OurOperation, Ours, ToldEvent
from checkout.payments.books.theirs import Answer
from checkout.payments.models import Operation
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, WholePosition
from checkout.states import AttemptState

Kind, State = Operation.Kind, Operation.State
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AMOUNTS = (100, 300, 300, 950, 1250)
OWED = Money(1250, "GBP")
TAKING = (Kind.CAPTURE, Kind.REFUND, Kind.REFUND, Kind.VOID, Kind.CHARGE_BACK, Kind.CHARGE_BACK_REVERSAL)


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


@dataclass(frozen=True)
class Pair:
    """Our side before the query and now, the provider's answer, and an event that was notified."""

    before: Ours
    ours: Ours
    answer: Answer
    event: Event


def any_pair(random: Random) -> Pair:
    """Return a pair of any shape, even one that no order can have."""
    operations = tuple(_operation(random, number) for number in range(random.randrange(5)))
    ours = Ours(
        owed=OWED,
        state=random.choice(list(AttemptState)),
        operations=operations,
        told=tuple(_told(random, operations) for _ in range(random.randrange(4))),
        is_dispute_claimed=random.random() < 0.2,
    )
    before = ours if random.random() < 0.8 else replace(ours, operations=operations[:-1])
    return Pair(before, ours, _answer(random, operations), _event(random, operations))


def _operation(random: Random, number: int) -> OurOperation:
    state = random.choice(State.values)
    reasons = ("", FAILED, NOT_FOUND, "invalid_request")
    copies = Copies(
        random.choice(["", *Outcome]),
        has_earlier=random.random() < 0.3,
        was_alone=random.random() < 0.5,
        is_followed=random.random() < 0.3,
    )
    return OurOperation(
        reference=f"op_{number}",
        kind=random.choice(TAKING),
        minor=random.choice(AMOUNTS),
        state=state,
        refusal_reason=random.choice(reasons) if state == State.REFUSED else "",
        doubt=random.choice(["", "", "", "failed", "amount"]),
        doubted_at=NOW - timedelta(minutes=random.randrange(60)),
        updated_at=NOW - timedelta(minutes=random.randrange(60)),
        copies=copies if random.random() < 0.9 else None,
    )


def _told(random: Random, operations: tuple[OurOperation, ...]) -> ToldEvent:
    return ToldEvent(
        kind=random.choice(list(EventKind)),
        is_proven=random.random() < 0.8,
        at=NOW,
        amount=str(gbp(random.choice(AMOUNTS))) if random.random() < 0.8 else "",
        reference=random.choice(["", "", *(each.reference for each in operations)]),
        is_applied=random.random() < 0.9,
    )


def _position(random: Random) -> WholePosition:
    captured = random.choice((0, *AMOUNTS, 2500))
    charged_back = gbp(random.choice((0, 100, 300))) if random.random() < 0.4 else None
    return WholePosition(
        authorised=random.choice((OWED, gbp(0))),
        captured=gbp(captured),
        refunded=gbp(random.choice((0, 100, 300, 600, captured))),
        charged_back=charged_back,
    )


def _answer(random: Random, operations: tuple[OurOperation, ...]) -> Answer:
    named = tuple(each.reference for each in operations if random.random() < 0.2)
    tells_sums = random.random()
    result = ProviderResult(
        outcome=random.choice([Outcome.APPROVED, Outcome.APPROVED, *Outcome]),
        kind=random.choice(list(EventKind)),
        amount=random.choice((OWED, OWED, None, gbp(300), gbp(1000))),
        position=_position(random) if tells_sums < 0.4 else None,
        kept=gbp(random.choice((0, *AMOUNTS))) if 0.4 <= tells_sums < 0.6 else None,
        presume_unsettled=random.random() < 0.2,
        is_behind=random.random() < 0.1,
        references=named,
    )
    lag = timedelta(minutes=random.choice((0, 5)))
    return Answer(
        result=result,
        asked_at=NOW,
        must_show=random.random() < 0.6,
        queue_is_over=random.random() < 0.5,
        lag=lag,
    )


def _event(random: Random, operations: tuple[OurOperation, ...]) -> Event:
    return Event(
        kind=random.choice(list(EventKind)),
        operation=random.choice(["", "", *(each.reference for each in operations)]),
        amount=gbp(random.choice(AMOUNTS)) if random.random() < 0.8 else None,
        is_proven=random.random() < 0.7,
    )


@dataclass(frozen=True)
class Order:
    """An order whose truth is known: ``arrived`` has the references that the provider has booked."""

    ours: Ours
    answer: Answer
    arrived: frozenset[str]


def any_order(random: Random) -> Order:
    """Return an order to which requests were sent one after the other, some without an answer.

    The provider shows all requests that have arrived. It reports its sums, the sum that it has kept, or only
    its last event, and may name the last operation.
    """
    operations: list[OurOperation] = []
    arrived: list[OurOperation] = []
    room = {Kind.CAPTURE: OWED.minor, Kind.REFUND: 0}
    for number in range(random.randrange(1, 5)):
        kind = Kind.CAPTURE if number == 0 or random.random() < 0.3 else Kind.REFUND
        amounts = [each for each in set(AMOUNTS) if each <= room[kind]]
        if not amounts:
            continue
        has_arrived = random.random() < 0.6
        is_told = random.random() < 0.5
        sent = OurOperation(
            reference=f"op_{number}",
            kind=kind,
            minor=random.choice(sorted(amounts)),
            state=State.DONE if has_arrived and is_told else State.UNKNOWN,
            updated_at=NOW - timedelta(hours=1),
            copies=Copies("", was_alone=all(each.state == State.DONE for each in operations)),
        )
        room[kind] -= sent.minor
        if sent.state == State.DONE and kind == Kind.CAPTURE:
            room[Kind.REFUND] += sent.minor
        operations = [replace(each, copies=_followed(each.copies)) for each in operations]
        operations.append(sent)
        arrived += [sent] if has_arrived else []
    ours = Ours(owed=OWED, state=AttemptState.AUTHORISED, operations=tuple(operations))
    return Order(ours, _true_answer(random, arrived), frozenset(each.reference for each in arrived))


def _followed(copies: Copies | None) -> Copies | None:
    return None if copies is None else replace(copies, is_followed=True)


def _true_answer(random: Random, arrived: list[OurOperation]) -> Answer:
    def total(kind: str) -> int:
        return sum(each.minor for each in arrived if each.kind == kind)

    events = {Kind.CAPTURE: EventKind.CAPTURED, Kind.REFUND: EventKind.REFUNDED}
    last = events[Kind(arrived[-1].kind)] if arrived else EventKind.AUTHORISED
    captured, refunded = total(Kind.CAPTURE), total(Kind.REFUND)
    telling = random.choice(("sums", "kept", "event"))
    position = WholePosition(authorised=OWED, captured=gbp(captured), refunded=gbp(refunded))
    result = ProviderResult(
        outcome=Outcome.APPROVED,
        kind=last,
        amount=OWED,
        position=position if telling == "sums" else None,
        kept=gbp(captured - refunded) if telling == "kept" and captured else None,
        references=(arrived[-1].reference,) if arrived and random.random() < 0.3 else (),
    )
    return Answer(result=result, asked_at=NOW, must_show=True)
