"""A client's preferences about waiting: the header ``Prefer`` (RFC 7240, sections 4.1 and 4.3)."""

from dataclasses import dataclass
from urllib.request import parse_http_list

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Preferences:
    """A client's preferences. ``wait_seconds`` is how long it would wait for an answer, or None."""

    responds_async: bool = False
    wait_seconds: int | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> "Preferences":
        """Read the header. Unknown preferences are ignored; of repeated ones, the first counts."""
        given: dict[str, str] = {}
        for preference in parse_http_list(request.headers.get("Prefer", "")):
            name, _, value = preference.partition(";")[0].partition("=")
            given.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = given.get("wait", "")
        is_number = wait.isascii() and wait.isdigit() and len(wait) <= MAX_DIGITS
        return cls("respond-async" in given, int(wait) if is_number else None)

    def budget_seconds(self, *, most: float, otherwise: float) -> float:
        """Return how long to wait: the client's time, but at most ``most``; by default ``otherwise``."""
        if self.wait_seconds is not None:
            return min(float(self.wait_seconds), most)
        return 0.0 if self.responds_async else otherwise

    def note(self, response: HttpResponse, *, most: float) -> HttpResponse:
        """Report the applied preferences in a response (section 3). ``most`` is as in ``budget_seconds``."""
        applied = []
        if self.responds_async and response.status_code == 202:
            applied.append("respond-async")
        if self.wait_seconds is not None:
            applied.append(f"wait={min(self.wait_seconds, int(most))}")
        if applied:
            response.headers["Preference-Applied"] = ", ".join(applied)
        patch_vary_headers(response, ["Prefer"])
        return response
