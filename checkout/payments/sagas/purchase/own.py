"""Steps of your own in the purchase (``checkout.own``): their rows, and the decisions between them.

``own_begun`` has the names of the steps that were begun and can be undone. If the payment is refused or
cancelled, they are undone after the stock, the last one first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.messages import Answer, Done, Success
from checkout.own.step import OwnStep, Place
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.pauses import OVERDUE, service_wait
from checkout.payments.sagas.purchase import authorisation, fulfilment
from checkout.payments.sagas.purchase.data import UNDO, At, PurchaseData, PurchaseDecision
from checkout.payments.sagas.signals import ChildResult, News, Signal
from checkout.payments.sagas.table import AfterAnswer, AfterSignal, Go, Repeated, Step, again
from messaging.envelope import Reply

SETTLE_UNDONE = "Steps of your own were undone, and then the money was found: settle them by hand."


class OwnSteps:
    """The steps of your own that one purchase takes."""

    def __init__(self, steps: Sequence[OwnStep]) -> None:
        self._before = [step for step in steps if step.place is Place.BEFORE_AUTHORISATION]
        self._after = [step for step in steps if step.place is Place.AFTER_CAPTURE]
        self._undoable = {step.name: step for step in steps if step.undo is not None}

    def rows(self) -> Iterator[Step[PurchaseData]]:
        """Yield the rows of the steps, and of the steps that undo them."""
        for position, step in enumerate(self._before):
            yield self._row_before(step, position)
        for position, step in enumerate(self._after):
            yield self._row_after(step, position)
        for step in self._undoable.values():
            yield self._row_of_undo(step)
        if any(step.undo for step in self._before):
            yield Step(
                name=At.SETTLE_UNDONE,
                ends=End.PARKED,
                why=SETTLE_UNDONE,
                unknown=fulfilment.finished,  # staff have settled it
                hears={
                    ChildResult("capture", News.REFUSED): fulfilment.capture_lost_at_the_end,
                    Signal.REVIEW_CAPTURED: fulfilment.found_taken_at(At.SETTLE_UNDONE),
                    Signal.REVIEW_GIVEN_BACK: fulfilment.found_taken_at(At.SETTLE_UNDONE),
                    Signal.REVIEW_NOT_CAPTURED: fulfilment.found_untaken_at(At.SETTLE_UNDONE),
                    **fulfilment.NOT_HELD_ANY_MORE,
                },
            )

    # The way to the authorisation

    @property
    def before_authorisation(self) -> AfterAnswer[PurchaseData]:
        """The first step of your own, or the authorisation."""
        return self._towards_authorisation(0) if self._before else At.AUTHORISE

    def _towards_authorisation(self, position: int) -> Callable[[PurchaseData, Answer], PurchaseDecision]:
        def follows(data: PurchaseData, answer: Answer) -> PurchaseDecision:
            if position < len(self._before):
                return _taken(self._before[position], data)
            return Go(step=At.AUTHORISE, data=with_changes(data, tries=0))

        return follows

    def _row_before(self, step: OwnStep, position: int) -> Step[PurchaseData]:
        def refused_for(reason: str) -> Callable[[PurchaseData, Answer], PurchaseDecision]:
            return lambda data, answer: authorisation.not_sent(data, reason)

        unless_moved = _unless_moved(step)
        return Step(
            name=_row(step.name),
            asks=step.asks,
            within=_time_for(step),
            repeated=_repeated(step),
            on={
                **dict.fromkeys(step.goes_on, unless_moved(self._towards_authorisation(position + 1))),
                **{answer: unless_moved(refused_for(reason)) for answer, reason in step.refuses.items()},
            },
            failed=unless_moved(authorisation.not_reserved),
            unknown=unless_moved(authorisation.given_up),
            hears={Signal.CALLED_OFF: unless_moved(authorisation.called_off_unasked)},
            undo=_undo_of(step.name) if step.undo else "",
        )

    # The way to the end

    def before_the_end(
        self, follows: Callable[[PurchaseData, Any], PurchaseDecision]
    ) -> Callable[[PurchaseData, Any], PurchaseDecision]:
        """Insert the steps after the capture between ``follows`` and the end of a paid purchase."""

        def decide(data: PurchaseData, answer: Any) -> PurchaseDecision:
            decision = follows(data, answer)
            if decision.step != At.FINISHED:
                return decision
            return replace(self._towards_end(decision.data, 0), side_commands=decision.side_commands)

        return decide

    def _towards_end(self, data: PurchaseData, position: int) -> PurchaseDecision:
        if data.is_capture_refused:
            return fulfilment.finished(data)
        if position < len(self._after):
            return _taken(self._after[position], data)
        return Go(step=At.SETTLE_UNDONE, data=data) if data.own_undone else fulfilment.finished(data)

    def _row_after(self, step: OwnStep, position: int) -> Step[PurchaseData]:
        """Return the row of a step after the capture. As the money is taken, its failure undoes nothing."""
        row = _row(step.name)

        def gone_on(data: PurchaseData, answer: Answer) -> PurchaseDecision:
            return self._towards_end(data, position + 1)

        def failed(data: PurchaseData, reply: Reply) -> PurchaseDecision:
            why = reply.error.message if reply.error else str(step.asks.read_answer(reply.result).says)
            return _for_staff(row, data, f"The step {step.name} was not done: {why}")

        def not_answered(data: PurchaseData) -> PurchaseDecision:
            if data.tries >= _most_tries(step):
                return _for_staff(row, data, f"The step {step.name} was not answered.")
            return Go(step=row, data=with_changes(data, tries=data.tries + 1))

        unless_moved = _unless_moved(step)
        return Step(
            name=row,
            asks=step.asks,
            within=_time_for(step),
            repeated=_repeated(step),
            on=dict.fromkeys(step.goes_on, unless_moved(gone_on)),
            failed=unless_moved(failed),
            unknown=unless_moved(not_answered),
            hears={
                ChildResult("capture", News.REFUSED): fulfilment.capture_lost(row),
                Signal.REVIEW_CAPTURED: fulfilment.found_taken_at(row),
                Signal.REVIEW_GIVEN_BACK: fulfilment.found_taken_at(row),
                Signal.REVIEW_NOT_CAPTURED: fulfilment.found_untaken_at(row),
                **fulfilment.NOT_HELD_ANY_MORE,
            },
            undo=_undo_of(step.name) if step.undo else "",
        )

    # The undoing

    def released(self, data: PurchaseData, answer: Done) -> PurchaseDecision:
        """Undo the steps that were begun, once the stock of a refused payment has been released."""
        return self._undo_next(At.RELEASE_STOCK, data)

    def cancelled(self, data: PurchaseData, answer: Done) -> PurchaseDecision:
        """Undo the steps that were begun, once an order has been cancelled for good."""
        return self._undo_next(At.CANCEL_ORDER, with_changes(data, is_order_cancelled=True))

    def _undo_next(self, at: str, data: PurchaseData) -> PurchaseDecision:
        if not data.own_begun:
            return PurchaseDecision(step=at, data=data, end=End.COMPENSATED)
        *earlier, name = data.own_begun
        if name in self._undoable:
            return Go(step=_undo_of(name), data=with_changes(data, tries=0))
        why = f"The step {name} is not configured any more. Undo it by hand, then try again."
        return PurchaseDecision(
            step=at, data=with_changes(data, own_begun=tuple(earlier)), end=End.PARKED, why=why
        )

    def _row_of_undo(self, step: OwnStep) -> Step[PurchaseData]:
        row = _undo_of(step.name)

        def undone(data: PurchaseData, answer: Done) -> PurchaseDecision:
            rest = tuple(name for name in data.own_begun if name != step.name)
            return self._undo_next(row, with_changes(data, own_begun=rest))

        return Step(
            name=row,
            asks=step.undo,
            within=_time_for(step),
            on={Success.DONE: undone},
            failed=fulfilment.until_done(row),
            unknown=again(row),
            hears={
                Signal.REVIEW_HELD: _taken_up(fulfilment.found_held),
                Signal.REVIEW_CAPTURED: _taken_up(fulfilment.found_taken),
                Signal.MONEY_RETURNED: _money_returned,
            },
            is_owed=True,
        )


def _taken_up(follows: Callable[[PurchaseData], PurchaseDecision]) -> AfterSignal[PurchaseData]:
    """Go on with a purchase whose money was found after all, unless its order was cancelled for good."""
    return lambda data: None if data.is_order_cancelled else follows(with_changes(data, own_undone=True))


def _money_returned(data: PurchaseData) -> PurchaseDecision:
    return fulfilment.money_returned(with_changes(data, own_undone=True))


def _taken(step: OwnStep, data: PurchaseData) -> PurchaseDecision:
    begun = data.own_begun
    if step.undo is not None and step.name not in begun:
        begun = (*begun, step.name)
    # If the command must not be repeated, this try is its last.
    begun_here = with_changes(data, own_begun=begun, own_place=str(step.place), tries=_first_try(step))
    return Go(step=_row(step.name), data=begun_here)


def _unless_moved(
    step: OwnStep,
) -> Callable[[Callable[..., PurchaseDecision]], Callable[..., PurchaseDecision]]:
    """Return a function that parks purchases which began the step before it was moved to another place.

    A purchase that is not authorised must not continue as a captured one, nor a captured one as one that is
    not authorised.
    """

    def guarded(follows: Callable[..., PurchaseDecision]) -> Callable[..., PurchaseDecision]:
        def decide(data: PurchaseData, *heard: Any) -> PurchaseDecision:
            if data.own_place == step.place:
                return follows(data, *heard)
            why = (
                f"The step {step.name} was moved, and for this purchase it belongs {data.own_place}. "
                "Configure it there again, restart the checkout service, then try again."
            )
            return _for_staff(_row(step.name), data, why)

        return decide

    return guarded


def _for_staff(row: str, data: PurchaseData, why: str) -> PurchaseDecision:
    return PurchaseDecision(step=row, data=data, end=End.PARKED, why=why)


def _row(name: str) -> str:
    return f"own_{name}"


def _undo_of(name: str) -> str:
    return f"{UNDO}{name}"


def _first_try(step: OwnStep) -> int:
    return 0 if step.may_be_repeated else _most_tries(step)


def _most_tries(step: OwnStep) -> int:
    return OVERDUE if step.may_be_repeated else 1


def _repeated(step: OwnStep) -> Repeated:
    return Repeated.ALWAYS if step.may_be_repeated else Repeated.IF_NOT_DONE


def _time_for(step: OwnStep) -> Callable[[], timedelta]:
    seconds = step.within_seconds
    return service_wait if seconds is None else lambda: timedelta(seconds=seconds)
