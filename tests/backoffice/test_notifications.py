"""The list and the page of notifications show the final effect of each, not only that it was verified."""

import re

import pytest
from django.urls import reverse

from checkout.backoffice.display.wording import NOTIFICATIONS
from checkout.payments.models import Saga
from checkout.payments.notification_results import Result
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_providernotification_changelist")


def cells(client, **query):
    """Return the texts of the list's cells that show each notification's effect."""
    html = client.get(LIST, query).content.decode()
    found = re.findall(r'<td class="field-what_came_of_it">(.*?)</td>', html, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", cell) for cell in found]


def page(client, row):
    response = client.get(reverse("admin:payments_providernotification_change", args=[row.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_a_notification_that_the_provider_denied_is_called_denied_and_nowhere_applied(admin_client):
    payment = rows.authorised()
    row = rows.asked_about(payment, "denied")
    told = "The provider was asked and says: it is not so, and nothing was changed."
    assert cells(admin_client) == [f"denied {told}"]
    html = page(admin_client, row)
    assert told in html
    assert reverse("admin:payments_saga_change", args=[payment.sagas.get().pk]) in html
    assert "pplied" not in html
    shown = admin_client.get(reverse("admin:payments_payment_change", args=[payment.pk]))
    hops = [hop for burst in shown.context["waterfall"] for hop in burst.hops]
    [hop] = [each for each in hops if each.entry.kind == "notification"]
    assert hop.entry.detail == "denied, not proven"


def test_a_notification_that_staff_denied_says_that_they_did(admin_client):
    rows.asked_about(rows.authorised(), "denied", by_staff=True)
    assert cells(admin_client) == ["denied Staff found out: it is not so, and nothing was changed."]


@pytest.mark.parametrize(
    ("status", "label"), [(Saga.Status.RUNNING, "being asked"), (Saga.Status.PARKED, "waits for staff")]
)
def test_a_notification_without_an_answer_says_who_is_waited_for(admin_client, status, label):
    rows.asked_about(rows.authorised(), status=status)
    assert cells(admin_client)[0].startswith(label)


def test_a_notification_says_that_it_was_applied_or_why_it_could_not_be(admin_client):
    payment = rows.captured()
    rows.notification(payment, "applied", is_proven=True)
    rows.notification(payment, "applied", "repeats an earlier one", is_proven=True)
    rows.notification(payment, "conflicted", "says 1.00 GBP")
    assert set(cells(admin_client)) == {
        "applied It was applied.",
        "changed nothing It changed nothing: repeats an earlier one.",
        "conflicted It contradicts our records: says 1.00 GBP.",
    }


def test_what_was_looked_into_is_listed_together_whatever_came_of_it(admin_client):
    payment = rows.authorised()
    rows.asked_about(payment, "denied")
    rows.notification(payment, "applied", is_proven=True)
    rows.notification(payment, "received")
    html = admin_client.get(LIST).content.decode()
    assert "Looked into" in html
    assert len(cells(admin_client, state="applied")) == 2


def test_every_result_is_told_in_words():
    assert set(NOTIFICATIONS) == set(Result)


def test_a_longer_list_takes_no_more_queries(queries_for):
    payment = rows.authorised()
    rows.asked_about(payment, "denied")
    few = queries_for(LIST)
    for _ in range(10):
        rows.asked_about(payment, "denied")
    assert queries_for(LIST) == few <= 13
