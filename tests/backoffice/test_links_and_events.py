"""Events and payment links in the back office."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.errors import DuplicateRequest
from checkout.payments.actions.links import hindrance, payment_by_link
from checkout.payments.models import Event, Payment, PaymentLink
from tests.backoffice import rows
from tests.backoffice.operating import told

pytestmark = pytest.mark.django_db

EVENTS = reverse("admin:payments_event_changelist")
LINKS = reverse("admin:payments_paymentlink_changelist")


def listed(client, address, **query):
    return [row.pk for row in client.get(address, query).context["cl"].result_list]


def link(order, **fields):
    return PaymentLink.objects.create(
        merchant=rows.merchant(), order_reference=order, amount_minor=4900, currency="EUR", description="Tea",
        **fields,
    )  # fmt: skip


def test_the_page_of_a_payment_leads_to_its_events(staff_client):
    payment = rows.paid("A-1")
    rows.paid("A-2")
    client = staff_client("view_payment", "view_event")
    page = client.get(reverse("admin:payments_payment_change", args=[payment.pk]))
    address = f"{EVENTS}?q={payment.reference}"
    assert f'href="{address}"' in page.content.decode()
    own = Event.objects.get(payment=payment)
    assert [row.pk for row in client.get(address).context["cl"].result_list] == [own.pk]
    assert listed(client, EVENTS, q=own.reference) == [own.pk]
    assert listed(client, EVENTS, q="A-1") == []
    shown = client.get(reverse("admin:payments_event_change", args=[own.pk])).content.decode()
    assert "&quot;state&quot;: &quot;authorised&quot;" in shown
    assert "Deliveries" not in shown


def test_an_event_leads_to_its_deliveries_if_they_may_be_seen(staff_client):
    rows.paid("A-1")
    own = Event.objects.get()
    page = staff_client("view_event", "view_payment", "view_delivery").get(
        reverse("admin:payments_event_change", args=[own.pk])
    )
    assert (
        f'href="{reverse("admin:webhooks_delivery_changelist")}?q={own.reference}"' in page.content.decode()
    )


def test_a_payment_does_not_lead_to_events_that_may_not_be_seen(staff_client):
    payment = rows.paid("A-1")
    page = staff_client("view_payment").get(reverse("admin:payments_payment_change", args=[payment.pk]))
    assert EVENTS not in page.content.decode()


def test_links_are_filtered_by_their_state(staff_client):
    past, future = (timezone.now() + timedelta(days=days) for days in (-1, 1))
    active = [link("A-1"), link("A-2", expires_at=future)]
    disabled = [link("A-3", disabled_at=past), link("A-4", disabled_at=past, expires_at=past)]
    expired = [link("A-5", expires_at=past), link("A-6", is_reusable=True, openings=10_000, expires_at=past)]
    used_up = [link("A-7", is_reusable=True, openings=10_000)]
    active.append(link("A-8", is_reusable=True, openings=9_999))
    client = staff_client("view_paymentlink")
    known = {"active": active, "disabled": disabled, "expired": expired, "used_up": used_up}
    for state, expected in known.items():
        assert sorted(listed(client, LINKS, state=state)) == [each.pk for each in expected], state
        assert {each.state for each in expected} == {state}
    assert len(listed(client, LINKS)) == 8
    shown = client.get(reverse("admin:payments_paymentlink_change", args=[active[0].pk])).content.decode()
    assert f"/pay/{active[0].token}" in shown or active[0].token in shown
    assert "€49.00" in shown


def test_a_link_is_disabled_by_staff_with_the_permission_only(staff_client):
    row = link("A-1")
    address = reverse("admin:payments_paymentlink_disable", args=[row.pk])
    assert staff_client("view_paymentlink").post(address).status_code == 403
    row.refresh_from_db()
    assert row.state == "active"


def test_a_disabled_link_makes_no_more_payments(staff_client):
    row = link("A-1")
    client = staff_client("view_paymentlink", "disable_paymentlink")
    address = reverse("admin:payments_paymentlink_disable", args=[row.pk])
    assert "can still be paid" in client.get(address).content.decode()
    row.refresh_from_db()
    assert row.state == "active", "a page that is opened changes nothing"
    assert told(client.post(address)) == ["Disabled: the link makes no more payments."]
    row.refresh_from_db()
    assert row.state == "disabled"
    assert "disabled already" in told(client.post(address))[-1]


@pytest.mark.parametrize("reusable", [False, True])
def test_staff_see_that_a_link_does_not_lead_back_to_the_shop_any_more(staff_client, reusable):
    row = link("A-1", return_url="https://old.example/", is_reusable=reusable)
    client = staff_client("view_paymentlink")
    assert "do not lead back to the shop" in page_of_link(client, row)
    row.merchant.return_origins = ["https://old.example"]
    row.merchant.save()
    assert "do not lead back to the shop" not in page_of_link(client, row)


def test_staff_see_that_the_order_of_a_link_has_a_payment_that_the_link_has_not_made(staff_client):
    rows.paid("A-1")
    row = link("A-1")
    shown = page_of_link(staff_client("view_paymentlink"), row)
    assert "a payment that the link has not made, with another amount" in shown
    with pytest.raises(DuplicateRequest):
        payment_by_link(row.token)


def test_nothing_hinders_a_link_that_has_made_its_payment():
    row = link("A-1", return_url="https://old.example/")
    payment_by_link(row.token)
    Payment.objects.update(metadata={"a": "b"})
    row.refresh_from_db()
    assert hindrance(row) == ""


def page_of_link(client, row):
    address = reverse("admin:payments_paymentlink_change", args=[row.pk])
    return client.get(address).content.decode()


def test_staff_see_what_shoppers_may_choose_and_the_code_that_they_scan(staff_client):
    row = link("A-1")
    PaymentLink.objects.update(is_reusable=True, max_quantity=4)
    client = staff_client("view_paymentlink")
    shown = page_of_link(client, row)
    assert "a quantity from 1 to 4" in shown
    assert "<svg" in shown
    PaymentLink.objects.update(max_quantity=1, least_minor=100, most_minor=5000)
    assert "an amount from €1.00 to €50.00" in page_of_link(client, row)
