from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from checkout.payments.actions import payment_queries
from checkout.payments.models import Operation, OutboxMessage
from tests.backoffice import rows
from tests.backoffice.operating import address, confirm, fill_in, opened, told
from tests.backoffice.recorded import entries, is_about

pytestmark = pytest.mark.django_db

ALL = ("view_payment", "request_capture", "request_void", "request_refund")
RISKY_ADDRESSES = ("capture", "void", "refund")


def requested(kind):
    return list(Operation.objects.filter(kind=kind).exclude(state="done"))


def tools(client, payment):
    """Return the actions that the page offers. Its link to the payment's events does nothing."""
    page = client.get(address(payment, "change"))
    return [tool.label for tool in page.context["tools"] if tool.label != "Events"]


def errors(response):
    return [text for texts in response.context["form"].errors.values() for text in texts]


def test_a_payment_offers_what_is_possible_and_permitted(staff_client):
    client = staff_client(*ALL)
    assert tools(client, rows.payment("OPEN")) == []
    assert tools(client, rows.authorised("HELD")) == ["Capture", "Void"]
    assert tools(client, rows.captured("TAKEN")) == ["Refund"]


def test_what_is_not_permitted_is_not_offered_and_refused(staff_client):
    payment = rows.authorised()
    client = staff_client("view_payment", "request_refund")
    assert tools(client, payment) == []
    for kind in ("capture", "void"):
        assert client.get(address(payment, kind)).status_code == 403
        assert client.post(address(payment, kind), {"confirmed": "yes"}).status_code == 403
    assert not Operation.objects.exists()


def test_who_may_not_see_payments_may_not_refund_them(staff_client):
    payment = rows.captured()
    assert staff_client("request_refund").get(address(payment, "refund")).status_code == 403


@pytest.mark.parametrize("kind", RISKY_ADDRESSES)
def test_a_visitor_is_sent_to_the_login(client, kind):
    response = client.post(address(rows.authorised(), kind), {"confirmed": "yes"})
    assert response["Location"].startswith(reverse("admin:login"))
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("currency", "minor", "text"), [("GBP", 1250, "12.50"), ("JPY", 2400, "2400"), ("KWD", 1500, "1.500")]
)
def test_the_form_starts_with_all_that_is_left_in_major_units(admin_client, currency, minor, text):
    payment = rows.captured(currency=currency, amount_minor=minor)
    assert opened(admin_client, payment, "refund")["amount"] == text


@pytest.mark.parametrize("kind", RISKY_ADDRESSES)
def test_the_form_says_that_the_merchant_is_told_the_reason_and_the_name(admin_client, kind):
    payment = rows.captured() if kind == "refund" else rows.authorised()
    page = admin_client.get(address(payment, kind)).content.decode()
    confirm(admin_client, payment, kind)
    told_to_merchant = payment_queries.list_operations(payment.merchant, payment.reference)[-1]
    assert (told_to_merchant.reason, told_to_merchant.requested_by) == ("Damaged", "admin")
    assert "The merchant sees the reason and your name" in page
    assert "For colleagues" not in page


def test_a_filled_in_form_is_asked_about_first_and_changes_nothing(admin_client):
    payment = rows.captured()
    page = fill_in(admin_client, payment, "refund", amount="5")
    assert "Refund £5.00</button>" in page.content.decode()
    assert "of £12.50" in page.content.decode()
    assert "Damaged" in page.content.decode()
    assert not requested("refund")


def test_the_page_that_asks_leads_back_to_what_was_filled_in(admin_client):
    payment = rows.captured()
    page = fill_in(admin_client, payment, "refund", amount="5", change="yes")
    assert 'name="amount" value="5"' in page.content.decode()
    assert not requested("refund")


def test_a_confirmed_refund_is_requested_in_the_users_name_and_leads_back_to_the_payment(staff_client):
    payment = rows.captured()
    client = staff_client(*ALL)
    response = confirm(client, payment, "refund", amount="5.00")
    assert (response.status_code, response["Location"]) == (302, address(payment, "change"))
    [refund] = requested("refund")
    assert (str(refund.amount), refund.requested_by, refund.reason) == ("5.00 GBP", "staff", "Damaged")
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 1
    assert payment.facts.get().data["by"] == "staff"
    assert is_about(entries().get(), refund)
    page = client.get(response["Location"])
    assert [str(message) for message in page.context["messages"]] == [
        f"Refund of £5.00, {refund.reference}: requested. See below how it goes."
    ]
    for shown in ("Damaged", "£5.00", "£7.50"):
        assert shown in page.content.decode()


def test_a_capture_in_part_leaves_the_rest_to_capture(admin_client):
    payment = rows.authorised()
    confirm(admin_client, payment, "capture", amount="2.50")
    assert opened(admin_client, payment, "capture")["amount"] == "10.00"
    assert tools(admin_client, payment) == ["Capture"]


def test_a_void_is_of_everything(admin_client):
    payment = rows.authorised()
    assert "amount" not in opened(admin_client, payment, "void")
    confirm(admin_client, payment, "void")
    assert [str(void.amount) for void in requested("void")] == ["12.50 GBP"]
    assert tools(admin_client, payment) == []


def test_a_form_that_is_sent_twice_requests_once(admin_client):
    payment = rows.captured()
    form = {**opened(admin_client, payment, "refund"), "reason": "Damaged", "confirmed": "yes"}
    first, second = (admin_client.post(address(payment, "refund"), form) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert len(requested("refund")) == 1
    assert entries().count() == 1
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 1
    assert told(second)[-1].endswith("had been requested before, once.")


def test_a_used_form_with_another_amount_requests_nothing_and_leads_to_a_new_form(admin_client):
    payment = rows.captured()
    form = {**opened(admin_client, payment, "refund"), "reason": "Damaged", "confirmed": "yes"}
    admin_client.post(address(payment, "refund"), {**form, "amount": "1"})
    response = admin_client.post(address(payment, "refund"), {**form, "amount": "2"})
    assert response["Location"] == address(payment, "refund")
    assert len(requested("refund")) == 1


@pytest.mark.parametrize("amount", ["", "0", "0.00", "-1", "12,50", "1e1", "NaN", "ten", "1" * 14, "٣", "13"])
def test_a_bad_amount_is_an_error_at_the_field_and_changes_nothing(admin_client, amount):
    payment = rows.captured()
    response = confirm(admin_client, payment, "refund", amount=amount)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["amount"]
    assert 'aria-invalid="true"' in response.content.decode()
    assert not requested("refund")
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("currency", "amount", "error"),
    [
        ("GBP", "1.005", "GBP has 2 digits after the point, for example 12.50."),
        ("JPY", "12.5", "JPY has no digits after the point, for example 1250."),
        ("GBP", "1,250", "Write the amount in GBP with digits and a point, for example 12.50."),
        # In another locale these digits are a thousand.
        ("GBP", "1.000", "GBP has 2 digits after the point, for example 12.50."),
        ("JPY", "1.000", "JPY has no digits after the point, for example 1250."),
        ("GBP", "12.51", "Only £12.50 is left."),
    ],
)
def test_an_amount_that_cannot_be_is_told_apart(admin_client, currency, amount, error):
    payment = rows.captured(currency=currency)
    assert errors(confirm(admin_client, payment, "refund", amount=amount)) == [error]


def test_a_reason_is_needed(admin_client):
    payment = rows.captured()
    assert list(confirm(admin_client, payment, "refund", reason=" ").context["form"].errors) == ["reason"]
    assert not requested("refund")


def test_a_card_number_in_the_reason_is_not_taken(admin_client):
    payment = rows.captured()
    assert confirm(admin_client, payment, "refund", reason="4444 3333 2222 1111").status_code == 400
    assert not requested("refund")


def test_the_second_of_two_people_with_the_form_open_is_refused_all_of_the_money(staff_client, admin_client):
    payment = rows.captured()
    client = staff_client(*ALL)
    form = {**opened(client, payment, "refund"), "reason": "Damaged", "confirmed": "yes"}
    confirm(admin_client, payment, "refund")
    response = client.post(address(payment, "refund"), form)
    assert response["Location"] == address(payment, "change")
    assert told(response) == ["Refund: nothing is left for it. Nothing was requested."]
    assert [refund.requested_by for refund in requested("refund")] == ["admin"]


def test_the_second_of_two_people_with_the_form_open_is_told_that_less_is_left(staff_client, admin_client):
    payment = rows.captured()
    client = staff_client(*ALL)
    form = {**opened(client, payment, "refund"), "amount": "5", "reason": "Damaged", "confirmed": "yes"}
    confirm(admin_client, payment, "refund", amount="5")
    response = client.post(address(payment, "refund"), form)
    assert "£7.50 is left now" in errors(response)[0]
    assert len(requested("refund")) == 1
    form["seen"] = response.context["left"].minor
    assert client.post(address(payment, "refund"), form).status_code == 302
    assert [refund.requested_by for refund in requested("refund")] == ["admin", "staff"]


def test_what_is_not_possible_is_said_on_the_payments_page(admin_client):
    payment = rows.payment("OPEN")
    response = admin_client.get(address(payment, "refund"))
    assert response["Location"] == address(payment, "change")
    assert told(response) == ["Refund: nothing is left for it. Nothing was requested."]


def test_a_payment_that_does_not_exist_is_not_an_error(admin_client):
    response = admin_client.get(reverse("admin:payments_payment_refund", args=[4711]))
    assert response["Location"] == reverse("admin:index")


def test_a_form_without_its_hidden_fields_changes_nothing(admin_client):
    payment = rows.captured()
    response = confirm(admin_client, payment, "refund", key="no uuid", seen="")
    assert "This form is not complete. Open it again." in errors(response)
    assert not requested("refund")


def test_another_site_cannot_make_staff_refund(admin_user):
    payment = rows.captured()
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    form = {"key": uuid4(), "seen": 1250, "amount": "12.50", "reason": "x", "confirmed": "yes"}
    assert client.post(address(payment, "refund"), form).status_code == 403
    assert not requested("refund")
