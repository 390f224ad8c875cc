"""The page on which users change their passwords limits guesses as the log-in does."""

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.urls import reverse

from tests.backoffice.log_in.conftest import PASSWORD, log_in

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:password_change")
NEW = "quite another password 2"
TWICE = {"password1": NEW, "password2": NEW, "usable_password": "true"}
ADDRESS = "192.0.2.7"


@pytest.fixture
def browser(at):
    """A browser that was left logged in."""
    browser = at(ADDRESS)
    assert log_in(browser) == 302
    return browser


def change(browser, old: str) -> int:
    """Send the page's form, and return the status of the answer: 302 after a change."""
    answer = browser.post(PAGE, {"old_password": old, "new_password1": NEW, "new_password2": NEW})
    return int(answer.status_code)


def test_a_password_is_changed_and_its_session_goes_on(browser, ada):
    assert change(browser, PASSWORD) == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert browser.get(PAGE).status_code == 200


def test_after_five_guesses_at_a_browser_left_logged_in_no_more_are_checked(browser, ada):
    assert [change(browser, f"guess {number}") for number in range(4)] == [200] * 4
    assert [change(browser, "guess 5"), change(browser, PASSWORD)] == [429, 429]
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_what_is_typed_is_kept_nowhere(browser):
    assert change(browser, "nearly the right one") == 200
    kept = str(list(AccessAttempt.objects.values()))
    assert "ada" in kept
    assert not [each for each in ("nearly the right one", NEW) if each.partition(" ")[0] in kept]


def test_the_user_of_the_page_is_not_locked_out_elsewhere(browser, at):
    elsewhere = at("198.51.100.8")
    assert log_in(elsewhere) == 302
    assert [change(browser, f"guess {number}") for number in range(5)][-1] == 429
    assert change(elsewhere, PASSWORD) == 302


def stays(browser) -> bool:
    return int(browser.get(PAGE).status_code) == 200


def test_users_are_told_before_they_change_their_password_that_it_logs_them_out_elsewhere(browser, at):
    elsewhere = at("198.51.100.8")
    assert log_in(elsewhere) == 302
    page = browser.get(PAGE).content.decode()
    assert "logs you out everywhere else at once" in page
    assert "You stay logged in here." in page
    assert change(browser, PASSWORD) == 302
    assert (stays(browser), stays(elsewhere)) == (True, False)


def test_superusers_are_told_that_a_new_password_logs_another_user_out(browser, at):
    grace = User.objects.create_superuser("grace", password=PASSWORD)
    elsewhere = at("198.51.100.8")
    assert log_in(elsewhere, name="grace") == 302
    page = reverse("admin:auth_user_password_change", args=[grace.pk])
    assert "logs this user out everywhere at once" in browser.get(page).content.decode()
    assert browser.post(page, TWICE).status_code == 302
    assert (stays(browser), stays(elsewhere)) == (True, False)


def test_superusers_stay_logged_in_where_they_set_their_own_password(browser, at, ada):
    elsewhere = at("198.51.100.8")
    assert log_in(elsewhere) == 302
    page = reverse("admin:auth_user_password_change", args=[ada.pk])
    shown = browser.get(page).content.decode()
    assert ("You stay logged in here." in shown, "logs this user out" in shown) == (True, False)
    assert browser.post(page, TWICE).status_code == 302
    assert (stays(browser), stays(elsewhere)) == (True, False)
