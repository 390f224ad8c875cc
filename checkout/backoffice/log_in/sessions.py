"""The end of staff sessions.

A session ends after some time without activity, after some hours in any case, and when the user's second
factor or password changes.
"""

import time

import structlog
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from checkout.backoffice.log_in.second_factor.devices import factor_of
from checkout.conf import conf

log = structlog.get_logger(__name__)

# Keys in the session. Their values are in seconds since the epoch.
BEGUN, SEEN = "checkout.begun", "checkout.seen"
# The number of the second factor that the user had when it was last stored.
FACTOR = "checkout.factor"
# The shortest time between two updates of SEEN.
SEEN_EVERY_SECONDS = 60.0


class StaffSessionMiddleware(MiddlewareMixin):
    """A middleware that logs out users whose sessions were idle, or have lasted, for too long."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """See Django's "Middleware". After a log-out the request continues without a user."""
        session = request.session
        if SESSION_KEY not in session:
            return None
        now = time.time()
        if reason := _reason_to_end(session, now):
            log.info("session ended", user_id=session[SESSION_KEY], reason=reason)
            logout(request)
            messages.info(request, "Your session has ended. Please log in again.")
        elif now - session[SEEN] >= SEEN_EVERY_SECONDS:
            session[SEEN] = now
        return None


def seconds_left(session: SessionBase) -> int:
    """Return the whole seconds until a session ends if its user is no longer active."""
    begun, seen = session.get(BEGUN), session.get(SEEN)
    if not isinstance(begun, float) or not isinstance(seen, float):
        return 0
    end = min(begun + conf.session_lifetime.total_seconds(), seen + conf.session_idle.total_seconds())
    return max(0, int(end - time.time()))


def lengthen(session: SessionBase) -> None:
    """Record activity, from which the idle time of the session counts."""
    session[SEEN] = time.time()


def keep_factor(request: HttpRequest) -> None:
    """Store the user's second factor in the session, which ends when the factor changes."""
    request.session[FACTOR] = factor_of(request.session[SESSION_KEY])


def _reason_to_end(session: SessionBase, now: float) -> str:
    """Return the reason to end a session, or "". A session that lacks its times is ended."""
    begun, seen = session.get(BEGUN), session.get(SEEN)
    if not isinstance(begun, float) or not isinstance(seen, float):
        return "without times"
    if now - begun >= conf.session_lifetime.total_seconds():
        return "too old"
    if session.get(FACTOR) != factor_of(session[SESSION_KEY]):
        return "another second factor"
    return "idle" if now - seen >= conf.session_idle.total_seconds() else ""


def _begin(request: HttpRequest, **_signal: object) -> None:
    request.session[BEGUN] = request.session[SEEN] = time.time()
    keep_factor(request)


def keep_times() -> None:
    """Set up the signal handler that stores the time of the log-in in the session."""
    user_logged_in.connect(_begin, dispatch_uid="checkout.session_begun")
