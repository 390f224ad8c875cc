"""The page on which staff decide if a notification's claim is true."""

import json

import pytest
from django.urls import reverse

from checkout.payments.models import Fact, Operation, OutboxMessage, Saga
from checkout.payments.sagas.settlement.matter import seen_of_saga
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries, is_about

pytestmark = pytest.mark.django_db

MAY_SETTLE = ("view_payment", "view_saga", "settle_operation")
OTHERS = ("authorised", "captured", "cancelled", "refunded", "refund_failed", "expired")


def waiting(claim="charged_back", **fields):
    return rows.claimed(rows.captured(), claim, **fields)


def address(saga, page="settle"):
    return reverse(f"admin:payments_saga_{page}", args=[saga.pk])


def payment_address(saga):
    return reverse("admin:payments_payment_change", args=[saga.payment_id])


def fields(saga, said="true", **more):
    return {
        "seen": seen_of_saga(saga),
        "said": said,
        "amount": "4.50",
        "reason": "Seen in the portal",
        **more,
    }


def send(client, saga, said="true", **more):
    return client.post(address(saga), fields(saga, said, **more))


def commands():
    bodies = [json.loads(row.body) for row in OutboxMessage.objects.filter(type="checkout.settle_books")]
    return [body | body.pop("found") for body in bodies]


def test_it_is_offered_on_the_payment_s_and_the_saga_s_page(staff_client):
    saga = waiting()
    client = staff_client(*MAY_SETTLE)
    link = f'<a href="{address(saga)}">Settle reported charge-back…</a>'
    for page in (payment_address(saga), address(saga, "change")):
        assert link in client.get(page).content.decode()


def test_what_needs_attention_leads_to_it(admin_client):
    saga = waiting()
    listed = reverse("admin:payments_saga_changelist") + "?status__exact=parked"
    attention = admin_client.get(reverse("admin:payments_payment_attention")).content.decode()
    assert listed in attention
    assert address(saga, "change") in admin_client.get(listed).content.decode()


@pytest.mark.parametrize("missing", ["settle_operation", "view_saga"])
def test_who_may_not_settle_is_neither_offered_it_nor_obeyed(staff_client, missing):
    saga = waiting()
    client = staff_client(*(name for name in MAY_SETTLE if name != missing))
    assert address(saga) not in client.get(payment_address(saga)).content.decode()
    assert client.get(address(saga)).status_code == 403
    assert send(client, saga, confirmed="yes").status_code == 403
    assert commands() == []


def test_a_visitor_is_sent_to_the_login(client):
    assert send(client, waiting(), confirmed="yes")["Location"].startswith(reverse("admin:login"))
    assert commands() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": Saga.Status.RUNNING}, "The provider is being asked about it."),
        ({"status": Saga.Status.COMPLETED, "step": "finished"}, "nothing is left to be settled"),
        ({"kind": "purchase", "step": "authorise"}, "nothing that staff could settle"),
        ({"data": {"claim": 7}}, "nothing that staff could settle"),
    ],
)
def test_what_does_not_wait_for_staff_is_not_offered_and_leads_back_with_the_reason(
    admin_client, change, why
):
    saga = waiting()
    Saga.objects.filter(pk=saga.pk).update(**change)
    assert address(saga) not in admin_client.get(payment_address(saga)).content.decode()
    response = send(admin_client, saga, confirmed="yes")
    assert response["Location"] == payment_address(saga)
    assert why in told(response)[-1]
    assert commands() == []


def test_the_page_shows_what_is_known(admin_client):
    saga = waiting(is_proven=False, operation="op_named")
    rows.operation(saga.payment, "charge_back", 200, state="done", requested_by="provider")
    page = admin_client.get(address(saga))
    known = {name: str(value) for name, value in page.context["known"]}
    assert known["Claim"] == "The shopper's bank took money back"
    assert known["Amount that was told"] == "£3.00"
    assert known["Names our"] == "op_named"
    assert known["Proof"].startswith("None")
    assert (known["Captured"], known["Charged back"]) == ("£12.50", "£2.00")
    assert "does not tell how much" in known["Waits because"]
    cells = {
        table.title: [[str(cell) for cell in row] for row in table.rows] for table in page.context["tables"]
    }
    [asked] = cells["What the provider was asked, and answered"]
    assert asked[2] == "CHARGED_BACK"
    [notified] = cells["What the provider told us unasked about this order"]
    assert notified[2:5] == ["CHARGED_BACK", "£3.00", "None of ours"]
    assert len(cells["Captures, voids, refunds and charge-backs of this order"]) == 2


def test_an_attempt_that_ended_without_money_is_not_shown_as_authorised(admin_client):
    payment = rows.authorised()
    payment.attempts.update(state="refused")
    known = dict(admin_client.get(address(rows.claimed(payment, "authorised"))).context["known"])
    assert "Authorised" not in known
    assert str(known["Amount of the payment"]) == "£12.50"


def test_what_is_proven_is_said_to_be(admin_client):
    assert "only the provider can use" in admin_client.get(address(waiting())).content.decode()


@pytest.mark.parametrize(
    ("told_amount", "value"),
    [({"minor": 300}, "3.00"), ({"minor": None}, ""), ({"minor": 300, "currency": "USD"}, "")],
)
def test_the_amount_begins_as_what_the_notification_told_in_the_payment_s_currency(
    admin_client, told_amount, value
):
    form = admin_client.get(address(waiting(**told_amount))).context["form"]
    assert (form["amount"].value() or "") == value
    assert "At most £12.50" in form["amount"].help_text


@pytest.mark.parametrize("claim", OTHERS)
def test_what_is_not_booked_has_no_amount(admin_client, claim):
    saga = waiting(claim)
    page = admin_client.get(address(saga))
    assert "amount" not in page.context["form"].fields
    expected = "expires" if claim == "expired" else "conflicted until"
    assert expected in page.content.decode()
    send(admin_client, saga, confirmed="yes")
    [command] = commands()
    assert command["is_true"]
    assert "minor" not in command


@pytest.mark.parametrize(
    ("claim", "said", "button"),
    [
        ("charged_back", "true", "Book charge-back of £4.50"),
        ("charge_back_reversed", "untrue", "Nothing more happened: reported reversal of a charge-back"),
        ("captured", "true", "It is so: reported capture"),
        ("captured", "untrue", "It is not so: reported capture"),
    ],
)
def test_a_decision_is_asked_about_first_and_changes_nothing(admin_client, claim, said, button):
    saga = waiting(claim)
    html = send(admin_client, saga, said).content.decode()
    assert f">{button}</button>" in html
    assert "Seen in the portal" in html
    page = send(admin_client, saga, said, change="yes")
    assert 'value="Seen in the portal"' in page.content.decode()
    assert commands() == []


@pytest.mark.parametrize(("said", "minor"), [("true", 450), ("untrue", None)])
def test_a_confirmed_decision_is_taken_in_the_users_name_and_leads_to_the_payment(staff_client, said, minor):
    saga = waiting()
    client = staff_client(*MAY_SETTLE)
    response = send(client, saga, said, confirmed="yes")
    assert (response.status_code, response["Location"]) == (302, payment_address(saga))
    [command] = commands()
    assert (command["is_true"], command.get("minor"), command["by"]) == (said == "true", minor, "staff")
    fact = Fact.objects.get(kind="claim_settled_by")
    assert (fact.data["by"], fact.data["said"]) == ("staff", said)
    assert is_about(entries().get(), saga)
    page = client.get(response["Location"])
    [message] = map(str, page.context["messages"])
    assert message.startswith("Settle reported charge-back: ")
    assert message.endswith("See below how it goes.")
    assert "Staff said if it is so what was told" in page.content.decode()
    shown = client.get(address(saga)).context["tables"][0].rows[0]
    assert shown[-1] == "staff: Seen in the portal"


def test_who_may_not_see_payments_is_led_back_to_the_saga(staff_client):
    saga = waiting()
    response = send(staff_client("view_saga", "settle_operation"), saga, confirmed="yes")
    assert response["Location"] == address(saga, "change")


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"reason": " "}, "reason", "required"),
        ({"said": ""}, "said", "required"),
        ({"said": "perhaps"}, "said", "valid choice"),
        ({"amount": ""}, "amount", "required"),
        ({"amount": "4,50"}, "amount", "digits and a point"),
        ({"amount": "0"}, "amount", "greater than zero"),
        ({"amount": "4.505"}, "amount", "digits after the point"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_decided(admin_client, change, field, why):
    saga = waiting()
    page = send(admin_client, saga, **{**change, "confirmed": "yes"})
    assert list(page.context["form"].errors) == [field]
    assert why in str(page.context["form"].errors[field])
    assert 'aria-invalid="true"' in page.content.decode()
    assert page.context["tables"], "what is known is still shown"
    assert commands() == []


def test_all_that_is_wrong_is_said_at_once(admin_client):
    page = send(admin_client, waiting(), said="", amount="4,50", reason="")
    assert set(page.context["form"].errors) == {"said", "amount", "reason"}


def test_more_than_there_is_is_said_at_the_amount(admin_client):
    saga = waiting()
    page = send(admin_client, saga, amount="12.51")
    assert "more than is taken" in str(page.context["form"].errors["amount"])
    send(admin_client, saga, amount="12.51", confirmed="yes")
    assert commands() == []


@pytest.mark.parametrize("amount", ["", "4,50", "4.50"])
def test_when_nothing_happened_the_amount_means_nothing(admin_client, amount):
    send(admin_client, waiting(), "untrue", amount=amount, confirmed="yes")
    [command] = commands()
    assert not command["is_true"]
    assert "minor" not in command


@pytest.mark.parametrize("change", [{"seen": ""}, {"seen": "0"}, {"seen": "7.1"}])
def test_who_decided_on_less_than_is_known_now_is_asked_to_look_again(admin_client, change):
    saga = waiting()
    page = send(admin_client, saga, **change, confirmed="yes")
    assert page.status_code == 200
    assert page.context["form"].non_field_errors()
    html = page.content.decode()
    assert 'name="seen" value="7.0"' in html
    assert commands() == []


def test_a_form_that_is_sent_twice_decides_once(admin_client):
    saga = waiting()
    first, second = (send(admin_client, saga, confirmed="yes") for _ in range(2))
    assert first["Location"] == second["Location"]
    assert told(second)[-1].endswith("admin has said already: it is so. See how it goes.")
    assert len(commands()) == entries().count() == 1


def test_a_saga_that_does_not_exist_is_not_an_error(admin_client):
    response = admin_client.get(reverse("admin:payments_saga_settle", args=[4711]))
    assert response["Location"] == reverse("admin:index")


def test_more_of_it_takes_no_more_queries(queries_for):
    saga = waiting()
    few = queries_for(address(saga))
    for _ in range(5):
        rows.operation(saga.payment, "refund", 1, state="done")
        Fact.objects.create(
            payment=saga.payment,
            attempt=saga.attempt,
            source="provider",
            kind="claim_unknown",
            data={"claim": "charged_back"},
        )
    assert Operation.objects.count() == 6
    assert queries_for(address(saga)) == few <= 25


def test_it_says_that_a_refund_which_failed_is_booked_if_it_was_made_after_all(admin_client):
    payment = rows.captured()
    refund = rows.operation(payment, "refund", 300, state="refused", refusal_reason="refund_failed")
    saga = rows.claimed(payment, "refunded", operation=refund.reference)
    assert "the refund that failed is booked" in admin_client.get(address(saga)).content.decode()
