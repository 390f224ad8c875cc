from datetime import timedelta

import pytest
from django.urls import reverse

from checkout.admin.wording import STATES
from checkout.models import Fact, Saga
from checkout.states import PaymentState
from tests.admin import rows

pytestmark = pytest.mark.django_db


def address(payment):
    return reverse("admin:checkout_payment_change", args=[payment.pk])


def page(client, payment):
    response = client.get(address(payment))
    assert response.status_code == 200
    return response


def test_the_timeline_tells_each_kind_of_thing_in_words_with_its_duration(admin_client):
    timeline = page(admin_client, rows.paid()).context["timeline"]
    told = [(entry["kind"], entry["what"], entry["took"]) for entry in timeline]
    assert told == [
        ("fact", "The shopper pressed Pay", ""),
        ("saga step", "May this payment be tried?", "250 ms"),
        ("message", "To the risk service: assess", "40 ms"),
        ("provider call", "Asked the provider to reserve the money", "1.5 s"),
        ("notification", "The provider told us something (from sandbox)", "70 ms"),
    ]


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
        ("inquire_refund_not_shown", "The provider's answer (inquire refund): it knows nothing of it"),
        ("notified_charged_back", "The provider told us: charged back"),
        ("authorised_not_applied", "Came too late and changed nothing: the money is reserved"),
        ("weather_changed", "Weather changed"),
    ],
)
def test_facts_are_told_in_words_and_unknown_ones_in_their_own(admin_client, kind, told):
    payment = rows.payment("ORDER-1", PaymentState.EXPIRED)
    Fact.objects.create(payment=payment, source="provider", kind=kind)
    [entry] = page(admin_client, payment).context["timeline"]
    assert (entry["what"], entry["name"]) == (told, kind)


def test_a_payment_that_needs_attention_says_why(admin_client):
    fine = rows.payment("FINE", PaymentState.CAPTURED)
    stuck = rows.payment("STUCK", PaymentState.CONFIRMING, age=timedelta(minutes=6))
    rows.saga(stuck, Saga.Status.PARKED)
    assert page(admin_client, fine).context["attention"] == []
    html = page(admin_client, stuck).content.decode()
    assert "Unsettled for too long" in html
    assert "Parked: a saga waits for a person" in html


def test_the_ledger_is_shown_to_add_up_to_zero(admin_client):
    payment = rows.paid()
    html = page(admin_client, payment).content.decode()
    assert "-12.50 GBP" in html
    assert "0.00 GBP" in html
    assert "Balanced" in html
    assert "Not balanced" not in html


def test_postings_that_only_add_up_together_are_not_balanced(admin_client):
    payment = rows.paid()
    rows.post(payment, "captured:1", 100, 0)
    rows.post(payment, "captured:2", 0, 100)
    books = page(admin_client, payment).context["books"]
    assert [str(total) for total in books.totals] == ["0.00 GBP"]
    assert not books.is_balanced


def test_a_longer_story_takes_no_more_queries(queries_for):
    payment = rows.paid()

    few = queries_for(address(payment))
    for number in range(2, 12):
        rows.attempt(payment, number, last4="1111")
        Fact.objects.create(payment=payment, source="saga", kind="refused")
        rows.message(payment, "risk.assess", f"m{number}", sent=payment.created_at, took=1)
        rows.post(payment, f"posting:{number}", 5, 5)
    assert queries_for(address(payment)) == few <= 21


def test_every_state_has_a_meaning():
    assert set(STATES) == set(PaymentState)
