"""The answers at the address to which an issuer's form leads back: where they may be framed, and tried again.

They are made in two places, the view and the guard before it, which refuses some requests.
"""

from dataclasses import replace

from django.http import HttpRequest

from checkout.conf import conf
from checkout.web.pages import CHALLENGE_RETURN
from payments_gateway.serving.problems import Problem
from payments_gateway.serving.security.headers import content_security

LOOPBACK = ("http://localhost:*", "http://127.0.0.1:*")
AGAIN_SECONDS = 5
# Too slow a body, too many requests, or something is away: it may be otherwise the next time.
_PASSING = (408, 429, 503)


def issuers() -> tuple[str, ...]:
    """Return the sources of all issuers' pages. Their hosts are not known in advance."""
    return ("https:", *LOOPBACK) if conf.is_try_out else ("https:",)


def allow_frames(request: HttpRequest) -> None:
    """Let the answer be shown in our own frame, and in one that an issuer or a provider has opened.

    Browsers compare every page around a frame. The answer shows nothing of the payment, and leads out of the
    frame.
    """
    content_security(request).allow("frame-ancestors", "'self'", *issuers())


def is_return(request: HttpRequest) -> bool:
    """Return True if the request is a shopper's return from a challenge."""
    match = request.resolver_match
    return match is not None and match.view_name == CHALLENGE_RETURN


def with_retry(problem: Problem) -> Problem:
    """Return the problem of a return, whose page tries again by itself if the problem will pass.

    The shopper could only go back to the bank, which has no more to ask. The page tries by a GET, which
    counts as a return as well.
    """
    if problem.status not in _PASSING:
        return problem
    return replace(problem, headers={**problem.headers, "Refresh": str(AGAIN_SECONDS)})
