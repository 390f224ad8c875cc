"""The page of the audit log: filters, search, and the export."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone

from checkout.audit.log import Author, Details, Subject, record
from checkout.audit.models import AuditEntry
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db
LISTED = reverse("admin:audit_auditentry_changelist")
EXPORT = reverse("admin:audit_auditentry_export")


def write(by="ada", what="Refund", row=None, **more):
    about = (
        Subject("payments.payment", str(row.pk), str(row), row.merchant.code, row.reference)
        if row
        else Subject()
    )
    return record(Author(by, 1, "192.0.2.7"), "refund", what, about, **more)


def found(client, query):
    cl = client.get(LISTED, query).context["cl"]
    return [entry.what for entry in cl.result_list]


def test_the_log_is_filtered_by_who_object_and_time(admin_client):
    User.objects.create(username="ada", is_staff=True)
    payment = rows.captured()
    with time_machine.travel(timezone.now() - timedelta(days=40)):
        write(what="long ago", row=payment)
    write(what="by grace", by="grace", row=payment)
    write(what="by ada", row=payment)
    assert found(admin_client, {"who": "ada"}) == ["by ada", "long ago"]
    assert found(admin_client, {"who": "ada", "q": f"since:{timezone.now():%Y-%m-%d}"}) == ["by ada"]
    assert found(admin_client, {"q": payment.reference}) == ["by ada", "by grace", "long ago"]
    assert found(admin_client, {"q": "grace"}) == ["by grace"]
    assert found(admin_client, {"about": "payments.payment"}) == ["by ada", "by grace", "long ago"]
    assert found(admin_client, {"q": f"row:payments.payment:{payment.pk} action:refund ada"}) == [
        "by ada",
        "long ago",
    ]
    assert found(admin_client, {"q": "until:yesterday"}) == ["long ago"]
    assert found(admin_client, {"q": "since:whenever"}) == []


def test_an_entry_shows_the_values_before_and_after_and_the_reason(admin_client):
    row = rows.merchant()
    admin_client.post(
        reverse("admin:payments_merchant_change", args=[row.pk]), {"name": "New name", "return_origins": "[]"}
    )
    [entry] = entries()
    page = admin_client.get(reverse("admin:audit_auditentry_change", args=[entry.pk])).content.decode()
    assert "Changed the merchant: name" in page
    assert f"&quot;name&quot;: &quot;{row.name}&quot;" in page
    assert "&quot;name&quot;: &quot;New name&quot;" in page
    assert reverse("admin:payments_merchant_change", args=[row.pk]) in page


def test_the_history_of_a_row_leads_to_its_entries(admin_client):
    row = rows.merchant()
    history = admin_client.get(reverse("admin:payments_merchant_history", args=[row.pk]))
    assert history["Location"] == f"{LISTED}?q=row%3Apayments.merchant%3A{row.pk}"


def test_who_may_not_see_the_log_sees_neither_list_nor_export_nor_history(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "change_merchant")
    for address in (LISTED, EXPORT, reverse("admin:payments_merchant_history", args=[row.pk])):
        assert client.get(address).status_code == 403


@pytest.mark.django_db(transaction=True)
async def test_the_export_has_every_entry_that_the_list_would_show_and_no_formula(admin_user, monkeypatch):
    monkeypatch.setattr("checkout.backoffice.exports.BATCH", 2)
    from asgiref.sync import sync_to_async

    client = AsyncClient()
    await client.aforce_login(admin_user)
    for number in range(5):
        await sync_to_async(write)(what=f"=1+{number}", details=Details(why='"quoted", and\nbroken'))
    await sync_to_async(write)(by="grace")
    response: Any = await client.get(EXPORT, {"q": "ada"})
    text = "".join([part.decode() async for part in response.streaming_content])
    [head, *lines] = csv.reader(io.StringIO(text, newline=""))
    assert response["Content-Disposition"].startswith('attachment; filename="audit-log-entries-')
    assert [line[head.index("what")] for line in lines] == [f"'=1+{number}" for number in (4, 3, 2, 1, 0)]
    assert {line[head.index("why")] for line in lines} == {'"quoted", and\nbroken'}
    exported = await sync_to_async(lambda: AuditEntry.objects.get(action="export").what)()
    assert exported == "Exported the audit log entries as CSV, q=ada"
