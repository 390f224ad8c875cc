"""Appearances of merchants, which staff may edit."""

from django.contrib import admin

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
    fields = AppearanceForm.Meta.fields
    fixed_fields = ("merchant",)
