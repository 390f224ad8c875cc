"""The page on which staff settle a capture, void or refund."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.localised_money import localised_money
from checkout.payments.models import (
    Fact,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderCall,
    Saga,
)
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries, is_about

pytestmark = pytest.mark.django_db

MAY_SETTLE = ("view_payment", "view_operation", "settle_operation")
KINDS = pytest.mark.parametrize("kind", ["capture", "void", "refund"])


def waiting(kind="refund", minor=300):
    """Create an operation without an answer, whose saga is parked."""
    payment = rows.captured() if kind == "refund" else rows.authorised()
    return rows.waiting(payment, kind, minor)


def address(operation, page="settle"):
    return reverse(f"admin:payments_operation_{page}", args=[operation.pk])


def payment_address(operation):
    return reverse("admin:payments_payment_change", args=[operation.payment_id])


def fields(operation, said="arrived", **more):
    seen = seen_of_saga(Saga.objects.get(key=operation.reference))
    return {"seen": seen, "said": said, "reason": "Seen in the portal", **more}


def send(client, operation, said="arrived", **more):
    return client.post(address(operation), fields(operation, said, **more))


def commands():
    return OutboxMessage.objects.filter(type="checkout.settle_books")


def cells(response, title):
    table = next(table for table in response.context["tables"] if table.title == title)
    return [[str(cell) for cell in row[1:]] for row in table.rows]


@KINDS
def test_it_is_offered_on_the_payment_s_and_the_operation_s_own_page(staff_client, kind):
    operation = waiting(kind)
    client = staff_client(*MAY_SETTLE)
    page = client.get(payment_address(operation)).content.decode()
    assert f'<a href="{address(operation)}">Settle {kind} of {localised_money(operation.amount)}…</a>' in page
    page = client.get(address(operation, "change")).content.decode()
    assert f'<a href="{address(operation)}">Settle…</a>' in page


def test_the_saga_s_page_leads_to_it_too(admin_client):
    operation = waiting()
    saga = Saga.objects.get(key=operation.reference)
    page = admin_client.get(reverse("admin:payments_saga_change", args=[saga.pk])).content.decode()
    assert f'<a href="{address(operation)}">Settle' in page


def test_who_may_only_look_is_neither_offered_it_nor_obeyed(staff_client):
    operation = waiting()
    client = staff_client("view_payment", "view_operation")
    for page in (payment_address(operation), address(operation, "change")):
        assert address(operation) not in client.get(page).content.decode()
    assert client.get(address(operation)).status_code == 403
    assert send(client, operation, confirmed="yes").status_code == 403
    assert not commands().exists()


def test_a_visitor_is_sent_to_the_login(client):
    response = send(client, waiting(), confirmed="yes")
    assert response["Location"].startswith(reverse("admin:login"))
    assert not commands().exists()


@pytest.mark.parametrize(
    ("state", "status", "why"),
    [
        (
            "done",
            Saga.Status.PARKED,
            "This refund is done: nothing is left to be settled. Try its flow again instead",
        ),
        ("pending", Saga.Status.RUNNING, "The provider is being asked about this refund."),
    ],
)
def test_what_does_not_wait_for_staff_is_not_offered_and_leads_back_with_the_reason(
    admin_client, state, status, why
):
    operation = waiting()
    Operation.objects.filter(pk=operation.pk).update(state=state)
    Saga.objects.update(status=status)
    assert address(operation) not in admin_client.get(payment_address(operation)).content.decode()
    response = send(admin_client, operation, confirmed="yes")
    assert response["Location"] == payment_address(operation)
    assert why in told(response)[-1]
    assert not commands().exists()


def test_the_page_shows_what_is_known(admin_client):
    operation = waiting()
    other = rows.operation(operation.payment, "refund", 200, state="done")
    rows.heard(operation, "refund_unknown", outcome="unknown", event="time-out")
    rows.heard(operation, "inquire_refund_unknown", outcome="approved", event="REFUNDED", amount="12.50 GBP")
    rows.heard(other, "notified_refunded", event="REFUNDED", amount="2.00 GBP")
    page = admin_client.get(address(operation))
    known = {name: str(value) for name, value in page.context["known"]}
    assert known["What"] == "Refund of £3.00"
    assert known["Our reference"] == operation.reference
    assert known["Provider's order code"] == operation.attempt.order_code
    assert known["Sent"].startswith("Once, the last time 20")
    assert known["Answer to that"].startswith("Not known, it may have happened (time-out), 20")
    assert known["Other refunds"] == "done £2.00"
    assert known["Sums that the provider told last"] == "Not told"
    assert known["Waits because"] == "The provider did not say what became of the refund."
    assert cells(page, "What the provider was asked, and answered") == [
        [
            "The provider's answer (inquire refund): not known, it may have happened",
            "REFUNDED",
            "£12.50",
            "-",
        ],
        ["The provider's answer (refund): not known, it may have happened", "time-out", "-", "-"],
    ]
    assert cells(page, "What the provider told us unasked about this order") == [
        ["The provider notified us: refunded", "REFUNDED", "£2.00", other.reference, "-"]
    ]
    assert other.reference in page.content.decode()


def test_the_sums_that_the_provider_told_last_are_shown_with_their_time(admin_client):
    operation = waiting()
    for minor in (100, 300):
        rows.heard(operation, "inquire_refund_pending", outcome="approved", position=f"refunded {minor}")
    known = dict(admin_client.get(address(operation)).context["known"])
    assert known["Sums that the provider told last"].startswith("refunded 300, 20")


def test_a_notification_that_names_it_and_an_earlier_decision_are_shown(admin_client):
    operation = waiting()
    rows.heard(operation, "notified_refunded", event="REFUNDED", not_applied="another amount")
    rows.heard(operation, "operation_settled_by", said="not_arrived", by="bob", reason="Not in the portal")
    page = admin_client.get(address(operation))
    assert cells(page, "What the provider told us unasked about this order") == [
        ["The provider notified us: refunded", "REFUNDED", "-", "This one", "another amount"]
    ]
    [[what, _, _, remarks]] = cells(page, "What the provider was asked, and answered")
    assert "It did not arrive: send it again" in what
    assert remarks == "bob: Not in the portal"


def test_what_was_never_sent_is_shown_as_that(admin_client):
    operation = waiting()
    ProviderCall.objects.all().delete()
    assert dict(admin_client.get(address(operation)).context["known"])["Sent"] == "Never"


def test_a_capture_that_the_authorisation_includes_was_sent_with_it(admin_client):
    operation = waiting("capture")
    operation.attempt.capture_reference = operation.reference
    operation.attempt.save()
    rows.heard(operation, "capture_pending", outcome="pending")
    known = dict(admin_client.get(address(operation)).context["known"])
    assert known["Sent"] == "With the authorisation, so that the provider does not know our reference"
    assert known["Sent again"].startswith("Once, the last time 20")
    ProviderCall.objects.all().delete()
    assert "Sent again" not in dict(admin_client.get(address(operation)).context["known"])


def test_a_request_whose_answer_never_came_counts_as_sent(admin_client):
    operation = waiting()
    rows.heard(operation, "refund_unknown", outcome="unknown", event="time-out")
    ProviderCall.objects.update(finished_at=None, outcome="", event="")
    known = dict(admin_client.get(address(operation)).context["known"])
    assert known["Sent"].startswith("2 times, the last time 20")
    assert known["Answer to that"] == "None was received."


@KINDS
def test_the_warning_says_what_happens_if_it_did_arrive_and_where_to_look(admin_client, kind):
    operation = waiting(kind)
    warning = {
        "capture": "the money is taken from the shopper twice",
        "refund": "the shopper gets the money twice",
        "void": "nothing is left to be released",
    }[kind]
    for page in (admin_client.get(address(operation)), send(admin_client, operation, "not_arrived")):
        html = page.content.decode()
        for part in (warning, operation.attempt.order_code, operation.reference, "portal"):
            assert part in html
        assert ("show nothing before" in html) == (kind != "void"), "it may be waiting at the provider"
    assert not commands().exists()


def test_it_is_said_if_the_provider_would_recognise_a_copy(admin_client):
    operation = waiting()
    recognised = "the provider recognises the copy by its key"
    assert recognised not in admin_client.get(address(operation)).content.decode()
    ProviderAccount.objects.update(provider="memory", options={})
    ProviderCall.objects.update(recognised_key=operation.reference, started_at=timezone.now())
    html = admin_client.get(address(operation)).content.decode()
    assert recognised in html
    assert "the shopper gets the money twice" not in html


@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
@pytest.mark.parametrize("state", ["requested", "unknown"])
def test_one_whose_flow_is_at_work_can_only_be_withdrawn(admin_client, kind, state):
    operation = waiting(kind)
    Saga.objects.update(status=Saga.Status.RUNNING)
    Operation.objects.filter(pk=operation.pk).update(state=state)
    page = admin_client.get(payment_address(operation)).content.decode()
    assert (
        f'<a href="{address(operation)}">Withdraw {kind} of {localised_money(operation.amount)}…</a>' in page
    )
    page = admin_client.get(address(operation))
    assert list(page.context["form"].words) == ["given_up"]
    page = send(admin_client, operation, "given_up")
    assert f">Withdraw it: {kind} of {localised_money(operation.amount)}</button>" in page.content.decode()
    send(admin_client, operation, "given_up", confirmed="yes")
    assert '"fate":"given_up"' in commands().get().body


def test_a_page_warns_only_of_what_it_offers(admin_client):
    operation = waiting()
    sending, withdrawing = "If you have it sent again", "If you withdraw it"

    def warnings(page):
        html = page.content.decode()
        return sending in html, withdrawing in html, "Before you say that it did not arrive" in html

    assert warnings(admin_client.get(address(operation))) == (True, True, True)
    assert warnings(send(admin_client, operation, "not_arrived")) == (True, False, True)
    assert warnings(send(admin_client, operation, "given_up")) == (False, True, False)
    Saga.objects.update(status=Saga.Status.RUNNING)
    assert warnings(admin_client.get(address(operation))) == (False, True, False)
    assert warnings(send(admin_client, operation, "given_up")) == (False, True, False)


def test_an_operation_that_the_provider_does_not_carry_out_shows_the_provider_s_sentence(admin_client):
    operation = waiting()
    sentence = "Could not find payment for order"
    Operation.objects.filter(pk=operation.pk).update(state="requested", is_idle=True, parked_reason=sentence)
    page = admin_client.get(address(operation)).content.decode()
    assert sentence in page
    assert "It reserves no money." in page
    listed = admin_client.get(payment_address(operation)).content.decode()
    assert (
        f"The provider has not carried out the refund of £3.00, {operation.reference}. {sentence}" in listed
    )


def test_a_conflicted_payment_is_said_to_stay_so(admin_client):
    operation = waiting()
    said = "stays so until the contradiction is settled"
    assert said not in admin_client.get(address(operation)).content.decode()
    Payment.objects.update(state=PaymentState.CONFLICTED)
    assert said in admin_client.get(address(operation)).content.decode()


@pytest.mark.parametrize(
    ("said", "button"),
    [
        ("arrived", "It arrived: refund of £3.00"),
        ("not_arrived", "Send it again: refund of £3.00"),
        ("given_up", "Withdraw it: refund of £3.00"),
    ],
)
def test_a_decision_is_asked_about_first_and_changes_nothing(admin_client, said, button):
    operation = waiting()
    page = send(admin_client, operation, said)
    html = page.content.decode()
    assert f">{button}</button>" in html
    assert "Seen in the portal" in html
    assert not commands().exists()
    page = send(admin_client, operation, said, change="yes")
    assert 'value="Seen in the portal"' in page.content.decode()
    assert not commands().exists()


@pytest.mark.parametrize("said", ["arrived", "not_arrived", "given_up"])
def test_a_confirmed_decision_is_taken_in_the_users_name_and_leads_to_the_payment(staff_client, said):
    operation = waiting()
    client = staff_client(*MAY_SETTLE)
    response = send(client, operation, said, confirmed="yes")
    assert (response.status_code, response["Location"]) == (302, payment_address(operation))
    assert commands().get().subject == operation.payment.reference
    fact = Fact.objects.get(kind="operation_settled_by")
    assert (fact.data["by"], fact.data["said"]) == ("staff", said)
    words = {
        "arrived": "It arrived",
        "not_arrived": "It did not arrive: send it again",
        "given_up": "It did not arrive: withdraw it, and never send it again",
    }[said]
    text = f"Settle refund of £3.00: {words}"
    entry = entries().get()
    assert is_about(entry, operation)
    assert entry.what == text
    page = client.get(response["Location"])
    assert [str(message) for message in page.context["messages"]] == [f"{text}. See below how it goes."]
    assert "Staff said what became of a capture, void or refund" in page.content.decode()


def test_who_may_not_see_payments_is_led_back_to_the_operation(staff_client):
    operation = waiting()
    client = staff_client("view_operation", "settle_operation")
    response = send(client, operation, confirmed="yes")
    assert response["Location"] == address(operation, "change")
    assert client.get(response["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [({"reason": " "}, "reason"), ({"said": ""}, "said"), ({"said": "perhaps"}, "said")],
)
def test_what_is_missing_is_said_at_its_field_and_nothing_is_decided(admin_client, change, field):
    operation = waiting()
    page = admin_client.post(address(operation), {**fields(operation), **change, "confirmed": "yes"})
    assert list(page.context["form"].errors) == [field]
    assert 'aria-invalid="true"' in page.content.decode()
    assert page.context["tables"], "what is known is still shown"
    assert not commands().exists()


@pytest.mark.parametrize("seen", ["", "x", "0"])
def test_who_decided_on_less_than_is_known_now_is_asked_to_look_again(admin_client, seen):
    operation = waiting()
    page = send(admin_client, operation, seen=seen, confirmed="yes")
    assert page.status_code == 200
    assert page.context["form"].non_field_errors()
    assert f'name="seen" value="{fields(operation)["seen"]}"' in page.content.decode()
    assert not commands().exists()


def test_what_may_still_be_on_its_way_is_said_before_it_is_confirmed(admin_client):
    operation = waiting()
    ProviderCall.objects.update(started_at=timezone.now())
    page = send(admin_client, operation, "not_arrived")
    assert "may still be on its way" in str(page.context["form"].errors["said"])
    send(admin_client, operation, "not_arrived", confirmed="yes")
    assert not commands().exists()
    assert "Send it again" not in page.content.decode()


def test_a_form_that_is_sent_twice_decides_once(admin_client):
    operation = waiting()
    first, second = (send(admin_client, operation, confirmed="yes") for _ in range(2))
    assert first["Location"] == second["Location"]
    assert told(second)[-1].endswith("admin has said already: it arrived. See how it goes.")
    assert commands().count() == entries().count() == 1


def test_an_operation_that_does_not_exist_is_not_an_error(admin_client):
    response = admin_client.get(reverse("admin:payments_operation_settle", args=[4711]))
    assert response["Location"] == reverse("admin:index")


def test_more_of_it_takes_no_more_queries(queries_for):
    operation = waiting()
    few = queries_for(address(operation))
    for _ in range(5):
        rows.operation(operation.payment, "refund", 1, state="done")
        rows.heard(operation, "inquire_refund_unknown", outcome="unknown")
        rows.heard(operation, "notified_refunded", event="REFUNDED")
    assert queries_for(address(operation)) == few <= 25


def test_only_the_latest_of_many_answers_are_shown(admin_client):
    operation = waiting()
    for number in range(40):
        rows.heard(operation, "inquire_refund_unknown", outcome="unknown", event=f"E{number}")
    told_words = [row[1] for row in cells(admin_client.get(address(operation)), TITLE)]
    assert told_words == [f"E{number}" for number in range(39, 24, -1)]


TITLE = "What the provider was asked, and answered"


def test_the_list_of_operations_can_be_narrowed_to_those_that_wait(admin_client):
    operation = waiting()
    listed = admin_client.get(reverse("admin:payments_operation_changelist") + "?settle=waiting")
    assert list(listed.context["cl"].result_list) == [operation]
    Saga.objects.update(updated_at=timezone.now() - timedelta(days=1), status=Saga.Status.COMPLETED)
    listed = admin_client.get(reverse("admin:payments_operation_changelist") + "?settle=waiting")
    assert not listed.context["cl"].result_list
