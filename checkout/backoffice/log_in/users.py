"""Users of the back office, who are made inactive when they leave: what they did stays in Django's log."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

# Only the stubs give this class of Django a type parameter.
if TYPE_CHECKING:
    Base = UserAdmin[User]
else:
    Base = UserAdmin

admin.site.unregister(User)


@admin.register(User)
class StaffAdmin(Base):
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False for a user who has done anything, as Django would delete the log of it as well.

        The log is all that says who has changed an account, made an API key or blocked an address.
        """
        if obj is None or LogEntry.objects.filter(user=obj).exists():
            return False
        return super().has_delete_permission(request, obj)
