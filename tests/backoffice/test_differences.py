"""The list of differences shows the history of each, and offers one action about it."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from checkout.payments.models import Difference
from tests.backoffice import rows

pytestmark = pytest.mark.django_db
LISTED = reverse("admin:payments_difference_changelist")


def found(kind, **fields):
    payment = rows.captured()
    row = rows.difference(payment, kind=kind, order_code=payment.attempts.get().order_code)
    Difference.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


def page(client, row):
    return client.get(reverse("admin:payments_difference_change", args=[row.pk]))


def labels(client, row):
    return [tool.label for tool in page(client, row).context["tools"]]


def test_a_sum_that_differs_is_settled_by_figures_first(admin_client):
    row = found("captured", ours_minor=1250, theirs_minor=1500)
    assert labels(admin_client, row) == ["Settle by figures", "Mark as dealt with"]
    listed = admin_client.get(LISTED).content.decode()
    assert "Captured: the provider&#x27;s books have £15.00, ours have £12.50." in listed
    assert "done in the provider&#x27;s portal" in listed
    assert reverse("admin:payments_payment_settle", args=[row.payment_id]) in listed


@pytest.mark.parametrize("kind", ["ledger_refunded", "order", "unanswered"])
def test_what_no_figures_settle_is_marked_as_dealt_with(admin_client, kind):
    row = found(kind)
    assert labels(admin_client, row) == ["Mark as dealt with"]
    listed = admin_client.get(LISTED).content.decode()
    assert reverse("admin:payments_difference_deal_with", args=[row.pk]) in listed


@pytest.mark.parametrize("field", ["resolved_at", "dealt_with_at"])
def test_what_is_closed_has_no_action(admin_client, field):
    row = found("captured", **{field: timezone.now()})
    assert labels(admin_client, row) == []
    assert "/settle/" not in admin_client.get(LISTED).content.decode()


def test_staff_without_the_right_to_settle_are_offered_what_they_may_do(staff_client):
    row = found("captured")
    client = staff_client("view_difference", "deal_with_difference", "view_payment")
    assert Permission.objects.filter(codename="settle_operation").exists()
    assert labels(client, row) == ["Mark as dealt with"]
