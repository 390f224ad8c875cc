"""The page on which staff enter the figures of the provider's books."""

import json

import pytest
from django.urls import reverse

from checkout.payments.models import Attempt, Event, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_payment
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.backoffice import rows
from tests.backoffice.operating import address, told
from tests.backoffice.recorded import entries, is_about
from tests.payments.service.delivering import deliver

pytestmark = pytest.mark.django_db

MAY_SETTLE = ("view_payment", "settle_operation")


def conflicted(made=rows.captured):
    payment = made()
    Payment.objects.update(state=PaymentState.CONFLICTED)
    payment.refresh_from_db()
    return payment


def fields(payment, said="not_held", **more):
    return {
        "seen": seen_of_payment(payment),
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
    sent = OutboxMessage.objects.filter(type="checkout.settle_books").order_by("pk")
    return [body | body.pop("found") for body in (json.loads(row.body) for row in sent)]


def text_of(response):
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("made", [conflicted, rows.untold, rows.captured, rows.authorised])
def test_it_is_offered_on_the_page_of_a_payment_that_may_have_money(staff_client, made):
    payment = made()
    client = staff_client(*MAY_SETTLE)
    link = f'<a href="{address(payment, "settle")}">Settle by figures…</a>'
    assert link in client.get(address(payment, "change")).content.decode()


def test_it_is_not_offered_before_anybody_has_paid_or_while_a_flow_is_at_work(staff_client):
    payment = rows.captured()
    client = staff_client(*MAY_SETTLE)
    for change in (lambda: rows.saga(payment), lambda: Payment.objects.update(state=PaymentState.OPEN)):
        change()
        assert address(payment, "settle") not in client.get(address(payment, "change")).content.decode()
        response = send(client, payment, confirmed="yes", order_number=payment.order_reference)
        assert response["Location"] == address(payment, "change")
        Saga.objects.all().delete()
    assert commands() == []


def test_two_clicks_on_a_healthy_payment_change_nothing(staff_client):
    """Without the order number nobody gets further, even with the figures of our books and a reason."""
    payment = rows.captured()
    client = staff_client(*MAY_SETTLE)
    page = text_of(client.get(address(payment, "settle")))
    assert "Nothing about this payment is open." in page
    assert 'name="order_number"' in page
    for typed in ({}, {"order_number": ""}, {"order_number": "ORDER-2"}, {"order_number": payment.reference}):
        for step in ({}, {"confirmed": "yes"}):
            page = send(client, payment, **typed, **step)
            assert list(page.context["form"].errors) == ["order_number"]
    assert commands() == []
    payment.refresh_from_db()
    assert (payment.state, Attempt.objects.get().state) == ("captured", "authorised")
    assert not Fact.objects.exists()
    assert not Event.objects.exists()


def test_who_types_the_order_number_is_told_that_nobody_hears_of_equal_figures(staff_client):
    payment = rows.captured()
    client = staff_client(*MAY_SETTLE)
    page = text_of(send(client, payment, order_number=f" {payment.order_reference} "))
    assert "Nothing is booked: our sums are those of the provider." in page
    assert "Neither the shopper nor the merchant hears of it." in page
    assert "Record it" in page
    send(client, payment, order_number=payment.order_reference, confirmed="yes")
    assert [command["by"] for command in commands()] == ["staff"]


@pytest.mark.parametrize(
    ("made", "opens"),
    [
        (conflicted, None),
        (rows.untold, None),
        (rows.captured, lambda made: rows.difference(made, order_code=made.attempts.get().order_code)),
        (rows.authorised, lambda made: rows.saga(made, Saga.Status.PARKED, step="void")),
        (rows.captured, lambda made: rows.claimed(made, minor=1300)),
    ],
)
def test_where_something_is_open_no_order_number_is_asked_for(admin_client, made, opens):
    payment = made()
    if opens:
        opens(payment)
    page = admin_client.get(address(payment, "settle"))
    assert "order_number" not in page.context["form"].fields
    assert "Nothing about this payment is open" not in text_of(page)
    send(admin_client, payment, said="held", captured="0", confirmed="yes")
    assert len(commands()) == 1


def test_the_page_of_a_settled_payment_says_who_did_it(staff_client):
    payment = rows.captured()
    client = staff_client(*MAY_SETTLE)
    send(client, payment, refunded="3.00", order_number="ORDER-1", confirmed="yes")
    [row] = OutboxMessage.objects.filter(type="checkout.settle_books")
    deliver(service, Envelope(type=row.type, body=row.body.encode(), message_id=row.message_id))
    waterfall = client.get(address(payment, "change")).context["waterfall"]
    hops = [hop for burst in waterfall for hop in burst.hops]
    told = {hop.entry.what: (hop.what, hop.entry.detail) for hop in hops}
    assert told["payment_settled_by_applied"][0] == "Our books agree with what staff said"
    assert told["payment_settled_by_applied"][1].startswith("by staff by=staff said=captured 12.50 GBP")
    assert told["payment.partially_refunded"][0] == "A part of the money was given back, or another part"
    assert "payment.unknown" not in told


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
        assert "what became of the refund of £3.00. Settle that first" in told(response)[-1]
    assert commands() == []


def test_a_payment_of_which_nothing_can_be_settled_leads_back(admin_client):
    payment = rows.payment("OPEN")
    response = send(admin_client, payment, confirmed="yes")
    assert response["Location"] == address(payment, "change")
    assert "There is nothing to settle" in told(response)[-1]


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
        "£12.50",
        "£2.00",
        "£1.00",
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
            ["A refund of £3.00 is booked as done", "Part of the money was given back"],
        ),
        (
            {"charged_back": "1.00", "refunded": "2.50"},
            ["A charge-back of £1.00 is booked", "A refund of £2.50 is booked"],
        ),
        (
            {"captured": "0", "said": "held"},
            ["counts as refused, and is taken out of the ledger", "reserved on the card", "capture or void"],
        ),
        (
            {"captured": "0"},
            ["A void of £12.50 is booked as done", "The order is called off", "nothing was taken"],
        ),
        ({"refunded": "12.50"}, ["An order that is not confirmed yet is given up"]),
        ({"refunded": "15.00"}, ["Less than nothing is kept:", "£2.50 more went back"]),
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
    text = f"Our void of £12.50, {void.reference}, of which the outcome is not known, counts as"
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
    assert f"Our refund of £3.00, {refunds[0].reference}, counts as failed" in text_of(page)
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
    assert is_about(entries().get(), payment)
    page = client.get(response["Location"])
    [message] = map(str, page.context["messages"])
    assert message.startswith("Settle by figures: captured 12.50 GBP, refunded 3.00 GBP")
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
        ({"captured": "12.51"}, "__all__", "No more than £12.50"),
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
    assert f'name="seen" value="{seen_of_payment(payment)}"' in page.content.decode()
    assert commands() == []


def test_a_form_that_is_sent_twice_decides_once(admin_client):
    payment = conflicted()
    first, second = (send(admin_client, payment, confirmed="yes") for _ in range(2))
    assert first["Location"] == second["Location"]
    assert "admin has said already: captured 12.50 GBP" in told(second)[-1]
    assert len(commands()) == entries().count() == 1


def test_each_of_several_attempts_has_a_page(admin_client):
    payment = conflicted()
    Attempt.objects.update(state="conflicted")
    first, second = payment.attempts.get(), rows.attempt(payment, 2, state="conflicted")
    page = admin_client.get(address(payment, "change")).content.decode()
    for each in (first, second):
        at = f"{address(payment, 'settle')}?attempt={each.number}"
        assert f'<a href="{at}">Settle by figures of attempt {each.number}…</a>' in page
        assert each.order_code in admin_client.get(at).content.decode()
        admin_client.post(at, fields(payment, captured="0", confirmed="yes"))
    assert [command["attempt"] for command in commands()] == [first.order_code, second.order_code]
    response = admin_client.get(f"{address(payment, 'settle')}?attempt=3")
    assert "There is nothing to settle" in told(response)[-1]


def test_the_page_of_all_attempts_but_the_last_says_that_the_payment_stays_conflicted(admin_client):
    payment = conflicted()
    Attempt.objects.update(state="conflicted")
    rows.attempt(payment, 2, state="conflicted")
    page = text_of(send(admin_client, payment, captured="0"))
    assert "as another attempt of it contradicts us as well: settle that one next" in page


def test_the_page_of_an_attempt_without_money_says_that_the_order_is_that_of_another(admin_client):
    payment = conflicted(rows.authorised)
    rows.attempt(payment, 2, state="authorised")
    page = text_of(send(admin_client, payment, captured="0"))
    assert "Another attempt has the money: the order stays as it is." in page
    assert "taken up again" not in page


def test_the_page_of_an_attempt_with_money_says_that_an_order_that_was_called_off_stays_so(admin_client):
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
