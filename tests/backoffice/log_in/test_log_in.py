"""Guessing passwords is slow, locks no user out for long, and is recorded."""

from datetime import timedelta

import pytest
import structlog
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.log_in.log_in import client_address
from tests.backoffice.log_in.conftest import HOME, LOG_IN, PASSWORD, log_in

STRANGER, OFFICE, ELSEWHERE = "203.0.113.9", "192.0.2.7", "198.51.100.1"
LOCKED = 429


def guess(at, address: str, times: int = 5, *, name: str = "ada") -> list[int]:
    return [log_in(at(address), f"guess {number}", name=name) for number in range(times)]


def test_after_five_failures_from_an_address_it_guesses_no_more_for_any_name(at):
    assert guess(at, STRANGER) == [200, 200, 200, 200, LOCKED]
    User.objects.create_superuser("bob", password=PASSWORD)
    assert log_in(at(STRANGER), name="bob") == LOCKED


def test_failures_for_one_name_count_together_whatever_addresses_they_come_from(at):
    for number in range(5):
        guess(at, f"203.0.113.{number}", 1)
    assert log_in(at(STRANGER)) == LOCKED
    User.objects.create_superuser("bob", password=PASSWORD)
    assert log_in(at(STRANGER), name="bob") == 302


def test_a_stranger_cannot_keep_staff_out_from_where_they_have_logged_in_before(at):
    assert log_in(at(OFFICE)) == 302
    for number in range(6):
        guess(at, f"203.0.113.{number}", 1)
    assert log_in(at(ELSEWHERE)) == LOCKED
    assert log_in(at(OFFICE)) == 302


def test_guessing_at_the_office_itself_is_counted_too(at):
    log_in(at(OFFICE))
    assert guess(at, OFFICE)[-1] == LOCKED
    assert log_in(at(OFFICE)) == LOCKED


def test_the_lock_ends_a_quarter_of_an_hour_after_the_last_failure_that_counted(at):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        guess(at, STRANGER)
    with time_machine.travel(now + timedelta(minutes=14), tick=False):
        assert guess(at, STRANGER, 3) == [LOCKED] * 3, "and whoever goes on does not make it longer"
        assert log_in(at(ELSEWHERE)) == LOCKED
    with time_machine.travel(now + timedelta(minutes=15, seconds=1), tick=False):
        assert log_in(at(ELSEWHERE)) == 302


def test_who_is_locked_out_is_told_for_how_long_and_what_to_do(at):
    guess(at, STRANGER, 4)
    answer = at(STRANGER).post(LOG_IN, {"username": "ada", "password": "guess"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (LOCKED, "900")
    assert "is not possible for up to 15 minutes" in answer.content.decode()


def test_the_right_password_of_a_locked_name_is_not_told_from_a_wrong_one(at):
    guess(at, STRANGER)
    right, wrong = (
        at(STRANGER).post(LOG_IN, {"username": "ada", "password": password}) for password in (PASSWORD, "x")
    )
    assert right.content == wrong.content


def test_a_log_in_forgets_the_failures_of_that_user_at_that_address_only(at):
    guess(at, OFFICE, 3)
    guess(at, STRANGER, 1)
    log_in(at(OFFICE))
    assert [attempt.ip_address for attempt in AccessAttempt.objects.all()] == [STRANGER]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", None),
        ("unix:", None),
    ],
)
def test_a_client_is_what_it_is_for_every_other_limit(rf, address, counted):
    assert client_address(rf.get("/", REMOTE_ADDR=address)) == counted


def test_what_a_client_says_of_its_address_does_not_count(at):
    for number in range(5):
        at(STRANGER).post(
            LOG_IN,
            {"username": "ada", "password": "guess"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
    assert {attempt.ip_address for attempt in AccessAttempt.objects.all()} == {STRANGER}
    assert log_in(at(STRANGER)) == LOCKED


def test_log_ins_failures_and_log_outs_are_in_the_log_without_what_was_typed(at):
    browser = at(OFFICE)
    with structlog.testing.capture_logs() as lines:
        log_in(browser)
        browser.post(reverse("admin:logout"))
        log_in(browser, "hunter2-typed-wrongly")
        log_in(browser, name="hunter2-typed-as-a-name")
    told = [(line["event"], line["user"], line["address"]) for line in lines if "user" in line]
    assert told == [
        ("logged in", "ada", OFFICE),
        ("logged out", "ada", OFFICE),
        ("log-in failed", "ada", OFFICE),
        ("log-in failed", "unknown", OFFICE),
    ]
    assert "hunter2" not in str(lines)


def test_nothing_that_was_typed_is_stored_but_the_names_of_users(at, caplog):
    guess(at, STRANGER, 1)
    log_in(at(STRANGER), "hunter2", name="hunter2-typed-as-a-name")
    stored = str(list(AccessAttempt.objects.values()))
    assert "'ada'" in stored
    assert "hunter2" not in stored
    assert "guess" not in stored
    assert "hunter2" not in caplog.text


def test_the_log_says_that_a_name_is_locked(at):
    with structlog.testing.capture_logs() as lines:
        guess(at, STRANGER)
    assert [line["is_locked"] for line in lines if line["event"] == "log-in failed"] == [False] * 4 + [True]


def test_somebody_who_has_the_right_to_can_let_a_name_in_again(at):
    guess(at, STRANGER)
    call_command("axes_reset_username", "ada")
    assert log_in(at(ELSEWHERE)) == 302
    assert AccessLog.objects.filter(username="ada").count() == 1


def test_shoppers_are_not_touched_by_any_of_it(at):
    guess(at, STRANGER)
    assert at(STRANGER).get(HOME).status_code == 302
