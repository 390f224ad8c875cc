"""A browser warns staff before their session ends, and can lengthen it: the page and the address for that."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from tests.backoffice.log_in.conftest import HOME, log_in

# The present time, since the test client drops session cookies by their maximum age.
START = timezone.now().replace(microsecond=0)
SESSION = reverse("admin:session")
FORM = reverse("admin:orders_stockitem_add")
HALF_AN_HOUR = 30 * 60


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def browser(at, clock):
    browser = at("192.0.2.7")
    assert log_in(browser) == 302
    return browser


def seconds_on(browser, page=HOME):
    """Return the seconds for which a page says that the session lasts."""
    [script] = re.findall(r"<script [^>]*session\.js[^>]*>", browser.get(page).content.decode())
    assert " defer" in script
    assert f'data-address="{SESSION}"' in script
    [seconds] = re.findall(r'data-seconds="([^"]*)"', script)
    return int(seconds)


def test_a_page_says_how_long_the_session_lasts_by_the_servers_count(browser, clock):
    assert seconds_on(browser) == HALF_AN_HOUR
    # The server writes the time of a request once a minute at most.
    clock.move_to(START + timedelta(seconds=59))
    assert seconds_on(browser) == HALF_AN_HOUR - 59
    clock.move_to(START + timedelta(seconds=60))
    assert seconds_on(browser) == HALF_AN_HOUR


def test_the_last_half_hour_of_a_log_in_is_said_to_be_shorter(browser, clock):
    for minutes in range(20, 480, 20):
        clock.move_to(START + timedelta(minutes=minutes))
        browser.get(HOME)
    assert seconds_on(browser) == 20 * 60
    assert browser.get(SESSION).json() == {"seconds": 20 * 60}


def test_a_form_has_the_warning_hidden_and_a_page_to_look_at_has_none(browser):
    form = browser.get(FORM).content.decode()
    assert '<div id="session-warning" role="alert" hidden>' in form
    assert "You will be logged out in two minutes, and what you have typed will be lost." in form
    assert "session-warning" not in browser.get(HOME).content.decode()


def test_every_page_on_which_something_can_be_typed_and_sent_has_the_warning(browser, ada):
    pages = [reverse("admin:password_change"), reverse("admin:auth_user_password_change", args=[ada.pk])]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"admin:{name}_add"))
    shown = {page: browser.get(page) for page in pages}
    forms = {page for page, answer in shown.items() if answer.status_code == 200}
    assert len(forms) > 8
    assert [page for page in forms if b'id="session-warning"' not in shown[page].content] == []


def test_no_page_of_a_visitor_asks_about_a_session(client, db):
    assert "session.js" not in client.get(reverse("admin:login")).content.decode()


@pytest.mark.parametrize("method", ["get", "head"])
def test_to_ask_about_the_session_lengthens_it(browser, clock, method):
    clock.move_to(START + timedelta(minutes=29))
    assert getattr(browser, method)(SESSION).status_code == 200
    clock.move_to(START + timedelta(minutes=58))
    assert browser.get(HOME).status_code == 200


def test_the_answer_has_the_new_time_even_within_a_minute_of_the_last_request(browser, clock):
    clock.move_to(START + timedelta(seconds=59))
    answer = browser.get(SESSION)
    assert answer.json() == {"seconds": HALF_AN_HOUR}
    assert "no-store" in answer["Cache-Control"]


def test_a_session_that_has_ended_is_not_lengthened(browser, clock):
    clock.move_to(START + timedelta(minutes=30))
    answer = browser.get(SESSION)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={SESSION}")


def test_nothing_else_can_be_done_there(browser):
    assert browser.post(SESSION).status_code == 405
