"""Rules for answers to a shopper's return from a challenge: framing, and retries after passing problems.

The view and the guard before it, which refuses some requests, both use them.
"""

from dataclasses import replace

from django.http import HttpRequest

from checkout.conf import conf
from checkout.web.pages import CHALLENGE_RETURN
from payments_gateway.serving.problems import Problem
from payments_gateway.serving.security.headers import content_security

LOOPBACK = ("http://localhost:*", "http://127.0.0.1:*")
AGAIN_SECONDS = 5
# Problems that may pass: a slow body, too many requests, or something is away.
_PASSING = (408, 429, 503)


def issuers() -> tuple[str, ...]:
    """Return the sources of all issuers' pages. Their hosts are not known in advance."""
    return ("https:", *LOOPBACK) if conf.is_try_out else ("https:",)


def allow_frames(request: HttpRequest) -> None:
    """Allow the answer to be shown in our own frame, and in frames of issuers and providers.

    Browsers compare the policy with every page around a frame. The answer shows nothing of the payment, and
    leads out of the frame.
    """
    content_security(request).allow("frame-ancestors", "'self'", *issuers())


def is_return(request: HttpRequest) -> bool:
    """Return True if the request is a shopper's return from a challenge."""
    match = request.resolver_match
    return match is not None and match.view_name == CHALLENGE_RETURN


def with_retry(problem: Problem) -> Problem:
    """Return the problem of a return. If it may pass, its page tries again by itself.

    Otherwise the shopper could only go back to the bank, which has finished. The page tries again by a GET,
    which counts as a return as well.
    """
    if problem.status not in _PASSING:
        return problem
    return replace(problem, headers={**problem.headers, "Refresh": str(AGAIN_SECONDS)})
