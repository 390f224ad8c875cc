"""Accounts, stock and blocked values, which staff with Django's permissions may edit."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from checkout.backoffice.approvals.accounts import AccountsNeedApproval
from checkout.backoffice.audited import Audited
from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.bounded_search import WithBoundedSearch
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.forms import BlockedValueForm, ProviderAccountForm, StockItemForm
from checkout.backoffice.rights.pages import WithinMerchants
from checkout.conf import conf
from checkout.errors import ProviderMisconfigured
from checkout.money import Money
from checkout.orders.models import StockItem
from checkout.payments.models import ProviderAccount
from checkout.risk.models import BlockedValue


class ConfigurationAdmin(Audited, WithBoundedSearch, WithinMerchants, ModelAdmin):
    """Tables that staff may edit.

    ``fixed_fields`` identify a row in other systems, and cannot be changed later. The ``form`` is a
    ``ConfigurationForm``.
    """

    fixed_fields: tuple[str, ...] = ()
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return only the editable fields if the row does not exist yet."""
        shown = super().get_fields(request, obj)
        return [each for each in shown if obj or each not in self.readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *(self.fixed_fields if obj else ())]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the edited fields only, because others may have been changed since the page was opened."""
        obj.save(update_fields=form.changed_data if change else None)


@admin.register(ProviderAccount)
class ProviderAccountAdmin(AccountsNeedApproval, ConfigurationAdmin):
    """Provider accounts. Credentials come from the environment; the page only shows whether they are set."""

    form = ProviderAccountForm
    list_display = ("code", "provider", "merchant", "merchant_code", "has_credentials")
    list_select_related = ("merchant",)
    list_filter = ("merchant",)
    search_fields = ("code", "merchant_code")
    fields = (
        "code",
        "merchant",
        "provider",
        "merchant_code",
        "endpoint",
        "options",
        "accepted_brands",
        "has_credentials",
    )
    readonly_fields = ("has_credentials",)
    fixed_fields = ("code", "merchant")

    @admin.display(boolean=True, description="credentials are set")
    def has_credentials(self, account: ProviderAccount) -> bool:
        try:
            return bool(conf.provider_credentials(account.code))
        except ProviderMisconfigured:
            return False


@admin.register(StockItem)
class StockItemAdmin(ConfigurationAdmin):
    form = StockItemForm
    list_display = ("name", "merchant_code", "sku", "price", "quantity")
    list_filter = ("merchant_code",)
    search_fields = ("name", "sku")
    fields = ("merchant_code", "name", "sku", "price_minor", "currency", "quantity")
    fixed_fields = ("merchant_code", "sku")

    @admin.display(ordering="price_minor")
    def price(self, item: StockItem) -> str:
        return money_text(Money(item.price_minor, item.currency))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Lock the row for a change, because orders also change the quantity."""
        item = super().get_object(request, object_id, from_field)
        if item is not None and request.method == "POST":
            return StockItem.objects.select_for_update().filter(pk=item.pk).first()
        return item


@admin.register(BlockedValue)
class BlockedValueAdmin(ConfigurationAdmin):
    form = BlockedValueForm
    list_display = ("value", "kind", "reason", "created_at")
    list_filter = ("kind",)
    search_fields = ("value", "reason")
    fields = ("kind", "value", "reason", "created_at")
    readonly_fields = ("created_at",)
    private_fields = ("value",)

    def audit_name(self, row: Any) -> str:
        """See Audited. The log is never erased, so the name must not contain the blocked value."""
        return f"{row.kind} {row.pk}"
