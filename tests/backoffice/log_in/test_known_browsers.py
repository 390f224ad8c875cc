"""A browser in which a user has logged in is never locked out by others' guesses, wherever it is."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from checkout.backoffice.log_in.known_browsers import COOKIE
from checkout.conf import conf
from tests.backoffice.log_in.conftest import PASSWORD, log_in

STRANGER, OFFICE, ELSEWHERE = "203.0.113.9", "192.0.2.7", "198.51.100.1"
LOCKED = 429


@pytest.fixture
def browser(at) -> Client:
    """Return a browser in which ada has logged in, and whose address has changed since."""
    browser = at(OFFICE)
    assert log_in(browser) == 302
    browser.defaults["REMOTE_ADDR"] = ELSEWHERE
    return browser


@pytest.fixture
def strangers(at):
    """Return a function that guesses a user's password from unknown addresses until the user is locked."""

    def guess(name: str = "ada") -> None:
        statuses = [log_in(at(f"203.0.113.{number}"), "guess", name=name) for number in range(6)]
        assert statuses[-1] == LOCKED

    return guess


def test_strangers_cannot_keep_a_known_browser_out_wherever_it_is(at, browser, strangers):
    strangers()
    assert log_in(at(ELSEWHERE)) == LOCKED, "any other browser there"
    assert log_in(browser) == 302


def test_a_known_browser_guesses_no_faster_than_a_stranger(browser):
    assert [log_in(browser, f"guess {number}") for number in range(5)] == [200, 200, 200, 200, LOCKED]
    assert log_in(browser) == LOCKED


def test_guesses_in_one_known_browser_keep_its_user_out_of_no_other_place(at, browser):
    for number in range(5):
        log_in(browser, f"guess {number}")
    assert log_in(at(STRANGER)) == 302


def test_a_browser_is_known_for_the_user_who_has_logged_in_there_only(browser, strangers):
    User.objects.create_superuser("bob", password=PASSWORD)
    strangers("bob")
    assert log_in(browser, name="bob") == LOCKED


def test_a_cookie_that_was_changed_makes_no_known_browser(browser, strangers):
    strangers()
    value = browser.cookies[COOKIE].value
    browser.cookies[COOKIE] = ("B" if value[0] == "A" else "A") + value[1:]
    assert log_in(browser) == LOCKED


def test_a_browser_is_known_for_as_long_as_log_ins_are_kept(browser, strangers, settings):
    with time_machine.travel(timezone.now() + timedelta(days=29), tick=False):
        strangers()
        cookie = browser.cookies[COOKIE].value
        assert log_in(browser) == 302
    assert browser.cookies[COOKIE].value != cookie, "each log-in begins anew"
    browser.cookies[COOKIE] = cookie
    with time_machine.travel(timezone.now() + timedelta(days=31), tick=False):
        strangers()
        browser.defaults["REMOTE_ADDR"] = STRANGER
        assert log_in(browser) == LOCKED


def test_the_cookie_is_for_the_back_office_and_no_script(browser):
    cookie = browser.cookies[COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/admin/", True, "Lax")
    assert cookie["max-age"] == conf.retention.total_seconds()


def test_the_cookie_leaves_over_tls_only_where_the_gateway_is_reached_so(at, settings):
    settings.PUBLIC_URL = "https://pay.example"
    browser = at(OFFICE)
    log_in(browser)
    assert browser.cookies[COOKIE]["secure"]


def test_who_failed_to_log_in_is_not_remembered(at):
    browser = at(STRANGER)
    log_in(browser, "guess")
    assert COOKIE not in browser.cookies
