"""Users and groups of the back office. Only superusers add and change them.

A person who may change users or groups can get every right, by ticking a box or by setting a superuser's
password. In Django, ordinary permissions allow this, which are easily given without thinking.

Users who leave are made inactive, so that a name in the audit log stays that of one person.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from checkout.backoffice.audited import Audited, is_in_log
from checkout.backoffice.bounded_search import WithBoundedSearch

# These classes of Django have a type parameter in the stubs only.
if TYPE_CHECKING:
    BaseOfUsers = UserAdmin[User]
    BaseOfGroups = GroupAdmin
else:
    BaseOfUsers = UserAdmin
    BaseOfGroups = GroupAdmin

admin.site.unregister((User, Group))


class BySuperusersOnly:
    """A mixin for tables that give rights. Only superusers may change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)


@admin.register(User)
class StaffAdmin(BySuperusersOnly, Audited, WithBoundedSearch, BaseOfUsers):
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False for a user who has done anything, because another user could get the name."""
        if obj is None or is_in_log(obj.pk):
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class RightsAdmin(BySuperusersOnly, Audited, WithBoundedSearch, BaseOfGroups):
    """Groups of permissions."""


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
