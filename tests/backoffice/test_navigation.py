"""The menu of the back office: by the work that staff do, from one table of sections."""

import pytest
from django.contrib import admin
from django.urls import reverse

from checkout.backoffice.navigation import SECTIONS
from tests.backoffice import rows

pytestmark = pytest.mark.django_db
HOME = reverse("admin:index")


def sections(client, address=HOME):
    return {part["name"]: part for part in client.get(address).context["available_apps"]}


def test_every_table_is_in_exactly_one_section():
    admin.autodiscover()
    named = [label for section in SECTIONS for label in section.models]
    assert sorted(named) == sorted(model._meta.label for model in admin.site._registry)


def test_the_menu_is_on_every_page_and_shows_where_it_is(admin_client):
    payment = rows.captured("A-1")
    for page, here in (
        (HOME, "Home"),
        (reverse("admin:payments_payment_attention"), "Needs attention"),
        (reverse("admin:payments_payment_change", args=[payment.pk]), "Payments"),
        (reverse("admin:payments_payment_refund", args=[payment.pk]), "Payments"),
        (reverse("admin:payments_saga_changelist"), "Sagas"),
    ):
        html = admin_client.get(page).content.decode()
        assert f' aria-current="page">{here}</a>' in html, page


def test_tables_of_engineers_are_behind_internals(admin_client):
    found = sections(admin_client)
    assert {each["name"] for each in found["Internals"]["models"]} >= {"Sagas", "Dead letters"}
    assert [name for name, part in found.items() if part["is_internal"]] == ["Internals"]


def test_staff_see_the_sections_of_the_tables_that_they_may_view(staff_client):
    client = staff_client("view_ledgerentry")
    assert list(sections(client)) == ["Finance"]
    assert "Needs attention" not in client.get(HOME).content.decode()


def test_the_start_page_counts_what_needs_attention(admin_client):
    assert "Nothing needs attention." in admin_client.get(HOME).content.decode()
    rows.difference(rows.captured("A-1"))
    page = admin_client.get(HOME)
    assert {row["count"] for row in page.context["rows"]} == {1}
    assert reverse("admin:payments_difference_changelist") + "?status=open" in page.content.decode()


def test_the_page_of_an_application_leads_to_the_start_page(admin_client):
    assert admin_client.get(reverse("admin:app_list", args=["payments"])).headers["Location"] == HOME
