"""The site of the back office: Django's, with a menu by work, and a limit on password guesses."""

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import SimpleTemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from checkout.backoffice import preferences
from checkout.backoffice.attention.waiting_for_staff import counted_for, may_view_concerns
from checkout.backoffice.audited import CHANGE, note, subject_of
from checkout.backoffice.display.localised import zone_name
from checkout.backoffice.home.health import health_for
from checkout.backoffice.home.page import figures_context
from checkout.backoffice.log_in.log_in import locked_out
from checkout.backoffice.log_in.second_factor.gate import missing
from checkout.backoffice.log_in.second_factor.pages import addresses
from checkout.backoffice.log_in.sessions import lengthen, seconds_left
from checkout.backoffice.navigation import menu, sections_of


class BackOffice(AdminSite):
    """The admin site: its menu follows the work of staff, and each page shows the time left to a session.

    Times and amounts are written as the user has chosen.
    """

    site_header = site_title = "Payments"
    index_title = "Home"
    # The menu of ``templates/admin/menu.html`` needs no script.
    enable_nav_sidebar = False

    def get_urls(self) -> list[Any]:
        view = self.admin_view(require_safe(self.session_view))
        # Django's page that redirects to the address of any row would reveal which rows exist.
        pages = [page for page in super().get_urls() if getattr(page, "name", "") != "view_on_site"]
        return [
            path("session/", view, name="session"),
            *addresses(self),
            *preferences.addresses(self),
            *pages,
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """See AdminSite.

        Redirect to the page for the second factor or the confirmation, if one is missing.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def behind_the_gate(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            address = missing(request) if self.has_permission(request) else ""
            if address:
                return HttpResponseRedirect(address)
            with preferences.read_as(request.user):
                response = inner(request, *args, **kwargs)
                # Render here, in the reader's formats. Django would render the page after this context has
                # ended.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return behind_the_gate

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the menu, and the seconds until the session ends, for the warning before its end."""
        context = super().each_context(request)
        if context["has_permission"]:
            context.update(menu(request, context["available_apps"]))
        left = seconds_left(request.session) if request.user.is_authenticated else 0
        return {**context, "session_seconds": left, "zone": zone_name()}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the sections of the menu in place of Django's applications."""
        return list(sections_of(super().get_app_list(request, app_label)))

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Redirect to the start page, because the menu has sections and not applications."""
        return HttpResponseRedirect(reverse("admin:index"))

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the figures of payments, the reasons for attention, and the health of the systems."""
        rows = [row for row in counted_for(request.user) if row["count"]]
        context = {
            "rows": rows,
            "health": health_for(request.user) if may_view_concerns(request.user) else [],
            **figures_context(request),
        }
        return super().index(request, {**context, **(extra_context or {})})

    def session_view(self, request: HttpRequest) -> HttpResponse:
        """Record that a user is active in a form, and return the seconds until the session ends."""
        lengthen(request.session)
        return JsonResponse({"seconds": seconds_left(request.session)})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Let users change their passwords. A wrong old password counts like a failed log-in.

        Otherwise a stranger who finds a browser logged in could guess the password without a limit.
        """
        if request.method == "POST" and self._has_too_many_failures(request):
            return locked_out(request, HttpResponse(), None)
        with transaction.atomic():
            response = super().password_change(request, extra_context)
            if request.method == "POST" and response.status_code == 302:
                note(request, CHANGE, "Changed the own password", subject_of(request.user))
        return response

    def _has_too_many_failures(self, request: HttpRequest) -> bool:
        """Check the old password, and count it if it is wrong.

        Return True if that was one failure too many.
        """
        user = request.user.get_username()
        is_right = authenticate(request, username=user, password=request.POST.get("old_password", ""))
        return is_right is None and bool(getattr(request, "axes_locked_out", False))
