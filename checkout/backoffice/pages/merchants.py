"""Merchants, which staff may edit.

Changes of their attack mode have a permission and a record of their own.
"""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.db.transaction import get_connection
from django.http import HttpRequest, HttpResponse

from checkout.backoffice.attention.page import begun_by_declines
from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.localised import minute_text, second_text, with_zone
from checkout.backoffice.display.values import Table
from checkout.backoffice.forms import MerchantForm, users_of
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.backoffice.rights.merchants import merchants_of
from checkout.backoffice.row_actions import AdminWithActions, Verb
from checkout.payments import actions
from checkout.payments.models import Merchant, Payment

Mode = Merchant.AttackMode

MOST_CHANGES = 50
EFFECT = (
    "In attack mode, issuers are asked to challenge every shopper of this merchant. Attempts from addresses "
    "that have not paid before wait for their turn. The CAPTCHA is shown, if there is one."
)
EXPLANATIONS = {
    Mode.ON: f"{EFFECT} It stays on until somebody ends it.",
    Mode.OFF: f"{EFFECT} If it is off, it does not begin by itself, however many cards are declined.",
    Mode.AUTOMATIC: f"{EFFECT} It begins by itself after many declines, and ends some time after them.",
}


def _is_another(mode: Mode, merchant: Merchant) -> bool:
    return merchant.attack_mode != mode or merchant.attacked_until is not None


def _set(mode: Mode, merchant: Merchant, by: str, reason: str) -> None:
    actions.set_attack_mode(merchant.pk, mode, by=by, reason=reason)


def _verb(mode: Mode) -> Verb:
    return Verb(
        name=f"attack_mode_{mode}",
        label=f"Attack mode: {mode}",
        explanation=EXPLANATIONS[mode],
        done=f"The attack mode is {mode} now.",
        otherwise="the mode is set already. Nothing was changed.",
        is_offered=partial(_is_another, mode),
        carry_out=partial(_set, mode),
        asks_why=True,
        seen=lambda merchant: (merchant.attack_mode, merchant.attacked_until is not None),
    )


def _changes_of(merchant: Merchant) -> Table:
    changes = merchant.attack_mode_changes.all()[:MOST_CHANGES]
    return Table(
        title="Changes of the attack mode",
        headers=("When", "Mode", "By", "Why"),
        rows=[
            (
                second_text(each.changed_at),
                each.mode,
                each.by or "the gateway",
                each.reason,
            )
            for each in changes
        ],
        if_empty="It has never been changed.",
    )


class UnderAttackFilter(admin.SimpleListFilter):
    """A filter for merchants in attack mode: started by declines, or for any reason."""

    title = "attack mode"
    parameter_name = "attacked"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("by_declines", "begun by declines"), ("now", "on, for whatever reason")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> QuerySet[Merchant]:
        conditions = {"by_declines": begun_by_declines(), "now": begun_by_declines() | Q(attack_mode=Mode.ON)}
        return queryset.filter(conditions.get(self.value() or "", Q()))


@admin.register(Merchant)
class MerchantAdmin(AdminWithActions, ConfigurationAdmin):
    form = MerchantForm
    list_display = ("name", "code", "is_live", "protection")
    list_filter = ("is_live", UnderAttackFilter)
    search_fields = ("name", "code")
    fields = ("name", "code", "is_live", "return_origins", "protection")
    readonly_fields = ("protection",)
    fixed_fields = ("code",)
    verbs = tuple(_verb(mode) for mode in (Mode.ON, Mode.AUTOMATIC, Mode.OFF))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """See ModelAdmin.

        Return False for users who see only some merchants: they would not see the new one.
        """
        return merchants_of(request.user) is None and super().has_add_permission(request)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Lock the row for a change. After a first payment, the merchant cannot change between live and test.

        Only Django's own view of changes has a transaction here. The actions lock the row themselves.
        """
        merchant = super().get_object(request, object_id, from_field)
        if merchant is not None and request.method == "POST" and get_connection().in_atomic_block:
            return Merchant.objects.select_for_update().filter(pk=merchant.pk).first()
        return merchant

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse to delete merchants with API keys or webhook endpoints, and list these.

        Keys and endpoints refer to their merchant by its code, so a new merchant with the same code would get
        them.
        """
        deleted, counts, permissions, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, permissions, [*protected, *users_of(merchant.code for merchant in objs)]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """See ConfigurationAdmin.

        Once a merchant has payments, it cannot be switched between live and test.
        """
        fixed = super().get_readonly_fields(request, obj)
        is_used = isinstance(obj, Merchant) and Payment.objects.filter(merchant=obj).exists()
        return [*fixed, "is_live"] if is_used else fixed

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """See AdminWithActions. One permission covers all three modes."""
        return request.user.has_perm("payments.protect_merchant")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """See ModelAdmin. Add the changes of the attack mode, which all who may view the merchant see."""
        if obj is not None:
            context["changes"] = _changes_of(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="attack mode", ordering="attack_mode")
    def protection(self, merchant: Merchant) -> str:
        if merchant.attack_mode != Mode.AUTOMATIC:
            return str(merchant.attack_mode)
        if merchant.attacked_until is None or not merchant.is_under_attack:
            return "automatic, not needed now"
        until = with_zone(minute_text(merchant.attacked_until))
        return f"automatic, begun by declines, until {until}"
