"""The purchase until the authorisation: decisions on the answers of risk, stock and provider."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.orders.messages import StockReserved
from checkout.payments.messages import ProviderAnswered
from checkout.payments.providers.base import RefusalReason
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.pauses import inquiry_delay
from checkout.payments.sagas.purchase import fulfilment
from checkout.payments.sagas.purchase.data import At, PurchaseData, PurchaseDecision
from checkout.payments.sagas.table import Go
from checkout.risk.messages import RiskAssessed
from checkout.states import PaymentEvent
from messaging.envelope import Reply

# The deadline is later than the return token's expiry, so that a return at the last second is in time.
CHALLENGE_MARGIN = timedelta(seconds=30)


def begin(data: PurchaseData) -> PurchaseDecision:
    """Ask the risk service.

    No service is asked if the submission's card was lost in an outage, or if the payment was cancelled before
    the submission arrived.
    """
    if data.is_called_off:
        return replace(
            _not_begun(data, RefusalReason.CANCELLED), transitions=("cancelled",), refusal_reason=""
        )
    if not data.has_card:
        return _not_begun(data, RefusalReason.CARD_NOT_RECEIVED)
    return Go(step=At.ASSESS_RISK, data=data)


def _not_begun(data: PurchaseData, reason: RefusalReason) -> PurchaseDecision:
    return PurchaseDecision(
        step=At.ASSESS_RISK,
        data=data,
        transitions=("refused",),
        attempt_transitions=("not_sent",),
        refusal_reason=reason,
        reply_to_waiters=True,
        end=End.COMPENSATED,
    )


def not_permitted(data: PurchaseData, answer: RiskAssessed) -> PurchaseDecision:
    return _not_begun(data, RefusalReason.NOT_PERMITTED)


def not_assessed(data: PurchaseData, reply: Reply) -> PurchaseDecision:
    return _not_begun(data, RefusalReason.PROVIDER_ERROR)


def out_of_stock(data: PurchaseData, answer: StockReserved) -> PurchaseDecision:
    return not_sent(data, "out_of_stock")


def not_reserved(data: PurchaseData, reply: Reply) -> PurchaseDecision:
    return given_up(data)


def given_up(data: PurchaseData) -> PurchaseDecision:
    """Refuse before the provider is asked. Stock that may have been reserved is released."""
    return not_sent(data, RefusalReason.PROVIDER_ERROR)


def not_sent(data: PurchaseData, reason: str) -> PurchaseDecision:
    return replace(fulfilment.refuse(data, reason), attempt_transitions=("not_sent",))


def called_off_unasked(data: PurchaseData) -> PurchaseDecision:
    """Give up before the provider is asked, because the payment is cancelled."""
    return not_sent(with_changes(data, is_called_off=True), RefusalReason.CANCELLED)


def called_off_at(step: str) -> Callable[[PurchaseData], PurchaseDecision]:
    """Note that the payment is cancelled. The provider has been asked, so its answer is waited for."""
    return lambda data: PurchaseDecision(step=step, data=with_changes(data, is_called_off=True))


def approved(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    """Capture if the payment is captured automatically, otherwise report that the money is held.

    If the payment was called off, or if the account refuses the authorisation for the reason in the answer,
    the authorisation is released instead. An included capture cannot be released: that payment is paid,
    although it was called off.
    """
    card = {"card_brand": answer.card_brand, "card_last4": answer.card_last4}
    is_called_off = data.is_called_off and not data.is_capture_included
    held = with_changes(data, inquiries=0, tries=0, is_expiring=False, is_called_off=is_called_off, **card)
    if is_called_off or answer.refusal_reason:
        return Go(step=At.VOID, data=with_changes(held, refusal_reason=answer.refusal_reason))
    if not data.captures:
        return fulfilment.authorised(held)
    # After a late challenge, the payment is still in the state ``challenge_required``. This event ends that.
    return Go(step=At.CAPTURE, data=held, transitions=("outcome_unknown",) if data.is_expiring else ())


def challenged(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    """Wait for the shopper. If the payment was called off meanwhile, cancel it at the provider instead."""
    if data.is_called_off:
        return Go(step=At.ABANDON, data=with_changes(data, is_expiring=True))
    return Go(step=At.AWAIT_CHALLENGE, data=data, transitions=("challenge_required",), reply_to_waiters=True)


def refused(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    return fulfilment.refuse(data, answer.refusal_reason or RefusalReason.PROVIDER_ERROR)


def contradicted(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    return Go(step=At.CONFLICTED, data=data, transitions=("conflicted",), reply_to_waiters=True)


# The challenge


def time_for_challenge() -> timedelta:
    return conf.challenge_lifetime + CHALLENGE_MARGIN


def returned(data: PurchaseData) -> PurchaseDecision:
    """Send the second message. The shopper is back, so the challenge is no longer late."""
    back = with_changes(data, tries=0, is_back=True, is_expiring=False)
    return Go(step=At.COMPLETE_CHALLENGE, data=back)


def returned_late(data: PurchaseData) -> PurchaseDecision | None:
    """Go on with a challenge whose time was over. If the shopper was back already, nothing changes."""
    return returned(data) if data.is_expiring else None


def not_returned(data: PurchaseData) -> PurchaseDecision:
    """Inquire, because the time for the challenge is over."""
    return _ask_provider(with_changes(data, is_expiring=True))


def called_off(data: PurchaseData) -> PurchaseDecision:
    """Inquire, because the payment is cancelled while its challenge is open."""
    return _ask_provider(with_changes(data, is_expiring=True, is_called_off=True))


def unless_expiring(follows: Callable[..., PurchaseDecision]) -> Callable[..., PurchaseDecision]:
    """Decide as ``follows`` does, unless the challenge is late: then cancel it at the provider.

    The end of a late challenge is unknown, and the provider must not hold money for it, now or later.
    """
    return lambda data, heard: Go(step=At.ABANDON, data=data) if data.is_expiring else follows(data, heard)


def refused_or_expired(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    return expired(data, answer) if data.is_expiring else refused(data, answer)


def expired(data: PurchaseData, answer: ProviderAnswered) -> PurchaseDecision:
    end: PaymentEvent = "cancelled" if data.is_called_off else "expired"
    return fulfilment.release(data, transitions=(end,), attempt_transitions=("expired",))


# The unknown outcome


def not_answered(data: PurchaseData, reply: Reply) -> PurchaseDecision:
    return inquire(data)


def inquire(data: PurchaseData) -> PurchaseDecision:
    """Ask the provider at growing intervals. If the outcome is unknown after the last, park the saga.

    If the shopper came back from a challenge, the order is first cancelled at the provider, because the
    provider's queries may never find it.
    """
    delay_seconds = inquiry_delay(data.inquiries)
    if delay_seconds is None and data.is_back and not data.is_expiring:
        return Go(step=At.ABANDON, data=with_changes(data, is_expiring=True))
    if delay_seconds is None:
        return PurchaseDecision(
            step=At.INQUIRE,
            data=data,
            transitions=("outcome_unknown",),
            reply_to_waiters=True,
            end=End.PARKED,
            why="The provider did not say what became of the payment.",
        )
    return _ask_provider(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)


def inquire_at_once(data: PurchaseData) -> PurchaseDecision:
    """Inquire because of a proven notification. This does not count as one of the inquiries.

    It is done only while the outcome is unknown: otherwise the provider's own reply is on its way.
    """
    return _ask_provider(data)


def inquire_because_of_hint(data: PurchaseData) -> PurchaseDecision | None:
    """Inquire at once instead of later, once for each inquiry that we would make anyway.

    Anybody can send any number of hints, so hints must neither start a second question while one is under
    way, nor use up our inquiries.
    """
    if data.inquiries <= data.hinted:
        return None
    return _ask_provider(with_changes(data, inquiries=data.inquiries - 1, hinted=data.inquiries))


def _ask_provider(data: PurchaseData, *, delay_seconds: float = 0) -> PurchaseDecision:
    # The outcome of a late challenge is known: it was not completed, or is just being completed.
    is_unknown = not data.is_expiring
    return Go(
        step=At.INQUIRE,
        data=data,
        delay_seconds=delay_seconds,
        transitions=("outcome_unknown",) if is_unknown else (),
        attempt_transitions=("outcome_unknown",) if is_unknown else (),
        # A shopper who cancels a challenge waits for the result, which is known a moment later.
        reply_to_waiters=is_unknown or not data.is_called_off,
    )
