"""Provider accounts of merchants with a rule of approval: a change becomes a request for approval."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from checkout.backoffice.approvals.asking import ask_for_approval, key_of
from checkout.backoffice.approvals.effects import columns, seen_of
from checkout.payments.actions.staff.approvals import Proposal, needs_approval
from checkout.payments.models import ApprovalRule, ProviderAccount
from checkout.payments.models.approval import Matter


class AccountsNeedApproval:
    """A mixin for the pages of provider accounts. It requests an approval where a rule needs one."""

    def get_actions(self, request: HttpRequest, *location: Any) -> dict[str, Any]:
        """See ModelAdmin.

        If a rule of approval exists, remove the action that deletes several accounts at once.
        """
        found: dict[str, Any] = super().get_actions(request, *location)  # type: ignore[misc]
        if ApprovalRule.objects.filter(matter=Matter.ACCOUNTS).exists():
            found.pop("delete_selected", None)
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """See ModelAdmin. Ask for an approval if the submitted form is valid and needs one."""
        answer = self._asked(request, object_id) if request.method == "POST" else None
        return answer or super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """See ModelAdmin. Ask for an approval if the deletion is confirmed and needs one."""
        account = self._account(request, object_id) if request.method == "POST" else None
        if account is None or not needs_approval(account.merchant_id, Matter.ACCOUNTS):
            return super().delete_view(request, object_id, extra_context)  # type: ignore[misc]
        if not self._admin.has_delete_permission(request, account):
            raise PermissionDenied
        what = f"Delete the provider account {account.code}"
        return _ask(request, account, "delete_account", what, {"before": columns(account)})

    @property
    def _admin(self) -> Any:
        return self

    def _account(self, request: HttpRequest, object_id: str) -> ProviderAccount | None:
        found: ProviderAccount | None = self._admin.get_object(request, object_id)
        return found

    def _asked(self, request: HttpRequest, object_id: str | None) -> HttpResponse | None:
        account = self._account(request, object_id) if object_id else None
        admin = self._admin
        may = admin.has_change_permission(request, account) if account else admin.has_add_permission(request)
        if not may or (object_id and account is None):
            return None
        before = columns(account) if account else {}
        form = admin.get_form(request, account, change=account is not None)(request.POST, instance=account)
        if not form.is_valid() or not needs_approval(form.instance.merchant_id, Matter.ACCOUNTS):
            return None
        after = {name: value for name, value in columns(form.instance).items() if before.get(name) != value}
        if not after:
            return None
        verb = "change_account" if account else "add_account"
        what = f"{'Change' if account else 'Add'} the provider account {form.instance.code}: " + ", ".join(
            name.replace("_", " ") for name in after
        )
        # Validating the form has changed its instance, so the account is read again.
        account = self._account(request, object_id) if object_id else None
        return _ask(request, account or form.instance, verb, what, {"before": before, "after": after})


def _ask(
    request: HttpRequest, account: ProviderAccount, action: str, what: str, content: dict[str, Any]
) -> HttpResponse:
    content = {"account": account.pk, **content}
    seen = seen_of(account if account.pk else None)
    proposal = Proposal(
        merchant=account.merchant,
        matter=Matter.ACCOUNTS,
        action=action,
        what=what,
        key=key_of("account", [request.user.pk, action, content, seen]),
        content=content,
        seen=seen,
    )
    with transaction.atomic():
        return ask_for_approval(request, proposal)
