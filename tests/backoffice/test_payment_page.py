from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.display.wording import FACTS, STATES, in_plain_words
from checkout.payments.events.types import EVENT_TYPES
from checkout.payments.models import Fact, Operation, Payment
from checkout.payments.timeline import Entry, Kind
from checkout.states import COUNTED, PaymentState, payment_machine
from tests.backoffice import rows

pytestmark = pytest.mark.django_db


def address(payment):
    return reverse("admin:payments_payment_change", args=[payment.pk])


def page(client, payment):
    response = client.get(address(payment))
    assert response.status_code == 200
    return response


def test_the_timeline_tells_each_kind_of_thing_in_words_with_its_duration(admin_client):
    timeline = page(admin_client, rows.paid()).context["timeline"]
    told = [(entry["kind"], entry["what"], entry["took"]) for entry in timeline]
    assert told == [
        ("fact", "The shopper came back from the bank", ""),
        ("saga step", "Assess the risk of the payment", "250 ms"),
        ("message", "To the risk service: assess", "40 ms"),
        ("provider call", "Asked the provider to reserve the money", "1.5 s"),
        ("notification", "A notification from the provider (from sandbox)", "70 ms"),
        ("event", "The amount was taken", ""),
    ]


@pytest.mark.parametrize("type", [*EVENT_TYPES, "payment.challenge_required"])
def test_an_event_is_no_message_to_a_service(type):
    subject, _, name = type.partition(".")
    told = in_plain_words(Entry(timezone.now(), Kind.MESSAGE, type))
    assert told == f"Told all subscribers: {subject} {name.replace('_', ' ')}"


def test_the_timeline_is_a_table_with_a_caption_headers_and_times_with_their_zone(admin_client):
    payment = rows.paid()
    html = page(admin_client, payment).content.decode()
    at = payment.facts.get().recorded_at
    assert (
        "<caption>Everything known about this payment, the oldest first. Times are in UTC.</caption>" in html
    )
    assert '<th scope="col">Time (UTC)</th>' in html
    assert f'<time datetime="{at.isoformat()}">{at:%H:%M:%S}<span class="fraction">.{at:%f}'[:-3] in html
    assert f"{payment.created_at:%Y-%m-%d %H:%M:%S} UTC" in html


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("captured", "The provider has taken the money"),
        ("authorise_unknown", "The provider's answer (authorise): not known, it may have happened"),
        ("complete_challenge_approved", "The provider's answer (complete challenge): yes"),
        ("inquire_refund_not_shown", "The provider's answer (inquire refund): it never received it"),
        ("notified_charged_back", "The provider notified us: charged back"),
        ("charged_back", "The shopper's bank took money back"),
        (
            "claim_unclear",
            "The provider was asked, but its answer is not enough to book it: staff must look",
        ),
        (
            "hinted_refund_failed",
            "A notification in the provider's name, without proof: refund failed",
        ),
        ("authorised_not_applied", "Came too late and changed nothing: the money is reserved"),
        ("weather_changed", "Weather changed"),
    ],
)
def test_facts_are_told_in_words_and_unknown_ones_in_their_own(admin_client, kind, told):
    payment = rows.payment("ORDER-1", PaymentState.EXPIRED)
    Fact.objects.create(payment=payment, source="provider", kind=kind)
    [entry] = page(admin_client, payment).context["timeline"]
    assert (entry["what"], entry["name"]) == (told, kind)


def test_the_ledger_is_shown_to_add_up_to_zero(admin_client):
    payment = rows.paid()
    html = page(admin_client, payment).content.decode()
    assert "-£12.50" in html
    assert "£0.00" in html
    assert "Balanced" in html
    assert "Not balanced" not in html


def test_postings_that_only_add_up_together_are_not_balanced(admin_client):
    payment = rows.paid()
    rows.post(payment, "captured:1", 100, 0)
    rows.post(payment, "captured:2", 0, 100)
    books = page(admin_client, payment).context["books"]
    assert [str(total) for total in books.totals] == ["0.00 GBP"]
    assert not books.is_balanced
    # PostgreSQL would refuse these postings at the end of the test, so they are completed.
    rows.post(payment, "captured:1", 0, 100, suffix=":rest")
    rows.post(payment, "captured:2", 100, 0, suffix=":rest")


def test_what_the_shopper_s_bank_did_is_shown_with_the_operations_and_in_the_sums(admin_client):
    payment = rows.paid()
    Payment.objects.update(state=PaymentState.CHARGED_BACK)
    for kind, minor in (("charge_back", 450), ("charge_back_reversal", 150)):
        Operation.objects.create(
            payment=payment,
            attempt=payment.attempts.get(),
            kind=kind,
            amount_minor=minor,
            currency="GBP",
            state="done",
            requested_by="provider",
        )
    context = page(admin_client, payment).context
    assert [row[1] for row in context["operations"].rows] == [
        "capture",
        "charge-back",
        "charge-back reversal",
    ]
    assert context["sums"] == [
        ("authorised", "£12.50"),
        ("paid", "£12.50"),
        ("refunded", "£0.00"),
        ("disputed", "£3.00"),
        ("can be refunded", "£9.50"),
    ]


def sums_of(client, payment):
    return dict(page(client, payment).context["sums"])


def test_what_was_given_back_is_a_sum_of_its_own_without_what_is_only_asked_for(admin_client):
    payment = rows.captured()
    rows.operation(payment, "refund", 300, state="done")
    rows.operation(payment, "refund", 200, state="pending")
    assert sums_of(admin_client, payment) == {
        "authorised": "£12.50",
        "paid": "£12.50",
        "refunded": "£3.00",
        "disputed": "£0.00",
        "can be refunded": "£7.50",
    }


def test_the_sums_of_a_payment_that_contradicts_us_are_shown(admin_client):
    payment = rows.captured()
    Payment.objects.update(state=PaymentState.CONFLICTED)
    payment.attempts.update(state="conflicted")
    assert sums_of(admin_client, payment)["paid"] == "£12.50"


@pytest.mark.parametrize("end", [PaymentState.VOIDED, PaymentState.EXPIRED])
def test_what_was_released_is_not_shown_as_authorised(admin_client, end):
    payment = rows.authorised()
    Payment.objects.update(state=end)
    if end == PaymentState.VOIDED:
        rows.operation(payment, "void", payment.amount_minor, state="done")
    assert sums_of(admin_client, payment) == {}


def test_the_money_comes_first_then_the_operations_then_the_long_timeline(admin_client):
    html = page(admin_client, rows.paid()).content.decode()
    headings = ('aria-label="Sums"', "Captures, voids, refunds and charge-backs</h2>", "Timeline</h2>")
    places = [html.index(heading) for heading in headings]
    assert places == sorted(places)


def test_the_head_says_in_one_look_which_payment_it_is(admin_client):
    payment = rows.captured("W-10025", shopper_email="ella@example.com", description="Canvas bag")
    html = page(admin_client, payment).content.decode()
    assert "<title>£12.50 · paid · W-10025 | Payments</title>" in html
    assert '<h1 class="sum">£12.50 <span class="state tone-paid">paid</span></h1>' in html
    assert "<strong>W-10025</strong> · Canvas bag · Visa 1111 · ella@example.com · " in html


def test_messages_and_steps_are_folded_away_beneath_the_facts(admin_client):
    response = page(admin_client, rows.paid())
    assert [entry["what"] for entry in response.context["facts_only"]] == [
        "The shopper came back from the bank",
        "The amount was taken",
    ]
    facts, _, all_of_it = response.content.decode().partition("<summary>Every message and step")
    assert "The shopper came back from the bank" in facts
    assert "Assess the risk of the payment" not in facts
    assert "Assess the risk of the payment" in all_of_it


def test_the_shopper_s_other_payments_with_the_merchant_are_shown_the_latest_first(admin_client):
    one = rows.payment("ONE", shopper_email="Ann@example.com")
    for number in range(12):
        rows.payment(f"OTHER-{number}", shopper_email="ann@example.com", age=-timedelta(minutes=number))
    rows.payment("ELSEWHERE", owner=rows.merchant("elsewhere"), shopper_email="ann@example.com")
    rows.payment("SOMEBODY", shopper_email="joe@example.com")
    shown = [str(row[0]) for row in page(admin_client, one).context["others"].rows]
    assert [each.rpartition('">')[2] for each in shown] == [f"OTHER-{n}</a>" for n in range(11, 1, -1)]


def test_every_move_that_may_come_too_late_is_told_in_words():
    # Moves by sums, and those that people ask for, are made only if they are possible. A void is also told by
    # its saga.
    by_sums = COUNTED - {"void_requested", "voided"}
    by_people = {"submitted", "called_off"}
    assert {edge.event for edge in payment_machine.edges} - by_people - by_sums <= set(FACTS)


def test_a_run_of_reconciliation_says_how_many_orders_were_not_told(admin_client):
    rows.paid()
    html = admin_client.get(reverse("admin:payments_reconciliation_changelist")).content.decode()
    assert "Not told" in html
    assert '<td class="field-not_told">3</td>' in html


def test_a_longer_story_takes_no_more_queries(queries_for):
    payment = rows.paid()

    few = queries_for(address(payment))
    for number in range(2, 12):
        rows.attempt(payment, number, last4="1111")
        Fact.objects.create(payment=payment, source="saga", kind="refused")
        rows.message(payment, "risk.assess", f"m{number}", sent=payment.created_at, took=1)
        rows.post(payment, f"posting:{number}", 5, 5)
    assert queries_for(address(payment)) == few <= 34


def test_what_was_ordered_is_shown_in_words(admin_client):
    lines = [{"sku": "TEA-100", "quantity": 2}, {"sku": "BAG-040", "quantity": 1}]
    payment = rows.payment("LINES", lines=lines)
    page = admin_client.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert ">2 of TEA-100, 1 of BAG-040<" in page


def test_every_state_has_a_meaning():
    assert set(STATES) == set(PaymentState)
