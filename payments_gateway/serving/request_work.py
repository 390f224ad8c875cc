"""The work of answering a request, for its log lines."""

from collections.abc import Callable, Mapping

from django.http import HttpRequest

from messaging.logs.work import Work
from payments_gateway.serving.problems import request_id_of

Describe = Callable[[HttpRequest], Mapping[str, object]]


class RequestWork(Work):
    """The answering of one request. ``describe`` returns what the application knows about the request."""

    __slots__ = ("_describe", "_request")

    def __init__(self, request: HttpRequest, describe: Describe) -> None:
        super().__init__()
        self._request, self._describe = request, describe

    def facts(self) -> Mapping[str, object]:
        """See ``Work``: the request's id, what is known about it, and its sender."""
        sender: Mapping[str, object] = getattr(self._request, "sender", {})
        described = self._describe(self._request)
        return {"request_id": request_id_of(self._request), **described, **sender, **super().facts()}
