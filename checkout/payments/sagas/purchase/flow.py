"""The purchase: risk, stock, authorisation, perhaps a challenge, capture, order, receipt.

If it fails, the stock is released; an authorisation whose capture is refused is voided before that. If staff
void the authorisation, the order is cancelled. While the outcome at the provider is unknown, nothing is
repeated or undone: the purchase inquires. A challenge that nobody completes is cancelled at the provider
before the payment ends here.

A payment may be called off until its capture is requested. If the authorisation has been requested, the
purchase waits for the answer, and then releases any money that the provider holds.

Read the table first. Its functions are in ``authorisation.py`` until the authorisation, in ``fulfilment.py``
after it, and in ``own.py`` for steps of your own.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.messages import Success
from checkout.orders.messages import CancelOrder, ConfirmOrder, ReleaseStock, ReserveStock, Stock
from checkout.own.packages import own_steps
from checkout.own.step import OwnStep
from checkout.payments.messages import (
    AbandonPayment,
    AuthorisePayment,
    CompleteAuthentication,
    InquirePayment,
    ProviderOutcome,
)
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.pauses import provider_wait, service_wait
from checkout.payments.sagas.purchase import authorisation, fulfilment
from checkout.payments.sagas.purchase.data import At, PurchaseData, PurchaseDecision
from checkout.payments.sagas.purchase.own import OwnSteps
from checkout.payments.sagas.signals import HINTS, ChildResult, Heard, News, Signal
from checkout.payments.sagas.table import AfterAnswer, AfterSignal, Repeated, Step, TableSaga, again
from checkout.risk.messages import AssessRisk, RiskDecision

# The next step after the answer to an authorisation, or to the second message of a challenge.
AUTHORISATION_ANSWERS: Mapping[StrEnum, AfterAnswer[PurchaseData]] = {
    ProviderOutcome.APPROVED: authorisation.approved,
    ProviderOutcome.CHALLENGE_REQUIRED: authorisation.challenged,
    ProviderOutcome.REFUSED: authorisation.refused,
    ProviderOutcome.NOT_SENT: authorisation.refused,
    ProviderOutcome.CONFLICTED: authorisation.contradicted,
}

# The next step of a purchase that was parked or given up, after its conflict has been settled. If money is
# held, staff also decide if it is captured.
TAKEN_UP_AGAIN: Mapping[Heard, AfterSignal[PurchaseData]] = {
    Signal.REVIEW_HELD: fulfilment.found_held,
    Signal.REVIEW_CAPTURED: fulfilment.found_taken,
}


def table_with(own: OwnSteps) -> Sequence[Step[PurchaseData]]:
    """Return the table. ``own`` has the steps of your own; most installations have none."""
    return (
        Step(
            name=At.ASSESS_RISK,
            asks=AssessRisk,
            within=service_wait,
            repeated=Repeated.ALWAYS,
            on={RiskDecision.ACCEPT: At.RESERVE_STOCK, RiskDecision.REJECT: authorisation.not_permitted},
            failed=authorisation.not_assessed,
            unknown=authorisation.given_up,
            hears={Signal.CALLED_OFF: authorisation.called_off_unasked},
        ),
        Step(
            name=At.RESERVE_STOCK,
            asks=ReserveStock,
            within=service_wait,
            repeated=Repeated.ALWAYS,
            on={Stock.RESERVED: own.before_authorisation, Stock.MISSING: authorisation.out_of_stock},
            failed=authorisation.not_reserved,
            unknown=authorisation.given_up,
            hears={Signal.CALLED_OFF: authorisation.called_off_unasked},
            undo=At.RELEASE_STOCK,
        ),
        Step(
            name=At.AUTHORISE,
            asks=AuthorisePayment,
            within=provider_wait,
            repeated=Repeated.IF_NOT_DONE,
            on=AUTHORISATION_ANSWERS,
            unknown=authorisation.inquire,
            hears={Signal.CALLED_OFF: authorisation.called_off_at(At.AUTHORISE)},
            undo=At.VOID,
        ),
        Step(
            name=At.AWAIT_CHALLENGE,
            within=authorisation.time_for_challenge,
            hears={
                Signal.CHALLENGE_RETURNED: authorisation.returned,
                Signal.CALLED_OFF: authorisation.called_off,
            },
            unknown=authorisation.not_returned,
            undo=At.ABANDON,
        ),
        Step(
            name=At.COMPLETE_CHALLENGE,
            asks=CompleteAuthentication,
            within=provider_wait,
            repeated=Repeated.IF_NOT_DONE,
            on=AUTHORISATION_ANSWERS,
            unknown=authorisation.inquire,
            hears={Signal.CALLED_OFF: authorisation.called_off_at(At.COMPLETE_CHALLENGE)},
        ),
        Step(
            name=At.INQUIRE,
            asks=InquirePayment,
            within=provider_wait,
            on={
                **AUTHORISATION_ANSWERS,
                ProviderOutcome.CHALLENGE_REQUIRED: authorisation.unless_expiring(authorisation.challenged),
                ProviderOutcome.NOT_SENT: authorisation.unless_expiring(authorisation.refused),
                ProviderOutcome.REFUSED: authorisation.refused_or_expired,
            },
            failed=authorisation.unless_expiring(authorisation.not_answered),
            unknown=authorisation.inquire,
            hears={
                **dict.fromkeys(HINTS, authorisation.inquire_at_once),
                Signal.HINTED: authorisation.inquire_because_of_hint,
                Signal.CHALLENGE_RETURNED: authorisation.returned_late,
                Signal.CALLED_OFF: authorisation.called_off_at(At.INQUIRE),
                **TAKEN_UP_AGAIN,
                **fulfilment.NOTHING_LEFT,
            },
        ),
        Step(
            name=At.ABANDON,
            asks=AbandonPayment,
            within=provider_wait,
            on={
                ProviderOutcome.REFUSED: authorisation.expired,
                ProviderOutcome.NOT_SENT: authorisation.expired,
                ProviderOutcome.APPROVED: authorisation.approved,
                ProviderOutcome.CONFLICTED: authorisation.contradicted,
            },
            unknown=authorisation.inquire,
            hears={
                Signal.CHALLENGE_RETURNED: authorisation.returned_late,
                Signal.CALLED_OFF: authorisation.called_off_at(At.ABANDON),
            },
        ),
        Step(
            name=At.CAPTURE,
            starts=fulfilment.the_capture,
            hears={
                ChildResult("capture", News.ACCEPTED): fulfilment.authorised,
                ChildResult("capture", News.DONE): fulfilment.authorised,
                ChildResult("capture", News.DELAYED): fulfilment.not_known_yet(At.CAPTURE),
                ChildResult("capture", News.REFUSED): At.VOID,
                ChildResult("capture", News.PARKED): fulfilment.capture_parked,
                Signal.REVIEW_CAPTURED: fulfilment.found_taken,
                **fulfilment.NOTHING_LEFT,
            },
            unknown=again(At.CAPTURE),
        ),
        Step(
            name=At.VOID,
            starts=fulfilment.the_void,
            hears={
                ChildResult("void", News.ACCEPTED): fulfilment.void_accepted,
                ChildResult("void", News.DELAYED): fulfilment.not_known_yet(At.VOID),
                Signal.CALLED_OFF: authorisation.called_off_at(At.VOID),
                ChildResult("void", News.DONE): fulfilment.voided,
                ChildResult("void", News.REFUSED): fulfilment.void_refused,
                ChildResult("void", News.PARKED): fulfilment.void_parked,
                Signal.REVIEW_CAPTURED: fulfilment.found_taken,
                **fulfilment.NOTHING_LEFT,
            },
            unknown=again(At.VOID),
        ),
        Step(
            name=At.CONFIRM_ORDER,
            asks=ConfirmOrder,
            within=service_wait,
            repeated=Repeated.ALWAYS,
            on={Success.DONE: own.before_the_end(fulfilment.order_confirmed)},
            failed=fulfilment.order_not_confirmed,
            unknown=again(At.CONFIRM_ORDER),
            hears={
                ChildResult("capture", News.REFUSED): fulfilment.capture_lost(At.CONFIRM_ORDER),
                Signal.REVIEW_CAPTURED: fulfilment.found_taken_at(At.CONFIRM_ORDER),
                Signal.REVIEW_NOT_CAPTURED: fulfilment.found_untaken_at(At.CONFIRM_ORDER),
                Signal.REVIEW_GIVEN_BACK: At.CANCEL_ORDER,
                Signal.GIVEN_BACK: At.CANCEL_ORDER,
                **fulfilment.NOT_HELD_ANY_MORE,
            },
            undo=At.CANCEL_ORDER,
        ),
        Step(
            name=At.RELEASE_STOCK,
            asks=ReleaseStock,
            within=service_wait,
            on={Success.DONE: own.released},
            failed=fulfilment.until_released(own.released),
            unknown=again(At.RELEASE_STOCK),
            hears={**TAKEN_UP_AGAIN, Signal.MONEY_RETURNED: fulfilment.money_returned},
            is_owed=True,
        ),
        Step(
            name=At.CANCEL_ORDER,
            asks=CancelOrder,
            within=service_wait,
            on={Success.DONE: own.cancelled},
            failed=fulfilment.until_done(At.CANCEL_ORDER),
            unknown=again(At.CANCEL_ORDER),
            hears={Signal.MONEY_RETURNED: fulfilment.money_returned},
            is_owed=True,
        ),
        Step(
            name=At.CONFLICTED,
            ends=End.PARKED,
            why="The provider's answer contradicts what we know.",
            unknown=authorisation.inquire,
            hears={**TAKEN_UP_AGAIN, **fulfilment.NOTHING_LEFT},
        ),
        Step(
            name=At.FINISHED,
            ends=End.COMPLETED,
            hears={
                ChildResult("capture", News.REFUSED): fulfilment.capture_lost_at_the_end,
                Signal.REVIEW_CAPTURED: fulfilment.found_taken_at(At.FINISHED),
                Signal.REVIEW_GIVEN_BACK: fulfilment.found_taken_at(At.FINISHED),
                Signal.HELD_ELSEWHERE: fulfilment.found_taken_at(At.FINISHED),
                Signal.REVIEW_NOT_CAPTURED: fulfilment.found_untaken_at_the_end,
                **fulfilment.NOT_HELD_ANY_MORE,
            },
        ),
        Step(
            name=At.UNPAID,
            ends=End.PARKED,
            why="The capture was refused after the order had been confirmed: it is not paid.",
            unknown=At.FINISHED,  # staff have settled it
            hears={
                Signal.REVIEW_CAPTURED: fulfilment.found_taken_at_the_end,
                Signal.REVIEW_GIVEN_BACK: fulfilment.found_taken_at_the_end,
                Signal.HELD_ELSEWHERE: fulfilment.found_taken_at_the_end,
                **fulfilment.NOT_HELD_ANY_MORE,
            },
        ),
        Step(
            name=At.MONEY_RETURNED,
            ends=End.PARKED,
            why="Money came back after the order had been given up.",
            unknown=fulfilment.confirmed_after_all,
            hears={
                Signal.GIVEN_BACK: fulfilment.given_up_for_good,
                ChildResult("void", News.DONE): fulfilment.given_up_for_good,
                Signal.LAPSED: fulfilment.given_up_for_good,
                Signal.REVIEW_RELEASED: fulfilment.given_up_for_good,
                Signal.REVIEW_GIVEN_BACK: fulfilment.given_up_for_good,
                Signal.HELD_ELSEWHERE: fulfilment.given_up_for_good,
            },
        ),
        *own.rows(),
    )


class Purchase(TableSaga[PurchaseData]):
    """The definition of the purchase saga."""

    kind = "purchase"
    data_type = PurchaseData

    def __init__(self, own: Sequence[OwnStep] | None = None) -> None:
        """Take the steps of your own; by default, they are loaded when the saga is first used.

        Thus the system check can report a fault in one of them, and importing modules does not fail.
        """
        self._own = own
        if own is not None or not conf.own_apps:
            super().__init__()

    def table(self) -> Sequence[Step[PurchaseData]]:
        """Return the steps, with your own. Raises ImproperlyConfigured if one of yours cannot be used."""
        return table_with(OwnSteps(own_steps() if self._own is None else self._own))

    def begin(self, data: PurchaseData) -> PurchaseDecision:
        """Ask the risk service first, because its refusal costs least."""
        return authorisation.begin(data)

    def afresh(self, data: PurchaseData) -> PurchaseData:
        """Count from zero."""
        return with_changes(data, inquiries=0, hinted=0, tries=0)
