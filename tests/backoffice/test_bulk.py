"""Captures of many payments from the list, and refunds from a file, with a preview and results by line."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from checkout.backoffice.models import MerchantAccess
from checkout.payments.models import ApprovalRequest, ApprovalRule, Merchant, Operation
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db
CAPTURE = reverse("admin:payments_payment_bulk_capture")
REFUND = reverse("admin:payments_payment_bulk_refund")


def clerk(*merchants, without=""):
    person = User.objects.create(username="clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.exclude(codename=without))
    MerchantAccess.objects.create(user=person, merchants=list(merchants))
    browser = Client()
    browser.force_login(person)
    return browser


def told(response):
    """Return the order and the result of each line."""
    assert response.status_code == 200
    return {line.named: line.refusal or line.result or "possible" for line in response.context["lines"]}


def send(client, text, **more):
    return client.post(REFUND, {"key": uuid4(), "reason": "Recall", "text": text, **more})


def confirm(client, text, **more):
    return client.post(REFUND, {"key": uuid4(), "reason": "Recall", "text": text, "confirmed": "yes", **more})


def refunds():
    found = Operation.objects.filter(kind="refund").order_by("pk")
    return list(found.values_list("payment__order_reference", "amount_minor", "reason", "requested_by"))


def test_the_authorised_payments_of_the_filtered_list_are_offered_for_capture(admin_client):
    for order in ("A-1", "A-2"):
        rows.authorised(order)
    rows.captured("A-3")
    Merchant.objects.create(code="other", name="Other")
    rows.authorised("B-1", owner=Merchant.objects.get(code="other"))
    assert told(admin_client.get(CAPTURE)) == dict.fromkeys(("A-1", "A-2", "B-1"), "possible")
    assert set(told(admin_client.get(CAPTURE, {"merchant__id__exact": rows.merchant().pk}))) == {"A-1", "A-2"}
    assert not Operation.objects.filter(kind="capture", state="requested").exists()


def test_what_is_ticked_is_captured_once_however_often_the_form_is_sent(admin_client):
    chosen, other = rows.authorised("A-1"), rows.authorised("A-2")
    form = {"key": uuid4(), "reason": "Sent", "line": [f"{chosen.pk}:1250"]}
    assert told(admin_client.post(CAPTURE, form))["A-1"].endswith(": requested")
    assert told(admin_client.post(CAPTURE, form))["A-1"].endswith(": had been requested before, once")
    [capture] = Operation.objects.filter(kind="capture")
    assert (capture.payment, capture.amount_minor, capture.reason) == (chosen, 1250, "Sent")
    assert not other.operations.exists()
    [entry] = entries()
    assert (entry.by, entry.action, entry.payment) == ("admin", "capture", chosen.reference)


def test_a_payment_that_has_changed_since_is_not_captured_and_stops_no_other(admin_client):
    changed, same = rows.authorised("A-1"), rows.authorised("A-2")
    rows.operation(changed, "capture", 500, state="requested")
    form = {"key": uuid4(), "reason": "Sent", "line": [f"{changed.pk}:1250", f"{same.pk}:1250"]}
    results = told(admin_client.post(CAPTURE, form))
    assert results["A-1"] == "It has changed since the list was shown."
    assert results["A-2"].endswith(": requested")


def test_nonsense_among_the_ticked_lines_does_nothing(admin_client):
    form = {"key": uuid4(), "reason": "x", "line": ["", ":", "1", "a:b", "1:-5", "99:1250"]}
    assert told(admin_client.post(CAPTURE, form)) == {}


def test_a_file_is_previewed_line_by_line_with_the_reason_of_each_refusal(admin_client):
    payment = rows.captured("A-1")
    rows.captured("A-2")
    rows.authorised("A-3")
    text = (
        f"order,payment,amount,currency\nA-1,,5.00,GBP\n,{payment.reference},7.51,\nA-2,,1.005,\n"
        "A-3,,1.00,\nA-4,,1.00,\nA-2,,2.00,EUR\n"
    )
    page = send(admin_client, text)
    lines = [line.refusal or "possible" for line in page.context["lines"]]
    assert lines == [
        "possible",
        "Only 7.50 GBP is left to refund.",
        "GBP has 2 digits after the point, for example 12.50.",
        "Only 0.00 GBP is left to refund.",
        "There is no such payment.",
        "The payment is in GBP.",
    ]
    assert "Refund 1 line, £5.00" in page.content.decode()
    assert refunds() == []


def test_each_line_of_a_file_is_refunded_once_however_often_it_is_sent(admin_client):
    rows.captured("A-1")
    rows.captured("A-2")
    text = "order;amount;reason\nA-1;5.00;Broken\nA-1;5.00;\nA-2;99.00;\n"
    assert [line.is_possible for line in confirm(admin_client, text).context["lines"]] == [True, True, False]
    again = confirm(admin_client, text.replace("\n", "\r\n")).context["lines"]
    assert [line.result.partition(": ")[2] for line in again[:2]] == ["had been requested before, once"] * 2
    assert refunds() == [("A-1", 500, "Broken", "admin"), ("A-1", 500, "Recall", "admin")]
    assert {entry.action for entry in entries()} == {"refund"}
    assert "requested before" in send(admin_client, text).context["lines"][0].refusal


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "required"),
        ("order\nA-1\n", "needs the names amount"),
        ("order,amount,colour\nA-1,5,red\n", "unknown names of columns: colour"),
        ("order,amount\nA-1\n", "Line 2 has 1 cells, not 2."),
        ("order,amount\n", "needs 1 to 200 lines"),
        ("order,amount\n" + "A-1,1.00\n" * 201, "needs 1 to 200 lines"),
        ('order,amount\n"A-1,5', "not CSV"),
        ("order,amount\nA-1,5\0\n", "Null characters"),
        ("x" * 70_000, "at most 60000"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(admin_client, text, fault):
    page = send(admin_client, text)
    assert page.status_code == 200
    assert fault in str(page.context["form"].errors)
    assert refunds() == []


def test_a_clerk_reaches_no_payment_of_another_merchant(admin_client):
    payment = rows.captured("A-1")
    waiting = rows.authorised("A-2")
    Merchant.objects.create(code="rival", name="Rival")
    browser = clerk("rival")
    assert told(browser.get(CAPTURE)) == {}
    form = {"key": uuid4(), "reason": "x", "line": [f"{waiting.pk}:1250"]}
    assert told(browser.post(CAPTURE, form)) == {}
    for line in ("A-1", payment.reference):
        text = f"{'payment' if line.startswith('pay_') else 'order'},amount\n{line},1.00\n"
        assert told(confirm(browser, text)) == {line: "There is no such payment."}


def test_two_merchants_with_the_same_order_number_have_to_be_told_apart(admin_client):
    rows.captured("A-1")
    rows.captured("A-1", owner=rows.merchant("rival"))
    assert told(confirm(admin_client, "order,amount\nA-1,1.00\n")) == {
        "A-1": "Several merchants have this order: name the merchant."
    }
    confirm(admin_client, "order,merchant,amount\nA-1,rival,1.00\n")
    assert Operation.objects.get(kind="refund").payment.merchant.code == "rival"


@pytest.mark.parametrize(
    ("address", "permission"), [(CAPTURE, "request_capture"), (REFUND, "request_refund")]
)
def test_bulk_needs_the_permission_of_a_single_request(address, permission):
    rows.captured("A-1")
    browser = clerk("example", without=permission)
    assert browser.get(address).status_code == 403
    assert browser.post(address, {}).status_code == 403
    listed = browser.get(reverse("admin:payments_payment_changelist")).content.decode()
    assert address not in listed


@pytest.fixture
def limit():
    """Let refunds and captures above £5.00 require the approval of a second member of staff."""
    return ApprovalRule.objects.create(
        merchant=rows.merchant(), matter="money", currency="GBP", above_minor=500
    )


def approve(row):
    other = Client()
    other.force_login(User.objects.create_superuser("grace"))
    other.post(reverse("admin:payments_approvalrequest_approve", args=[row.pk]))


def test_lines_of_a_file_above_the_limit_ask_for_approval_and_the_others_do_not(admin_client, limit):
    for order in ("A-1", "A-2", "A-3"):
        rows.captured(order)
    text = "order,amount,reason\nA-1,5.00,\nA-2,5.01,Broken\nA-3,99.00,\n"
    page = send(admin_client, text)
    assert [line.asks for line in page.context["lines"]] == [False, True, False]
    assert "1 of these lines needs approval" in page.content.decode()
    done = confirm(admin_client, text)
    assert "2 of 3 requested: £10.01, of which 1 (£5.01) waits for approval" in done.content.decode()
    assert refunds() == [("A-1", 500, "Recall", "admin")]
    asked = ApprovalRequest.objects.get()
    assert (asked.payment.order_reference, asked.amount_minor, asked.reason) == ("A-2", 501, "Broken")
    assert {entry.action for entry in entries()} == {"refund", "ask_for_approval"}
    assert asked.requested_by == "admin"


def test_what_was_approved_is_not_requested_again_by_the_same_file(admin_client, limit):
    rows.captured("A-1")
    text = "order,amount\nA-1,5.01\n"
    confirm(admin_client, text)
    assert told(confirm(admin_client, text)) == {"A-1": "Approval: had been requested before, once"}
    approve(ApprovalRequest.objects.get())
    # Even without the rule, by which the line would be requested at once.
    limit.delete()
    assert told(confirm(admin_client, text)) == {"A-1": "Approval: had been requested before, once"}
    assert "approval was requested before" in send(admin_client, text).context["lines"][0].refusal
    assert refunds() == [("A-1", 501, "Recall", "admin")]


def test_small_lines_for_one_payment_do_not_pass_below_the_limit(admin_client, limit):
    rows.captured("A-1")
    text = "order,amount\nA-1,3.00\nA-1,3.00\n"
    assert [line.asks for line in send(admin_client, text).context["lines"]] == [False, True]
    confirm(admin_client, text)
    assert [amount for _, amount, _, _ in refunds()] == [300]
    assert ApprovalRequest.objects.get().amount_minor == 300


def test_captures_above_the_limit_ask_for_approval_payment_by_payment(admin_client, limit):
    large = [rows.authorised(order) for order in ("A-1", "A-2")]
    yen = rows.authorised("A-3", currency="JPY", amount_minor=240_000)
    shown = admin_client.get(CAPTURE).context["lines"]
    assert {line.named: line.asks for line in shown} == {"A-1": True, "A-2": True, "A-3": False}
    form = {"key": uuid4(), "reason": "Sent", "line": [line.value for line in shown]}
    results = told(admin_client.post(CAPTURE, form))
    assert (results["A-1"], results["A-2"]) == ("Approval: requested",) * 2
    assert [capture.payment for capture in Operation.objects.filter(kind="capture")] == [yen]
    again = told(admin_client.post(CAPTURE, form))
    assert again["A-1"] == "Approval: had been requested before, once"
    approve(ApprovalRequest.objects.get(payment=large[0]))
    captures = Operation.objects.filter(kind="capture").order_by("pk")
    assert [capture.payment for capture in captures] == [yen, large[0]]
