"""The errors that methods of a client raise."""

from collections.abc import Mapping
from typing import Any


class GatewayError(Exception):
    """Any error of a call."""


class NotReachable(GatewayError):
    """There was no answer, or not one of the gateway. The call may have been carried out.

    Call again with the same idempotency key.
    """


class ApiError(GatewayError):
    """A problem document (RFC 9457), with which the gateway refused a call or failed to answer it.

    Compare ``code``, or the class: texts may change. ``errors`` names each field, parameter or header that is
    wrong. ``problem`` is the whole document; it is empty if the answer had none.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.errors: list[dict[str, str]] = problem.get("errors") or []
        self.retry_after = retry_after
        """Seconds after which the gateway wants to be asked again, if it has said so."""
        faults = "".join(f" {_place(each)}: {each.get('detail', '')}" for each in self.errors)
        super().__init__(f"{status} {self.code}: {self.detail}{faults} (request {self.request_id or '?'})")


def _place(error: Mapping[str, str]) -> str:
    return error.get("pointer") or error.get("parameter") or error.get("header") or "?"


class InvalidRequest(ApiError):
    """The request is malformed, or has invalid values (400, 413, 415, 422)."""


class NotAuthenticated(ApiError):
    """The key is missing, unknown, expired or revoked (401)."""


class NotPermitted(ApiError):
    """The key does not permit this request (403)."""


class NotFound(ApiError):
    """There is no such object (404)."""


class Conflict(ApiError):
    """The state of the object, or an earlier request, does not allow this (409)."""


class TooManyRequests(ApiError):
    """There were too many requests, and nothing was done (429)."""


class ServerError(ApiError):
    """The gateway could not answer (5xx). The call may have been carried out.

    Call again with the same idempotency key.
    """


_CLASSES = {
    400: InvalidRequest,
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: TooManyRequests,
}


def api_error(status: int, problem: Mapping[str, Any], retry_after: float | None) -> ApiError:
    """Return the error for an answer that is not a success."""
    kind = ServerError if status >= 500 else _CLASSES.get(status, ApiError)
    return kind(status, problem, retry_after=retry_after)
