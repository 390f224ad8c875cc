"""Users and groups of the back office. Only superusers add and change them.

A person who may change users or groups can get every right, for example by setting a superuser's password.
Django's own permissions for this are easily given by mistake.

Users who leave are made inactive and not deleted, so that each name in the audit log belongs to one person.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from checkout.backoffice.audited import Audited, is_in_log
from checkout.backoffice.base import ModelForm
from checkout.backoffice.bounded_search import WithBoundedSearch
from checkout.backoffice.forms import merchant_choices
from checkout.backoffice.log_in.second_factor.devices import has_factor, reset
from checkout.backoffice.models import MerchantAccess
from checkout.backoffice.rights.pages import WithinMerchants
from checkout.backoffice.row_actions import AdminWithActions, Verb

# These classes of Django have a type parameter in the stubs only.
if TYPE_CHECKING:
    BaseOfUsers = UserAdmin[User]
    BaseOfGroups = GroupAdmin
    StackedInline = admin.StackedInline[MerchantAccess, User]
else:
    BaseOfUsers = UserAdmin
    BaseOfGroups = GroupAdmin
    StackedInline = admin.StackedInline

admin.site.unregister((User, Group))


class BySuperusersOnly:
    """A mixin for tables that give rights. Only superusers may change them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)


class MerchantAccessForm(ModelForm):
    """A form for the merchants whose data a user sees, by their codes."""

    merchants = forms.MultipleChoiceField(
        choices=merchant_choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without a tick here or above, the user sees nothing. Superusers see all merchants.",
    )

    class Meta:
        model = MerchantAccess
        fields = ("is_unlimited", "merchants")


class MerchantAccessInline(BySuperusersOnly, StackedInline):
    model = MerchantAccess
    form = MerchantAccessForm
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin. All who may view users see their merchants, too."""
        return request.user.has_perm("auth.view_user")


RESET = Verb(
    name="reset",
    label="Reset second factor",
    explanation=(
        "The user's authenticator app and recovery codes count no more, and the user sets up new ones at the "
        "next log-in. Make sure that it is the user who asks: call back on a number that you know."
    ),
    done="The second factor is reset.",
    otherwise="the user has no second factor. Nothing was changed.",
    is_offered=has_factor,
    carry_out=lambda user, by, why: reset(user),
    asks_why=True,
)


@admin.register(User)
class StaffAdmin(BySuperusersOnly, AdminWithActions, WithBoundedSearch, WithinMerchants, BaseOfUsers):
    change_form_template = "admin/payments/merchant/change_form.html"
    verbs = (RESET,)
    inlines = (MerchantAccessInline,)

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """See AdminWithActions."""
        return _is_superuser(request)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """See ModelAdmin.

        Return none for a new user: the page that adds one has only a name and a password.
        """
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False for a user who has ever acted, because another user could get the same name."""
        if obj is None or is_in_log(obj.pk):
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class RightsAdmin(BySuperusersOnly, Audited, WithBoundedSearch, WithinMerchants, BaseOfGroups):
    """Groups of permissions."""


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
