"""The merchants whose data a user sees: one rule for lists, pages, filters, counts and searches.

A superuser sees all merchants. Other users see the merchants that are assigned to them, or all if that box is
ticked. By default they see none. Users who see only some merchants do not see tables whose rows belong to no
single merchant, such as messages and blocked values.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet

from checkout.backoffice.models import MerchantAccess
from checkout.backoffice.owners import MERCHANT
from checkout.database.owners import database_of
from checkout.payments.models import Payment

M = TypeVar("M", bound=Model)

# The column with a payment's reference, in tables of services that refer to a payment by it only.
_BY_REFERENCE: Mapping[str, str] = {
    "receipts.Receipt": "payment_reference",
    "risk.RiskAssessment": "payment_reference",
}
_REMEMBERED = "_merchants_of_user"


def merchants_of(user: Any) -> frozenset[str] | None:
    """Return the codes of the merchants whose data ``user`` sees; None for all merchants."""
    if user.is_superuser:
        return None
    if not hasattr(user, _REMEMBERED):
        access = MerchantAccess.objects.filter(user=user.pk).first()
        is_unlimited = access is not None and access.is_unlimited
        setattr(user, _REMEMBERED, None if is_unlimited else frozenset(access.merchants if access else ()))
    found: frozenset[str] | None = getattr(user, _REMEMBERED)
    return found


def visible(rows: QuerySet[M], user: Any) -> QuerySet[M]:
    """Filter ``rows`` to those that ``user`` sees."""
    codes = merchants_of(user)
    if codes is None:
        return rows
    label = rows.model._meta.label
    if path := MERCHANT.get(label):
        return rows.filter(**{f"{path}__in": sorted(codes)})
    if label in _BY_REFERENCE and is_shared_out(rows.model):
        payments = Payment.objects.order_by().filter(merchant__code__in=sorted(codes))
        return rows.filter(**{f"{_BY_REFERENCE[label]}__in": payments.values("reference")})
    return rows.none()


def is_shared_out(model: type[Model]) -> bool:
    """Return True if rows of the table belong to merchants and can be filtered by them in its database."""
    if model._meta.label in _BY_REFERENCE:
        return database_of(model._meta.app_label) == DEFAULT_DB_ALIAS
    return model._meta.label in MERCHANT


class LimitedToMerchants:
    """An authentication backend of Django that denies permissions on tables that a user does not see."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Return None, because this backend logs nobody in. Django then asks the next backend."""

    def has_perm(self, user: Any, permission: str, obj: Any = None) -> bool:
        """Raise PermissionDenied if the user does not see the table.

        Return False otherwise: other backends decide.
        """
        model = _models().get(permission)
        if (
            model is not None
            and user.is_active
            and merchants_of(user) is not None
            and not is_shared_out(model)
        ):
            raise PermissionDenied
        return False


@cache
def _models() -> Mapping[str, type[Model]]:
    """Return the model of each permission of our apps, by ``application.codename``."""
    return {
        f"{model._meta.app_label}.{codename}": model
        for model in apps.get_models()
        for codename in _codenames(model)
    }


def _codenames(model: type[Model]) -> list[str]:
    options = model._meta
    defaults = [get_permission_codename(action, options) for action in options.default_permissions]
    return [*defaults, *(codename for codename, _ in options.permissions)]
