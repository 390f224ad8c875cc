"""The site of the back office: Django's, with a limit on guesses at passwords and a warning of log-outs."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe

from checkout.backoffice.log_in.log_in import locked_out
from checkout.backoffice.log_in.sessions import lengthen, seconds_left


class BackOffice(AdminSite):
    """The admin site, which limits guesses at the old password, and shows the time left to a session."""

    def get_urls(self) -> list[Any]:
        view = self.admin_view(require_safe(self.session_view))
        return [path("session/", view, name="session"), *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the time left to the user's session, for the warning before its end."""
        left = seconds_left(request.session) if request.user.is_authenticated else 0
        return {**super().each_context(request), "session_seconds": left}

    def session_view(self, request: HttpRequest) -> HttpResponse:
        """Lengthen the session of a user who works at a form, and return the time left to it."""
        lengthen(request.session)
        return JsonResponse({"seconds": seconds_left(request.session)})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Let users change their passwords. A wrong old password counts like a failed log-in.

        Otherwise a stranger at a browser that is logged in could guess the password without a limit.
        """
        if request.method == "POST" and self._has_too_many_failures(request):
            return locked_out(request, HttpResponse(), None)
        return super().password_change(request, extra_context)

    def _has_too_many_failures(self, request: HttpRequest) -> bool:
        """Count a wrong old password. Return True if no further password may be checked."""
        user = request.user.get_username()
        is_right = authenticate(request, username=user, password=request.POST.get("old_password", ""))
        return is_right is None and bool(getattr(request, "axes_locked_out", False))
