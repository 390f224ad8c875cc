"""Each member of staff keeps views of the list of payments, and chooses its columns."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from checkout.payments.models import StaffView
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.operating import told

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_payment_changelist")
KEEP = reverse("admin:payments_payment_views")


def columns(client, **query):
    return client.get(LIST, query).context["cl"].list_display


def views(client, **query):
    return {view["name"]: view for view in client.get(LIST, query).context["kept"]["views"]}


def save(client, name, query):
    return client.post(KEEP, {"name": name, "query": query})


def test_a_view_keeps_filters_that_combine_and_leads_back_to_them(admin_client):
    rows.payment("LOST", PaymentState.REFUSED, currency="EUR")
    rows.payment("LOST-GBP", PaymentState.REFUSED)
    rows.captured("PAID", currency="EUR")
    query = "state=refused&currency=EUR"
    response = save(admin_client, "Refused in euros", f"{query}&p=3&e=1")
    assert response.headers["Location"] == f"{LIST}?{query}"
    assert told(response) == ["Saved as Refused in euros."]
    view = views(admin_client)["Refused in euros"]
    assert view["query"] == query
    page = admin_client.get(f"{LIST}?{view['query']}")
    assert [row.order_reference for row in page.context["cl"].result_list] == ["LOST"]
    assert page.context["kept"]["views"][0]["is_here"]


def test_a_view_saved_again_under_its_name_replaces_the_first(admin_client):
    save(admin_client, "Mine", "state=refused")
    save(admin_client, "Mine", "state=captured")
    assert views(admin_client)["Mine"]["query"] == "state=captured"


@pytest.mark.parametrize("name", ["", "x" * 41])
def test_a_view_needs_a_name(admin_client, name):
    assert "needs a name" in told(save(admin_client, name, "state=refused"))[0]
    assert not views(admin_client)


def test_a_user_has_a_limited_number_of_views(admin_client):
    for number in range(20):
        save(admin_client, f"View {number}", "")
    assert "delete one first" in told(save(admin_client, "One more", ""))[-1]
    assert len(views(admin_client)) == 20
    admin_client.post(KEEP, {"forget": "View 3"})
    save(admin_client, "One more", "")
    assert "One more" in views(admin_client)


def test_the_chosen_columns_stay_and_the_order_number_is_always_among_them(admin_client):
    usual = columns(admin_client)
    admin_client.post(KEEP, {"columns": "yes", "column": ["amount", "reference", "password"]})
    payment = rows.captured("A-1")
    assert columns(admin_client) == ["order_reference", "amount", "reference"]
    assert payment.reference in admin_client.get(LIST).content.decode()
    admin_client.post(KEEP, {"usual": "yes"})
    assert columns(admin_client) == usual


def test_views_and_columns_are_those_of_one_user(admin_client, staff_client):
    save(admin_client, "Mine", "state=refused")
    admin_client.post(KEEP, {"columns": "yes", "column": ["amount"]})
    other = staff_client("view_payment")
    assert not views(other)
    assert "state_in_words" in columns(other)
    other.post(KEEP, {"forget": "Mine"})
    assert "Mine" in views(admin_client)


def test_no_view_is_saved_without_the_permission_to_view_payments(staff_client):
    assert staff_client("view_stockitem").post(KEEP, {"name": "Mine"}).status_code == 403
    assert not StaffView.objects.exists()


def test_a_form_of_another_site_keeps_nothing(db):
    person = User.objects.create_superuser("ada", password="x")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person)
    assert browser.post(KEEP, {"name": "Mine"}).status_code == 403
    assert not StaffView.objects.exists()


def test_an_address_of_a_view_is_only_posted_to(admin_client):
    assert admin_client.get(KEEP).status_code == 405
