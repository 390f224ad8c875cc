"""The pages of a table, limited to the merchants that a user sees."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest

from checkout.backoffice.owners import MERCHANT
from checkout.backoffice.rights.merchants import merchants_of, visible


class WithinMerchants:
    """A mixin for the pages of a table, which shows only the rows and choices that a user sees."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """See ModelAdmin. Lists, pages, counts, filters, exports and autocompletion all use this query."""
        return visible(super().get_queryset(request), request.user)  # type: ignore[misc]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """See ModelAdmin. A form offers only the merchants that the user sees."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]
        return type(form.__name__, (_OfUser, form), {"user": request.user})

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """See ModelAdmin."""
        related = db_field.remote_field.model
        kwargs.setdefault("queryset", visible(related._default_manager.all(), request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class _OfUser:
    """A mixin for forms that limits choices of merchants, by their codes, to those that the user sees."""

    user: Any
    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = merchants_of(self.user)
        if codes is None:
            return
        for name in ("merchant", "merchant_code"):
            field = self.fields.get(name)
            if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
                choices: Any = field.choices
                field.choices = [choice for choice in choices if choice[0] in codes]


class OwnRelatedFilter(admin.RelatedFieldListFilter):
    """A filter by a related row, which offers only rows that the user sees."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """See RelatedFieldListFilter."""
        if field.related_model._meta.label not in MERCHANT or merchants_of(request.user) is None:
            return super().field_choices(field, request, model_admin)
        seen = visible(field.related_model._default_manager.all(), request.user)
        ordering = self.field_admin_ordering(field, request, model_admin)
        choices = {"pk__in": seen.values("pk")}
        found: Any = field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=choices)
        return list(found)


def _is_relation(field: Any) -> bool:
    return isinstance(field, ForeignKey)


admin.FieldListFilter.register(_is_relation, OwnRelatedFilter, take_priority=True)
