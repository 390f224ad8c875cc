"""The time zone and the formats that a member of staff has chosen, and the page to choose them."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from checkout.audit.log import Details
from checkout.backoffice.audited import CHANGE, note, subject_of
from checkout.backoffice.display.localised import UTC_NAME, written_for
from checkout.backoffice.models import Preferences
from checkout.languages import ENGLISH, LANGUAGES

PAGE = "preferences"


def _zone_choices() -> list[tuple[str, str]]:
    return [("", UTC_NAME), *((name, name.replace("_", " ")) for name in _zones())]


class PreferencesForm(forms.Form):
    """The time zone and the formats. A zone that the server no longer knows must be chosen again."""

    zone = forms.ChoiceField(
        label="Time zone",
        choices=_zone_choices,
        required=False,
        help_text="Pages and lists show the times of this zone, and days begin at its midnight.",
    )
    formats = forms.ChoiceField(
        label="Dates and amounts as in",
        choices=[
            ("", ENGLISH.name),
            *(
                (each.code, each.name)
                for each in LANGUAGES.values()
                if each is not ENGLISH and each.direction == "ltr"
            ),
        ],
        required=False,
        help_text="Texts stay English, and amounts are still typed with a point.",
    )


def read_as(user: Any) -> AbstractContextManager[None]:
    """Return a context in which times and amounts are formatted as the user has chosen."""
    chosen = Preferences.objects.filter(user=user.pk).first() or Preferences()
    return written_for(_zone(chosen.zone), chosen.formats)


def addresses(site: AdminSite) -> list[URLPattern]:
    """Return the URL pattern of the page."""
    return [path("preferences/", site.admin_view(lambda request: _page(site, request)), name=PAGE)]


def _page(site: AdminSite, request: Any) -> HttpResponse:
    user: Any = request.user
    chosen = Preferences.objects.filter(user=user.pk).first() or Preferences(user=user)
    before = {"zone": chosen.zone, "formats": chosen.formats}
    form = PreferencesForm(request.POST if request.method == "POST" else None, initial=before)
    if form.is_valid():
        _keep(request, chosen, before, form.cleaned_data)
        return HttpResponseRedirect(reverse(f"admin:{PAGE}"))
    context = {**site.each_context(request), "form": form, "title": "Preferences"}
    return TemplateResponse(request, "admin/preferences.html", {**context, "back": reverse("admin:index")})


@transaction.atomic
def _keep(request: HttpRequest, chosen: Preferences, before: dict[str, str], wanted: dict[str, str]) -> None:
    chosen.zone, chosen.formats = wanted["zone"], wanted["formats"]
    chosen.save()
    details = Details(before=before, after=wanted)
    note(request, CHANGE, "Changed the own preferences", subject_of(request.user), details)
    messages.success(request, "Saved.")


@cache
def _zones() -> list[str]:
    """Return the zones that are named by places. Others are old names, or have no summer time."""
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))


def _zone(name: str) -> ZoneInfo | None:
    """Return the time zone; None if none was chosen, or if the server no longer knows it."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
