"""Step two of a provider call: ask, with no lock, no transaction and no database connection held."""

from collections.abc import Callable

import structlog
from django.db import close_old_connections, connection

from checkout.errors import (
    OutcomeUnknown,
    ProviderError,
    ProviderMisconfigured,
    ProviderReplyInvalid,
    ProviderUnavailable,
)
from checkout.payments.models import Attempt, ProviderAccount
from checkout.payments.providers.base import Outcome, Provider, ProviderResult, Refusal, RefusalReason
from checkout.payments.providers.registry import get_provider
from checkout.payments.service.send_window import SendWindow
from messaging import crash_points

log = structlog.get_logger(__name__)


def ask(
    account: ProviderAccount,
    question: Callable[[Provider], ProviderResult],
    *,
    unreached: Outcome = Outcome.NOT_SENT,
    window: SendWindow | None = None,
) -> ProviderResult:
    """Return the provider's answer, or a result that stands for the error. Provider errors are not raised.

    ``unreached`` is the outcome if the request was not sent. It is not sent once ``window`` is over.
    """
    _return_connection()
    crash_points.reached("payments.intent_committed")
    try:
        if window is not None and window.is_over:
            # We did not send it, but another process may have sent it again meanwhile.
            raise OutcomeUnknown("This process was held up too long to send it any more.")
        result = question(get_provider(account.opened()))
        crash_points.reached("payments.answered")
        return result
    except ProviderUnavailable as error:
        log.warning("provider not reached", account=account.code, reason=str(error))
        return _silence(unreached, error)
    except ProviderMisconfigured as error:
        log.error("provider account misconfigured", account=account.code, reason=str(error))
        return _silence(unreached, error)
    except OutcomeUnknown as error:
        log.warning("provider's outcome unknown", account=account.code, reason=str(error))
        return _silence(Outcome.UNKNOWN, error)
    except ProviderReplyInvalid as error:
        log.error("provider's reply not understood", account=account.code, reason=str(error))
        return _silence(Outcome.UNKNOWN, error)


def inquire_about(attempt: Attempt) -> ProviderResult:
    """Ask the provider what became of an attempt.

    If the inquiry cannot be sent the outcome is unknown: that says nothing about the attempt.
    """
    return ask(
        attempt.provider_account,
        lambda provider: provider.inquire(attempt.order_code),
        unreached=Outcome.UNKNOWN,
    )


def refused(
    reason: RefusalReason, outcome: Outcome = Outcome.REFUSED, *, code: str = "", description: str = ""
) -> ProviderResult:
    """Return a refusal that we made without the provider. Staff see ``code`` and ``description``."""
    return ProviderResult(outcome=outcome, refusal=Refusal(reason=reason, code=code, description=description))


def _return_connection() -> None:
    """Give up the database connection: a provider may take a minute, and connections are few."""
    if not connection.in_atomic_block:
        close_old_connections()


def _silence(outcome: Outcome, error: ProviderError) -> ProviderResult:
    refusal = Refusal(reason=RefusalReason.PROVIDER_ERROR, code=error.code)
    return ProviderResult(
        outcome=outcome,
        event=error.code,
        refusal=refusal if outcome == Outcome.NOT_SENT else None,
        transcript=str(error),
    )
