"""The record of log-ins, log-outs and failures: in the audit log, and in the log of the process."""

from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from checkout.audit.log import Author, record
from checkout.backoffice.log_in.log_in import client_address, typed_name

log = structlog.get_logger(__name__)

LOG_IN, LOG_OUT, FAILURE = "log_in", "log_out", "log_in_failed"


def note_failure(request: HttpRequest | None, name: str | None) -> None:
    """Record that a password was wrong. The typed name is kept only if a user has it.

    A try while django-axes has locked the name or the address is not recorded, so that the number of entries
    that strangers can cause is limited.
    """
    user = get_user_model()._default_manager.filter(username=name or "").first()
    author = Author(name or "" if user else "", user.pk if user else None, _origin(request))
    record(author, FAILURE, "Failed to log in" if user else "Failed to log in with an unknown name")


def keep_record() -> None:
    """Set up the signal handlers that record log-ins, log-outs and failures."""
    user_logged_in.connect(_note_log_in, dispatch_uid="checkout.log_in")
    user_logged_out.connect(_note_log_out, dispatch_uid="checkout.log_out")
    user_login_failed.connect(_log_failure, dispatch_uid="checkout.log_in_failed")


def _note_log_in(request: HttpRequest, user: Any, **_signal: object) -> None:
    log.info("logged in", user=user.get_username(), address=client_address(request))
    record(Author(user.get_username(), user.pk, _origin(request)), LOG_IN, "Logged in")


def _note_log_out(request: HttpRequest, user: Any, **_signal: object) -> None:
    if user is not None:
        log.info("logged out", user=user.get_username(), address=client_address(request))
        record(Author(user.get_username(), user.pk, _origin(request)), LOG_OUT, "Logged out")


def _log_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: object) -> None:
    """Log each failed attempt, also while the name is locked."""
    typed = typed_name(credentials)
    is_user = get_user_model()._default_manager.filter(username=typed).exists()
    log.warning(
        "log-in failed",
        user=typed if typed and is_user else "unknown",
        address=client_address(request) if request is not None else None,
        is_locked=bool(getattr(request, "axes_locked_out", False)),
    )


def _origin(request: HttpRequest | None) -> str:
    return (client_address(request) if request is not None else None) or "unknown"
