"""Base classes for the pages of the back office."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

# Only the stubs give these classes of Django a type parameter.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    ModelForm = forms.ModelForm


class ReadOnly:
    """A mixin for tables in which no user may add, change or delete rows, not even a superuser."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    """A table that can be searched and viewed.

    ``fields`` is always listed explicitly, so that a field that is not named, such as a token's hash, is not
    shown.
    """

    change_form_template = "admin/payments/read_only.html"
    actions: Sequence[str] | None = None
    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(ReadOnly, TabularInline):
    """Rows of another table, below the row that they belong to."""

    extra = 0
    can_delete = False
