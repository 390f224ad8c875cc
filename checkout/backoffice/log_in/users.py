"""Users and groups of the back office. Only superusers add and change them.

A person who may change users or groups can get every right, by ticking a box or by setting the password of a
superuser. Django leaves it to its permissions who may do so, and these look like any other.

Users are made inactive when they leave: what they did stays in Django's log.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

# Only the stubs give these classes of Django a type parameter.
if TYPE_CHECKING:
    BaseOfUsers = UserAdmin[User]
    BaseOfGroups = GroupAdmin
else:
    BaseOfUsers = UserAdmin
    BaseOfGroups = GroupAdmin

admin.site.unregister((User, Group))


class BySuperusersOnly:
    """A mixin for what gives rights. Others with Django's permission to view it may view it."""

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
class StaffAdmin(BySuperusersOnly, BaseOfUsers):
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False for a user who has done anything, as Django would delete the log of it as well.

        The log is all that says who has changed an account, made an API key or blocked an address.
        """
        if obj is None or LogEntry.objects.filter(user=obj).exists():
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Group)
class RightsAdmin(BySuperusersOnly, BaseOfGroups):
    """Groups of permissions."""


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
