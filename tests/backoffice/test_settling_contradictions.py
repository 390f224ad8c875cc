"""The page on which staff enter the provider's books of a conflicted payment."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.settlement.payment import seen_now
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.operating import address, told

pytestmark = pytest.mark.django_db

MAY_SETTLE = ("view_payment", "settle_operation")


def conflicted(made=rows.captured):
    payment = made()
    Payment.objects.update(state=PaymentState.CONFLICTED)
    payment.refresh_from_db()
    return payment


def fields(payment, said="not_held", **more):
    return {
        "seen": seen_now(payment),
        "said": said,
        "captured": "12.50",
        "refunded": "0",
        "charged_back": "0.00",
        "reason": "Seen in the portal",
        **more,
    }


def send(client, payment, said="not_held", **more):
    return client.post(address(payment, "settle"), fields(payment, said, **more))


def commands():
    return [
        json.loads(row.body)
        for row in OutboxMessage.objects.filter(type="checkout.settle_payment").order_by("pk")
    ]


def text_of(response):
    return " ".join(response.content.decode().split())


def test_a_payment_of_which_the_provider_does_not_tell_is_put_aside_to_be_settled(staff_client):
    payment = rows.untold()
    client = staff_client(*MAY_SETTLE)
    link = f'<a href="{address(payment, "put_aside")}">Settle it yourself</a>'
    assert link in client.get(address(payment, "change")).content.decode()
    answer = client.post(address(payment, "put_aside"), {"reason": "Seen in the portal"})
    assert told(answer)[-1].startswith("Put aside.")
    assert Attempt.objects.get().state == "conflicted"
    assert Fact.objects.get().data == {"by": "staff", "reason": "Seen in the portal"}


def test_only_who_may_settle_puts_a_payment_aside(staff_client):
    payment = rows.untold()
    client = staff_client("view_payment", "resume_saga")
    assert address(payment, "put_aside") not in client.get(address(payment, "change")).content.decode()
    assert client.post(address(payment, "put_aside"), {"reason": "x"}).status_code == 403
    assert Attempt.objects.get().state == "unknown"


def test_it_is_offered_on_the_page_of_a_conflicted_payment_only(staff_client):
    payment = conflicted()
    client = staff_client(*MAY_SETTLE)
    link = f'<a href="{address(payment, "settle")}">Settle contradiction…</a>'
    assert link in client.get(address(payment, "change")).content.decode()
    Payment.objects.update(state=PaymentState.CAPTURED)
    assert address(payment, "settle") not in client.get(address(payment, "change")).content.decode()


@pytest.mark.parametrize("missing", ["settle_operation", "view_payment"])
def test_who_may_not_settle_is_neither_offered_it_nor_obeyed(staff_client, missing):
    payment = conflicted()
    client = staff_client(*(name for name in MAY_SETTLE if name != missing))
    assert address(payment, "settle") not in client.get(address(payment, "change")).content.decode()
    assert client.get(address(payment, "settle")).status_code == 403
    assert send(client, payment, confirmed="yes").status_code == 403
    assert commands() == []


def test_a_visitor_is_sent_to_the_login(client):
    assert send(client, conflicted(), confirmed="yes")["Location"].startswith(reverse("admin:login"))
    assert commands() == []


def test_a_payment_that_does_not_exist_is_not_an_error(admin_client):
    response = admin_client.get(reverse("admin:payments_payment_settle", args=[4711]))
    assert response["Location"] == reverse("admin:index")


def test_what_must_be_finished_first_leads_back_with_what_to_do(admin_client):
    payment = conflicted()
    rows.waiting(payment, "refund", 300)
    for response in (
        admin_client.get(address(payment, "settle")),
        send(admin_client, payment, confirmed="yes"),
    ):
        assert response["Location"] == address(payment, "change")
        assert "what became of the refund of 3.00 GBP. Settle that first" in told(response)[-1]
    assert commands() == []


def test_a_payment_that_contradicts_nothing_leads_back(admin_client):
    payment = rows.captured()
    response = send(admin_client, payment, confirmed="yes")
    assert response["Location"] == address(payment, "change")
    assert "contradicts nothing" in told(response)[-1]


def test_the_page_shows_what_is_known_and_starts_with_our_own_sums(admin_client):
    payment = conflicted()
    rows.operation(payment, "refund", 200, state="done", requested_by="ann")
    rows.operation(payment, "charge_back", 100, state="done")
    tried = payment.attempts.get()
    why = "The provider does not tell how much was captured and refunded."
    for kind, data in (
        ("review_stands", {"why": why, "event": "REFUNDED"}),
        ("notified_refunded", {"event": "R"}),
    ):
        Fact.objects.create(payment=payment, attempt=tried, source="provider", kind=kind, data=data)
    page = admin_client.get(address(payment, "settle"))
    known = {name: str(value) for name, value in page.context["known"]}
    assert (known["Captured"], known["Refunded"], known["Charged back"]) == (
        "12.50 GBP",
        "2.00 GBP",
        "1.00 GBP",
    )
    assert known["Provider's order code"] == tried.order_code
    assert known["Sums that the provider told last"] == "Not told"
    assert known["Latest review"].startswith(why)
    form = page.context["form"]
    assert [form[name].value() for name in ("captured", "refunded", "charged_back")] == [
        "12.50",
        "2.00",
        "1.00",
    ]
    assert form["said"].value() is None
    cells = {table.title: list(table.rows) for table in page.context["tables"]}
    assert cells["What the provider was asked, and answered"][0][2] == "REFUNDED"
    assert len(cells["What the provider told us unasked about this order"]) == 1
    assert len(cells["Captures, voids, refunds and charge-backs of this order"]) == 3


def test_a_capture_without_an_outcome_is_said_to_count_as_not_arrived(admin_client):
    payment = conflicted(rows.authorised)
    assert "counts as not arrived" not in text_of(admin_client.get(address(payment, "settle")))
    capture = rows.waiting(payment, "capture", 1250)
    Attempt.objects.update(state="conflicted")
    page = text_of(admin_client.get(address(payment, "settle")))
    assert f"{capture.reference}, has no certain outcome.</strong> Here it counts as not arrived" in page


def test_who_has_not_had_the_provider_asked_is_told_to_do_so_first(admin_client):
    page = admin_client.get(address(conflicted(), "settle"))
    assert "Have it asked first" in page.content.decode()


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            {},
            [
                "Nothing is booked: our sums are those of the provider.",
                "Paid. The provider has taken the money.",
            ],
        ),
        (
            {"refunded": "3.00"},
            ["A refund of 3.00 GBP is booked as done", "Part of the money was given back"],
        ),
        (
            {"charged_back": "1.00", "refunded": "2.50"},
            ["A charge-back of 1.00 GBP is booked", "A refund of 2.50 GBP is booked"],
        ),
        (
            {"captured": "0", "said": "held"},
            ["counts as refused, and is taken out of the ledger", "reserved on the card", "capture or void"],
        ),
        (
            {"captured": "0"},
            ["A void of 12.50 GBP is booked as done", "The order is called off", "nothing was taken"],
        ),
        ({"refunded": "12.50"}, ["An order that is not confirmed yet is given up"]),
        ({"refunded": "15.00"}, ["Less than nothing is kept:", "2.50 GBP more went back"]),
    ],
)
def test_what_will_be_booked_is_said_in_words_first_and_changes_nothing(admin_client, change, sentences):
    payment = conflicted()
    page = send(admin_client, payment, **change)
    for sentence in (*sentences, "Seen in the portal"):
        assert sentence in text_of(page)
    assert ("Less than nothing" in text_of(page)) == (change.get("refunded") == "15.00")
    page = send(admin_client, payment, **change, change="yes")
    assert 'value="Seen in the portal"' in page.content.decode()
    assert commands() == []


def test_a_void_without_an_outcome_is_said_to_count_as_refused_once_money_was_captured(admin_client):
    payment = conflicted(rows.authorised)
    void = rows.waiting(payment, "void", 1250)
    page = text_of(send(admin_client, payment, captured="12.50"))
    text = f"Our void of 12.50 GBP, {void.reference}, of which the outcome is not known, counts as"
    assert f"{text} refused." in page
    assert f"{text} done." in text_of(send(admin_client, payment, captured="0"))
    form = text_of(admin_client.get(address(payment, "settle")))
    assert f"{void.reference}, has no certain outcome.</strong> Here it counts as done if" in form


def test_a_refund_that_the_provider_does_not_have_is_named(admin_client):
    payment = conflicted()
    refunds = [rows.operation(payment, "refund", 300, state="done") for _ in range(2)]
    page = send(admin_client, payment, refunded="3.00")
    assert "do not tell which of them" in page.context["form"].non_field_errors()[0]
    page = send(admin_client, payment, refunded="3.00", lacks=[refunds[0].reference])
    assert f"Our refund of 3.00 GBP, {refunds[0].reference}, counts as failed" in text_of(page)
    assert f'name="lacks" value="{refunds[0].reference}"' in page.content.decode()
    send(admin_client, payment, refunded="3.00", lacks=[refunds[0].reference], confirmed="yes")
    [command] = commands()
    assert command["lacks"] == [refunds[0].reference]


def test_a_confirmed_decision_is_taken_in_the_users_name_and_leads_back_to_the_payment(staff_client):
    payment = conflicted()
    client = staff_client(*MAY_SETTLE)
    response = send(client, payment, refunded="3.00", confirmed="yes")
    assert (response.status_code, response["Location"]) == (302, address(payment, "change"))
    [command] = commands()
    wanted = {"captured": 1250, "refunded": 300, "charged_back": 0, "currency": "GBP", "is_held": False}
    assert {name: command[name] for name in wanted} == wanted
    assert (command["by"], command["payment"]) == ("staff", payment.reference)
    assert LogEntry.objects.get().get_edited_object() == payment
    page = client.get(response["Location"])
    [message] = map(str, page.context["messages"])
    assert message.startswith("Settle contradiction: captured 12.50 GBP, refunded 3.00 GBP")
    assert "Staff said what the provider&#x27;s books have of the payment" in page.content.decode()
    shown = client.get(address(payment, "settle")).context["tables"][0].rows[0]
    assert "staff: Seen in the portal" in shown[-1]


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"reason": " "}, "reason", "required"),
        ({"said": ""}, "said", "required"),
        ({"captured": ""}, "captured", "required"),
        ({"refunded": "4,50"}, "refunded", "digits and a point"),
        ({"charged_back": "-1"}, "charged_back", "digits and a point"),
        ({"lacks": ["op_strange"]}, "lacks", "not one of the available choices"),
        ({"captured": "12.51"}, "__all__", "No more than 12.50 GBP"),
        ({"captured": "0", "refunded": "1.00"}, "__all__", "never captured"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_decided(admin_client, change, field, why):
    page = send(admin_client, conflicted(), **change)
    assert list(page.context["form"].errors) == [field]
    assert why in str(page.context["form"].errors[field])
    assert page.context["tables"], "what is known is still shown"
    assert commands() == []


@pytest.mark.parametrize("seen", ["", "another"])
def test_who_decided_on_less_than_is_known_now_is_asked_to_look_again(admin_client, seen):
    payment = conflicted()
    page = send(admin_client, payment, seen=seen, confirmed="yes")
    assert page.context["form"].non_field_errors()
    assert f'name="seen" value="{seen_now(payment)}"' in page.content.decode()
    assert commands() == []


def test_a_form_that_is_sent_twice_decides_once(admin_client):
    payment = conflicted()
    first, second = (send(admin_client, payment, confirmed="yes") for _ in range(2))
    assert first["Location"] == second["Location"]
    assert "admin has said already: captured 12.50 GBP" in told(second)[-1]
    assert len(commands()) == LogEntry.objects.count() == 1


def test_of_several_attempts_each_has_a_page(admin_client):
    payment = conflicted()
    Attempt.objects.update(state="conflicted")
    first, second = payment.attempts.get(), rows.attempt(payment, 2, state="conflicted")
    page = admin_client.get(address(payment, "change")).content.decode()
    for each in (first, second):
        at = f"{address(payment, 'settle')}?attempt={each.number}"
        assert f'<a href="{at}">Settle contradiction of attempt {each.number}…</a>' in page
        assert each.order_code in admin_client.get(at).content.decode()
        admin_client.post(at, fields(payment, captured="0", confirmed="yes"))
    assert [command["attempt"] for command in commands()] == [first.order_code, second.order_code]
    response = admin_client.get(f"{address(payment, 'settle')}?attempt=3")
    assert "contradicts nothing" in told(response)[-1]


def test_of_one_that_is_not_the_last_it_is_said_that_the_payment_stays_conflicted(admin_client):
    payment = conflicted()
    Attempt.objects.update(state="conflicted")
    rows.attempt(payment, 2, state="conflicted")
    assert "stays conflicted" in text_of(send(admin_client, payment, captured="0"))


def test_of_one_without_money_it_is_said_that_the_order_is_that_of_another_attempt(admin_client):
    payment = conflicted(rows.authorised)
    rows.attempt(payment, 2, state="authorised")
    page = text_of(send(admin_client, payment, captured="0"))
    assert "Another attempt has the money: the order stays as it is." in page
    assert "taken up again" not in page


def test_of_one_with_money_it_is_said_that_an_order_that_was_called_off_stays_so(admin_client):
    page = text_of(send(admin_client, conflicted(rows.authorised), captured="12.50"))
    assert "taken up again if there is still enough in stock; one that was called off stays so." in page


def test_more_of_it_takes_no_more_queries(queries_for):
    payment = conflicted()
    few = queries_for(address(payment, "settle"))
    for _ in range(5):
        rows.operation(payment, "refund", 1, state="done")
        Fact.objects.create(
            payment=payment, attempt=payment.attempts.get(), source="provider", kind="review_unknown"
        )
    assert Operation.objects.count() == 6
    assert Saga.objects.count() == 0
    assert queries_for(address(payment, "settle")) <= few + 1 <= 30
