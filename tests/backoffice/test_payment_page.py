from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.audit.log import Author, Details, Subject, record
from checkout.backoffice.display.wording import FACTS, STATES, in_plain_words
from checkout.payments import actions
from checkout.payments.events.types import EVENT_TYPES
from checkout.payments.models import Attempt, Event, Fact, Operation, Payment, ProviderCall
from checkout.payments.timeline import Entry, Kind
from checkout.states import COUNTED, PaymentState, payment_machine
from checkout.webhooks.models import Delivery, DeliveryAttempt
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db


def address(payment):
    return reverse("admin:payments_payment_change", args=[payment.pk])


def page(client, payment):
    response = client.get(address(payment))
    assert response.status_code == 200
    return response


def hops(response):
    return [hop for burst in response.context["waterfall"] for hop in burst.hops]


def test_each_kind_of_hop_is_told_in_words_with_its_duration(admin_client):
    payment = rows.paid()
    delivery = Delivery.objects.get()
    at = payment.events.latest("pk").created_at
    DeliveryAttempt.objects.create(
        delivery=delivery,
        at=at + timedelta(seconds=1),
        url="https://shop.example/hook",
        status=204,
        duration_ms=30,
    )
    told = [(hop.entry.kind, hop.what, hop.took) for hop in hops(page(admin_client, payment))]
    assert [each for each in told if each[0] not in ("request", "receipt")] == [
        ("fact", "The shopper came back from the bank", ""),
        ("saga step", "Assess the risk of the payment", "250 ms"),
        ("message", "To the risk service: assess", "40 ms"),
        ("provider call", "Asked the provider to reserve the money", "1.5 s"),
        ("notification", "A notification from the provider (from sandbox)", "70 ms"),
        ("event", "The amount was taken", ""),
        ("webhook", "Told the merchant's endpoint: payment: captured", "30 ms"),
    ]
    assert {"request", "receipt"} < {kind for kind, *_ in told}


def test_bars_lie_on_the_axis_of_their_burst_and_a_pause_begins_another(admin_client):
    payment = rows.payment("ORDER-1")
    tried = rows.attempt(payment)
    start = payment.created_at
    Attempt.objects.update(created_at=start)
    for seconds, took in ((0.1, 0.2), (0.4, 0.6), (90, 0.5)):
        ProviderCall.objects.create(
            attempt=tried,
            key=f"call-{seconds}",
            verb="inquire",
            started_at=start + timedelta(seconds=seconds),
            finished_at=start + timedelta(seconds=seconds + took),
        )
    first, second = page(admin_client, payment).context["waterfall"]
    assert first.axis == ["0", "500 ms", "1.0 s"]
    assert [(hop.x, hop.width) for hop in first.hops] == [(0, 6), (100, 200), (400, 600)]
    assert (second.later, [(hop.x, hop.width) for hop in second.hops]) == ("1 min 29 s", [(0, 1000)])


def test_a_check_at_the_bank_is_a_bar_until_its_end_and_the_bursts_go_on_without_it(admin_client):
    payment = rows.payment("ORDER-1")
    rows.attempt(payment)
    start = payment.created_at
    Attempt.objects.update(created_at=start)
    for number, (kind, seconds) in enumerate((("action_required", 1), ("processing", 41)), start=1):
        Event.objects.create(
            merchant=payment.merchant,
            payment=payment,
            type=f"payment.{kind}",
            sequence=number,
            data={},
            created_at=start + timedelta(seconds=seconds),
        )
    before, after = page(admin_client, payment).context["waterfall"]
    [check] = [hop for hop in before.hops if hop.entry.kind == "bank's check"]
    [pressed] = [hop for hop in before.hops if hop.entry.kind == "request"]
    assert (check.what, check.took, check.is_cut) == ("Sent to the bank", "40.0 s", True)
    assert (pressed.what, pressed.took) == ("Pay pressed", "1.0 s")
    assert after.later == "38.0 s"


def test_texts_of_messages_are_for_those_who_may_read_them(admin_client, staff_client):
    payment = rows.paid()
    Fact.objects.create(payment=payment, source="provider", kind="authorise_approved", text="<reply>scrubbed")
    assert "&lt;reply&gt;scrubbed" in page(admin_client, payment).content.decode()
    assert "scrubbed" not in page(staff_client("view_payment"), payment).content.decode()


def test_a_note_is_kept_with_its_author_and_shown_to_all_who_see_the_payment(admin_client, staff_client):
    payment = rows.captured()
    address_of_note = reverse("admin:payments_payment_note", args=[payment.pk])
    assert admin_client.post(address_of_note, {"reason": "The shopper called twice"}).status_code == 302
    html = page(staff_client("view_payment"), payment).content.decode()
    assert "<strong>admin</strong>: The shopper called twice" in html
    assert address_of_note not in html
    [entry] = entries()
    assert (entry.action, entry.payment) == ("note", payment.reference)


def test_a_note_is_erased_with_the_personal_data(admin_client):
    payment = rows.payment("ORDER-1", PaymentState.EXPIRED)
    actions.note_payment(payment, by="ada", note="Ella, 12 High Street")
    actions.erase_payment(payment.reference, by="ada", reason="Asked for it")
    html = page(admin_client, payment).content.decode()
    assert "High Street" not in html
    assert "(erased)" in html


def test_the_page_says_who_did_what_and_why(admin_client):
    payment = rows.captured()
    about = Subject("payments.payment", str(payment.pk), "ORDER-1", "example", payment.reference)
    record(Author("ada", 1, "192.0.2.7"), "refund", "Refund", about, Details(why="Damaged"))
    record(Author("joe", 2, "192.0.2.7"), "refund", "Refund", Subject(payment="pay_other"))
    [row] = page(admin_client, payment).context["who_did_what"].rows
    assert row[1:] == ("ada", "Refund", "Damaged")


def test_our_books_and_the_provider_s_are_side_by_side_where_they_differ(admin_client):
    payment = rows.captured()
    assert page(admin_client, payment).context["differing"] is None
    rows.difference(payment)
    [row] = page(admin_client, payment).context["differing"].rows
    assert "Captured" in row[0]
    assert row[1:3] == ("£12.50", "£12.00")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("authenticated", "1 challenge, authenticated; the shopper&#x27;s bank usually bears fraud"),
        ("failed", "1 challenge, failed; you bear fraud"),
        ("", "1 challenge, no result was told; ask the provider who bears fraud"),
    ],
)
def test_the_head_says_who_bears_fraud_by_the_result_of_3_d_secure(admin_client, status, said):
    payment = rows.captured()
    payment.attempts.update(three_d_secure={"status": status}, challenge_count=1)
    assert f"<dd>{said}</dd>" in page(admin_client, payment).content.decode()


@pytest.mark.parametrize("type", [*EVENT_TYPES, "payment.challenge_required"])
def test_an_event_is_no_message_to_a_service(type):
    subject, _, name = type.partition(".")
    told = in_plain_words(Entry(timezone.now(), Kind.MESSAGE, type))
    assert told == f"Told all subscribers: {subject} {name.replace('_', ' ')}"


def test_the_waterfall_is_a_table_with_a_caption_headers_and_times_with_their_zone(admin_client):
    payment = rows.paid()
    html = page(admin_client, payment).content.decode()
    at = payment.facts.get().recorded_at
    assert "Everything known about this payment, the oldest first. Times are in UTC.</caption>" in html
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
    [hop] = hops(page(admin_client, payment))
    assert (hop.what, hop.entry.what) == (told, kind)


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


def test_the_money_comes_first_then_the_operations_then_the_long_waterfall(admin_client):
    html = page(admin_client, rows.paid()).content.decode()
    headings = ('aria-label="Sums"', "Captures, voids, refunds and charge-backs</h2>", "What happened</h2>")
    places = [html.index(heading) for heading in headings]
    assert places == sorted(places)


def test_the_head_says_in_one_look_which_payment_it_is(admin_client):
    payment = rows.captured("W-10025", shopper_email="ella@example.com", description="Canvas bag")
    html = page(admin_client, payment).content.decode()
    assert "<title>£12.50 · paid · W-10025 | Payments</title>" in html
    assert '<h1 class="sum">£12.50 <span class="state tone-paid">paid</span></h1>' in html
    assert "<strong>W-10025</strong> · Canvas bag · Visa 1111 · ella@example.com · " in html


def test_messages_and_steps_are_folded_away_at_first(admin_client):
    response = page(admin_client, rows.paid())
    folded = [hop.entry.kind for hop in hops(response) if hop.is_internal]
    assert folded == ["saga step", "message"]
    assert response.content.decode().count(' is-internal">') == len(folded)


def test_the_shopper_s_other_payments_with_the_merchant_are_shown_the_latest_first(admin_client):
    one = rows.payment("ONE", shopper_email="Ann@example.com")
    for number in range(12):
        rows.payment(f"OTHER-{number}", shopper_email="ann@example.com", age=-timedelta(minutes=number))
    rows.payment("ELSEWHERE", owner=rows.merchant("elsewhere"), shopper_email="ann@example.com")
    rows.payment("SOMEBODY", shopper_email="joe@example.com")
    shown = [str(row[0]) for row in page(admin_client, one).context["others"].rows]
    assert [each.rpartition('">')[2] for each in shown] == [f"OTHER-{n}</a>" for n in range(11, 1, -1)]


def test_every_move_that_may_come_too_late_is_told_in_words():
    # Moves by sums, and those that people request, are made only if they are possible. The saga of a void
    # also causes moves.
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
    assert queries_for(address(payment)) == few <= 41


def test_what_was_ordered_is_shown_in_words(admin_client):
    lines = [{"sku": "TEA-100", "quantity": 2}, {"sku": "BAG-040", "quantity": 1}]
    payment = rows.payment("LINES", lines=lines)
    page = admin_client.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert ">2 of TEA-100, 1 of BAG-040<" in page


def test_every_state_has_a_meaning():
    assert set(STATES) == set(PaymentState)
