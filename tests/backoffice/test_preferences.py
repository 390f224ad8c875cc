"""The zone and the formats that a member of staff has chosen, on pages with times and amounts."""

import re
from datetime import UTC, datetime

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from checkout.backoffice.models import Preferences
from checkout.payments.models import Payment
from checkout.payments.models.card_testing import AttackModeChange
from tests.backoffice import rows
from tests.backoffice.operating import confirm
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:preferences")
LIST = reverse("admin:payments_payment_changelist")
# Half an hour before midnight in UTC is the next day in Berlin.
LATE = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)


def payment_of(moment, order="A-1"):
    row = rows.captured(order, amount_minor=125_050)
    Payment.objects.filter(pk=row.pk).update(created_at=moment)
    return row


def page_of(row):
    return reverse("admin:payments_payment_change", args=[row.pk])


def shown(client, address, **query):
    return client.get(address, query).content.decode()


def words(html):
    """Return the text of a page without its tags and the attributes for programs."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def choose(client, **chosen):
    answer = client.post(PAGE, {"zone": "", "formats": "", **chosen})
    assert answer.status_code == 302


def test_without_a_choice_times_are_in_utc_and_pages_say_so(admin_client):
    html = words(shown(admin_client, page_of(payment_of(LATE))))
    assert "30 Nov 2026, 23:30 UTC" in html
    assert "Time (UTC)" in html
    assert "£1,250.50" in html


def test_the_chosen_zone_and_formats_are_those_of_lists_and_pages(admin_client):
    row = payment_of(LATE)
    choose(admin_client, zone="Europe/Berlin", formats="de")
    for address in (LIST, page_of(row)):
        html = words(shown(admin_client, address))
        assert "01.12.2026, 00:30" in html
        assert "1.250,50 £" in html.replace("\N{NO-BREAK SPACE}", " ")
        assert "UTC" not in html
    assert "Times are in Europe/Berlin." in shown(admin_client, page_of(row))


@pytest.mark.parametrize(
    ("formats", "expected"),
    [("", "1 Dec 2026, 00:30"), ("es", "1 dic 2026, 0:30"), ("fr", "1 déc. 2026, 00:30")],
)
def test_dates_are_written_as_in_the_chosen_language(admin_client, formats, expected):
    payment_of(LATE)
    choose(admin_client, zone="Europe/Paris", formats=formats)
    assert expected in words(shown(admin_client, LIST))


def test_sums_that_differ_are_written_alike_on_all_pages(admin_client):
    row = payment_of(LATE)
    rows.difference(row)
    choose(admin_client, formats="de")
    for address in (page_of(row), reverse("admin:payments_difference_changelist")):
        html = words(shown(admin_client, address))
        assert "£12." not in html
        assert "£1," not in html
        assert re.search(r"\d,\d\d\W£", html)


def test_days_of_searches_begin_at_midnight_of_the_zone(admin_client):
    payment_of(LATE)
    assert "A-1" in words(shown(admin_client, LIST, q="2026-11-30"))
    choose(admin_client, zone="Europe/Berlin")
    assert "No payment found" in shown(admin_client, LIST, q="2026-11-30")
    assert "A-1" in words(shown(admin_client, LIST, q="2026-12-01"))
    assert "A-1" in words(shown(admin_client, LIST, q="since:2026-12-01"))
    with time_machine.travel(LATE, tick=False):
        # The same moment is the first of December for the user.
        assert "A-1" in words(shown(admin_client, LIST, q="today"))


def test_no_page_of_a_merchant_or_an_endpoint_says_utc_to_who_has_a_zone(admin_client):
    owner = rows.merchant()
    AttackModeChange.objects.create(merchant=owner, mode="on", by="ada", reason="Tests", changed_at=LATE)
    page = reverse("admin:payments_merchant_change", args=[owner.pk])
    assert "2026-11-30 23:30:00 UTC" in shown(admin_client, page)
    choose(admin_client, zone="Europe/Berlin")
    html = words(shown(admin_client, page))
    assert "2026-12-01 00:30:00 CET" in html
    assert "UTC" not in html


def test_a_choice_is_its_user_s_alone_and_is_in_the_audit_log(admin_client):
    payment_of(LATE)
    choose(admin_client, zone="Asia/Kathmandu", formats="fr")
    [entry] = entries()
    assert (entry.by, entry.action, entry.what) == ("admin", "change", "Changed the own preferences")
    other = Client()
    other.force_login(User.objects.create_superuser("grace"))
    assert "30 Nov 2026, 23:30" in words(shown(other, LIST))
    assert "1 déc. 2026, 05:15" in words(shown(admin_client, LIST))


@pytest.mark.parametrize("wrong", [{"zone": "Europe/Atlantis"}, {"formats": "xx"}, {"zone": "../etc/passwd"}])
def test_a_zone_or_a_language_that_does_not_exist_is_refused(admin_client, wrong):
    answer = admin_client.post(PAGE, {"zone": "", "formats": "", **wrong})
    assert "Select a valid choice" in answer.content.decode()
    assert not Preferences.objects.exists()


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd"])
def test_a_zone_that_the_server_no_longer_has_is_utc(admin_client, zone):
    row = payment_of(LATE)
    Preferences.objects.create(user=User.objects.get(username="admin"), zone=zone)
    assert "30 Nov 2026, 23:30 UTC" in words(shown(admin_client, page_of(row)))


def test_records_are_written_alike_for_every_reader(admin_client):
    choose(admin_client, formats="de")
    confirm(admin_client, payment_of(LATE), "refund", amount="1000.00")
    assert entries()[0].what == "Refund of £1,000.00"
