"""Lists are exported as files, with the same rows, by permitted staff, and recorded."""

import csv
import io
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient
from django.urls import reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.audit.models import AuditEntry
from checkout.backoffice.exports import WithExport
from checkout.backoffice.models import MerchantAccess
from tests.backoffice import rows

EXPORTED = sorted(
    (model._meta.app_label, str(model._meta.model_name))
    for model, page in admin.site._registry.items()
    if isinstance(page, WithExport)
)


def address(table, suffix=""):
    return reverse(f"admin:{table}_export{suffix}")


def clerk(*merchants, without=""):
    person = User.objects.create(username="clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.exclude(codename=without))
    MerchantAccess.objects.create(user=person, merchants=list(merchants))
    return person


async def read(person, where, query=None):
    """Return the text of an export, and the number of its parts."""
    client = AsyncClient()
    await client.aforce_login(person)
    response: Any = await client.get(where, query or {})
    assert response.status_code == 200
    parts = [part.decode() async for part in response.streaming_content]
    return "".join(parts), len(parts)


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_payments_operations_ledger_totals_disputes_and_audit_log_are_exported():
    assert EXPORTED == [
        ("audit", "auditentry"),
        ("ledger", "dailytotal"),
        ("ledger", "ledgerentry"),
        ("payments", "dispute"),
        ("payments", "operation"),
        ("payments", "payment"),
    ]


@pytest.mark.django_db(transaction=True)
async def test_an_export_has_all_pages_of_the_filtered_list_in_batches(admin_user, monkeypatch):
    monkeypatch.setattr("checkout.backoffice.exports.BATCH", 2)
    for number in range(5):
        await sync_to_async(rows.captured)(f"ORDER-{number}")
    await sync_to_async(rows.authorised)("ORDER-9")
    text, parts = await read(admin_user, address("payments_payment"), {"state": "captured"})
    assert [line["order"] for line in lines_of(text)] == [f"ORDER-{number}" for number in (4, 3, 2, 1, 0)]
    assert parts == 4, "the head, and a part for each batch"
    entry = await sync_to_async(AuditEntry.objects.get)(action="export")
    assert (entry.by, entry.what) == ("admin", "Exported the payments as CSV, state=captured")


@pytest.mark.django_db(transaction=True)
async def test_texts_are_no_formulas_and_numbers_stay_numbers(admin_user):
    payment = await sync_to_async(rows.captured)("=1+2", description='@SUM, "quoted"')
    await sync_to_async(rows.post)(payment, "refunded:op_1", 250, 250)
    [line] = lines_of((await read(admin_user, address("payments_payment")))[0])
    assert (line["order"], line["description"]) == ("'=1+2", '\'@SUM, "quoted"')
    entries = lines_of((await read(admin_user, address("ledger_ledgerentry")))[0])
    assert sorted(entry["minor"] for entry in entries) == ["-250", "250"]
    assert sorted(entry["amount"] for entry in entries) == ["-2.50", "2.50"]


@pytest.mark.django_db(transaction=True)
async def test_lines_of_json_have_the_same_rows_with_their_types(admin_user):
    await sync_to_async(rows.captured)("=1+2")
    text, _ = await read(admin_user, address("payments_payment", "_lines"))
    [line] = [json.loads(each) for each in text.splitlines()]
    assert (line["order"], line["minor"], line["amount"]) == ("=1+2", 1250, "12.50")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("app", "model"), EXPORTED)
async def test_a_clerk_exports_nothing_of_another_merchant(app, model):
    def write():
        payment = rows.paid("ORDER-1")
        rows.operation(payment, "charge_back", 300, state="done")
        return clerk("rival")

    person = await sync_to_async(write)()
    text, _ = await read(person, address(f"{app}_{model}"))
    assert lines_of(text) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("app", "model"), EXPORTED)
@pytest.mark.parametrize("suffix", ["", "_lines"])
def test_who_may_see_a_list_may_not_export_it_without_that_right(client, app, model, suffix):
    rows.merchant()
    client.force_login(clerk("example", without="export_payment"))
    listed = client.get(reverse(f"admin:{app}_{model}_changelist"))
    assert listed.status_code == 200
    assert address(f"{app}_{model}", suffix) not in listed.content.decode()
    assert client.get(address(f"{app}_{model}", suffix)).status_code == 403
    assert not AuditEntry.objects.filter(action="export").exists()
