"""Reasons for which a request is refused, and their documents (RFC 9457)."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

# ``django.utils.translation`` has the same function, but reads the settings, which are not complete when this
# is imported.
from django.utils.translation.trans_real import gettext_noop as _

from payments_gateway.serving.conf import conf

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why a request was not carried out. ``detail`` is for its sender and reveals no secret."""

    status: int
    code: str
    title: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that is refused. It is raised where the request is read, and answered with the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


MALFORMED = Problem(
    400,
    "malformed",
    _("Request not understood"),
    _("What was sent could not be read. Nothing has changed."),
)
TOO_SLOW = Problem(
    408,
    "too_slow",
    _("Request took too long"),
    _("The request did not arrive in time. Please try again."),
)
TOO_LARGE = Problem(
    413,
    "too_large",
    _("Request too large"),
    _("More was sent than is accepted here. Nothing has changed."),
)
TARGET_TOO_LONG = Problem(
    414,
    "target_too_long",
    _("Address too long"),
    _("There is no address of this length here. Nothing has changed."),
)
HEADERS_TOO_LARGE = Problem(
    431,
    "headers_too_large",
    _("Headers too large"),
    _("More headers were sent than are accepted here. Nothing has changed."),
)
TOO_MANY = Problem(
    429,
    "too_many_requests",
    _("Too much at once"),
    _(
        "Too many requests from your network are waiting for an answer here. Nothing has changed. "
        "Please wait a moment and try again."
    ),
    {"Retry-After": "5"},
)
FULL = Problem(
    503,
    "full",
    _("Too busy right now"),
    _(
        "Too many people are waiting for an answer here. Nothing has changed. "
        "Please wait a moment and try again."
    ),
    {"Retry-After": "5"},
)


def document_of(problem: Problem) -> dict[str, Any]:
    """Return the members of the problem's document (RFC 9457, section 3.1)."""
    return {
        "type": f"{conf.problem_types}{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }


def refuse(response: HttpResponse, problem: Problem, *fields: str) -> HttpResponse:
    """Return the response, marked for the log with the reason of the refusal and the fields at fault."""
    response.refusal = ": ".join(filter(None, [problem.code, ", ".join(fields)]))  # type: ignore[attr-defined]
    return response


def sent_by(request: HttpRequest, **sender: object) -> None:
    """Store the sender of a program's request, so that a log line about a refusal can name the sender."""
    request.sender = sender  # type: ignore[attr-defined]


def log_refusal(request: HttpRequest, response: HttpResponse, path: str) -> None:
    """Write the one line about a refused request of a program."""
    log.info(
        "request refused",
        method=request.method,
        path=path,
        status=response.status_code,
        reason=getattr(response, "refusal", response.reason_phrase),
        request_id=request_id_of(request),
        address=request.META.get("REMOTE_ADDR", ""),
        **getattr(request, "sender", {}),
    )


def request_id_of(request: HttpRequest) -> str:
    """Return the id of a program's request, which is in its response, its problem and its log lines.

    The id is made here and never taken from the request, so that no client can write text into the log.
    """
    known: str | None = getattr(request, "request_id", None)
    if known is None:
        known = request.request_id = new_request_id()  # type: ignore[attr-defined]
    return known


def new_request_id() -> str:
    """Return an id for a request that has none yet."""
    return f"req_{secrets.token_hex(12)}"
