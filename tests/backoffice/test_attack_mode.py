"""Attack mode is set by staff with the permission, who give a reason, and is recorded."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.audit.log import details_of
from checkout.errors import OperationRejected
from checkout.payments.actions import set_attack_mode
from checkout.payments.models import AttackModeChange, Merchant
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db

ATTENTION = reverse("admin:payments_payment_attention")


def address(page: str, row: Merchant) -> str:
    return reverse(f"admin:payments_merchant_{page}", args=[row.pk])


def test_who_has_the_permission_sets_it_with_a_reason_that_is_kept(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "protect_merchant")
    page = client.get(address("change", row)).content.decode()
    assert f'<a href="{address("attack_mode_on", row)}">Attack mode: on</a>' in page
    assert "It has never been changed." in page
    answer = client.post(address("attack_mode_on", row), {"reason": "Our bank called"})
    assert told(answer) == ["The attack mode is on now."]
    assert Merchant.objects.get().is_under_attack
    change = AttackModeChange.objects.get()
    assert (change.mode, change.by, change.reason) == ("on", "staff", "Our bank called")
    assert (entries().get().what, details_of(entries().get()).why) == ("Attack mode: on", "Our bank called")
    page = client.get(address("change", row)).content.decode()
    assert "Our bank called" in page
    assert address("attack_mode_on", row) not in page


def test_who_may_only_edit_merchants_neither_sees_it_offered_nor_sets_it(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "change_merchant")
    assert "attack_mode" not in client.get(address("change", row)).content.decode()
    assert client.post(address("attack_mode_on", row), {"reason": "x"}).status_code == 403
    client.post(
        address("change", row),
        {"name": "New", "return_origins": "[]", "attack_mode": "on", "protection": "on"},
    )
    row.refresh_from_db()
    assert (row.name, row.attack_mode) == ("New", "automatic")


def test_nothing_is_set_without_a_reason(admin_client):
    row = rows.merchant()
    assert (
        "Please give a reason"
        in admin_client.post(address("attack_mode_on", row), {"reason": " "}).content.decode()
    )
    assert not Merchant.objects.get().is_under_attack


def test_what_declines_have_begun_is_counted_shown_and_ended_by_staff(admin_client):
    row = rows.merchant()
    rows.merchant("another")
    Merchant.objects.filter(pk=row.pk).update(attacked_until=timezone.now() + timedelta(hours=1))
    AttackModeChange.objects.create(merchant=row, mode="automatic", reason="300 cards or more were declined.")
    [line] = [each for each in admin_client.get(ATTENTION).context["rows"] if each["table"] == "merchants"]
    assert line["count"] == 1
    assert list(admin_client.get(line["address"]).context["cl"].result_list) == [row]
    page = admin_client.get(address("change", row)).content.decode()
    assert "automatic, begun by declines, until" in page
    assert "the gateway" in page
    admin_client.post(address("attack_mode_automatic", row), {"reason": "It was a sale"})
    row.refresh_from_db()
    assert not row.is_under_attack


def test_the_same_mode_is_not_set_again():
    row = rows.merchant()
    with pytest.raises(OperationRejected, match="automatic already"):
        set_attack_mode(row.pk, "automatic", by="ada", reason="x")
    with pytest.raises(OperationRejected, match="no such merchant"):
        set_attack_mode(4711, "on", by="ada", reason="x")
    assert not AttackModeChange.objects.exists()


@pytest.mark.parametrize("query", ["", "?attacked=now", "?attacked=by_declines", "?attacked=nonsense"])
def test_merchants_are_listed_by_their_attack_mode(admin_client, query):
    rows.merchant()
    set_attack_mode(rows.merchant("attacked").pk, "on", by="ada", reason="x")
    listed = admin_client.get(reverse("admin:payments_merchant_changelist") + query, follow=True)
    expected = {"?attacked=now": {"attacked"}, "?attacked=by_declines": set()}
    codes = {row.code for row in listed.context["cl"].result_list}
    assert codes == expected.get(query, {"example", "attacked"})
