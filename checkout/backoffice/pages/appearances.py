"""Appearances of merchants, which staff may edit."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.html import format_html

from checkout.backoffice.forms import AppearanceForm
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.colours import style_of
from checkout.languages import language_among
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.models import Appearance
from payments_gateway.serving.security.headers import content_security

SAMPLE = Money(1250, "EUR")


@admin.register(Appearance)
class AppearanceAdmin(ConfigurationAdmin):
    """The look of each merchant on shoppers' pages."""

    form = AppearanceForm
    list_display = ("merchant", "default_language", "colour", "support_email")
    list_select_related = ("merchant",)
    search_fields = ("merchant__name", "merchant__code")
    fields = (*AppearanceForm.Meta.fields, "current_logo", "image", "removes_logo", "preview")
    readonly_fields = ("current_logo", "preview")
    fixed_fields = ("merchant",)

    def save_model(self, request: HttpRequest, obj: Appearance, form: AppearanceForm, change: bool) -> None:
        """Write the edited fields, and store a new logo under a name made from its content."""
        written = [name for name in form.changed_data if name not in ("image", "removes_logo")]
        if form.logo is not None:
            form.logo.save()
            obj.logo = form.logo
        elif form.cleaned_data["removes_logo"]:
            obj.logo = None
        obj.save(update_fields=[*written, "logo"] if change else None)

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the preview."""
        view = self.admin_site.admin_view(self.preview_view)
        return [path("<int:pk>/preview/", view, name="payments_appearance_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a sample of shoppers' pages with the saved appearance, in the merchant's default language."""
        appearance = self.get_object(request, str(pk))
        if appearance is None:
            raise Http404
        if not self.has_view_permission(request, appearance):
            raise PermissionDenied
        language = language_among(appearance.default_language)
        policy = content_security(request)
        policy.allow("style-src", f"'nonce-{policy.nonce}'")
        context = {
            "title": "Preview",
            "appearance": appearance,
            "style": style_of(appearance.colour),
            "language": language,
            "shop": appearance.merchant.name,
            "amount": localised_money(SAMPLE, language.formats),
        }
        with translation.override(language.code):
            return render(request, "admin/payments/appearance/preview.html", context)

    @admin.display
    def preview(self, appearance: Appearance) -> str:
        address = reverse("admin:payments_appearance_preview", args=[appearance.pk])
        return format_html('<a href="{}" target="_blank">Show what is saved</a>', address)

    @admin.display(description="logo")
    def current_logo(self, appearance: Appearance) -> str:
        if not appearance.logo_id:
            return "none"
        address = reverse("checkout:logo", args=[appearance.logo_id])
        return format_html('<img src="{}" alt="The logo" height="32">', address)
