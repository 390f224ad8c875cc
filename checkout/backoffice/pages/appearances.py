"""Appearances of merchants, which staff may edit."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from checkout.backoffice.forms import AppearanceForm
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.payments.models import Appearance


@admin.register(Appearance)
class AppearanceAdmin(ConfigurationAdmin):
    """The look of each merchant on shoppers' pages."""

    form = AppearanceForm
    list_display = ("merchant", "default_language", "colour", "support_email")
    list_select_related = ("merchant",)
    search_fields = ("merchant__name", "merchant__code")
    fields = (*AppearanceForm.Meta.fields, "current_logo", "image", "removes_logo")
    readonly_fields = ("current_logo",)
    fixed_fields = ("merchant",)

    def save_model(self, request: HttpRequest, obj: Appearance, form: AppearanceForm, change: bool) -> None:
        """Write the edited fields, and keep the new logo under the name of its content."""
        written = [name for name in form.changed_data if name not in ("image", "removes_logo")]
        if form.logo is not None:
            form.logo.save()
            obj.logo = form.logo
        elif form.cleaned_data["removes_logo"]:
            obj.logo = None
        obj.save(update_fields=[*written, "logo"] if change else None)

    @admin.display(description="logo")
    def current_logo(self, appearance: Appearance) -> str:
        if not appearance.logo_id:
            return "none"
        address = reverse("checkout:logo", args=[appearance.logo_id])
        return format_html('<img src="{}" alt="The logo" height="32">', address)
