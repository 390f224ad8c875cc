"""The time that a client is willing to wait for a page: the header ``Prefer`` (RFC 7240, 4.1 and 4.3)."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from checkout.api.requests.preferences import PreferHeader


@dataclass(frozen=True, slots=True)
class Preferences(PreferHeader):
    """The preferences in the header ``Prefer``. If a client sends both, ``wait`` counts."""

    @classmethod
    def of(cls, request: HttpRequest) -> "Preferences":
        """Read the header of a request."""
        return cls.read(request.headers.get("Prefer", ""))

    def budget_seconds(self, *, most: float, otherwise: float) -> float:
        """Return the seconds to wait: the client's ``wait`` up to ``most``, or ``otherwise`` if not given."""
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
