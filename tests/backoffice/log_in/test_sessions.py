"""A staff session ends after half an hour without requests, and after eight hours in any case."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.log_in.sessions import BEGUN, SEEN
from tests.backoffice.log_in.conftest import HOME, log_in

# The present time, since the test client drops session cookies by their maximum age.
START = timezone.now()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def browser(at, clock) -> Client:
    browser = at("192.0.2.7")
    assert log_in(browser) == 302
    return browser


def is_in(browser: Client) -> bool:
    return browser.get(HOME).status_code == 200


def test_a_session_ends_after_half_an_hour_in_which_nothing_was_done(browser, clock):
    clock.move_to(START + timedelta(minutes=29, seconds=59))
    assert is_in(browser)
    clock.move_to(START + timedelta(minutes=59, seconds=58))
    assert is_in(browser), "the half hour begins anew with each request"
    clock.move_to(START + timedelta(minutes=89, seconds=58))
    assert not is_in(browser)
    clock.move_to(START)
    assert not is_in(browser), "it has ended on the server"


def test_a_session_ends_after_eight_hours_whatever_was_done(browser, clock):
    for minutes in range(20, 480, 20):
        clock.move_to(START + timedelta(minutes=minutes))
        assert is_in(browser)
    clock.move_to(START + timedelta(hours=8))
    assert not is_in(browser)


def test_to_log_in_again_begins_a_new_session(browser, clock):
    clock.move_to(START + timedelta(hours=8))
    answer = browser.get(HOME)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={HOME}")
    assert "Your session has ended. Please log in again." in browser.get(answer["Location"]).content.decode()
    assert log_in(browser) == 302
    clock.move_to(START + timedelta(hours=8, minutes=29))
    assert is_in(browser)


def test_the_pages_after_and_before_a_session_have_plain_words_and_a_heading(browser):
    left = browser.post(reverse("admin:logout")).content.decode()
    assert "You are logged out." in left
    assert "quality time" not in left
    assert "<h1>Log in</h1>" in browser.get(reverse("admin:login")).content.decode()


def test_a_form_that_is_sent_too_late_changes_nothing(browser, clock):
    clock.move_to(START + timedelta(minutes=31))
    answer = browser.post("/admin/payments/merchant/add/", {"name": "New", "code": "new"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("times", [{BEGUN: None}, {SEEN: None}, {BEGUN: "long ago"}])
def test_a_session_that_does_not_say_how_old_it_is_is_too_old(browser, times):
    session = browser.session
    session.update(times)
    session.save()
    assert not is_in(browser)


def test_a_session_is_written_once_a_minute_at_most(browser, clock):
    def writes() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert is_in(browser)
        return sum("UPDATE" in query["sql"] and "django_session" in query["sql"] for query in captured)

    clock.move_to(START + timedelta(seconds=59))
    assert writes() == 0
    clock.move_to(START + timedelta(seconds=60))
    assert writes() == 1


def test_the_times_are_those_of_the_settings(browser, clock, settings):
    settings.CHECKOUT_SESSION_IDLE_SECONDS = 60
    clock.move_to(START + timedelta(seconds=60))
    assert not is_in(browser)


def test_a_visitors_session_has_no_such_end(client, db, clock):
    session = client.session
    session["orders"] = ["order-1"]
    session.save()
    clock.move_to(START + timedelta(hours=7))
    client.get("/admin/login/")
    assert Session.objects.filter(pk=session.session_key).exists()
    assert client.session["orders"] == ["order-1"]
