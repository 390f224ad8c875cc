"""`manage.py reconcile`."""

import json

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import InterfaceError, connection
from django.utils import timezone

from checkout.errors import ProviderUnavailable
from checkout.money import Money
from checkout.payments.models import Attempt, Difference
from checkout.states import AttemptState
from tests.reconciliation.conftest import PAID


def test_it_prints_what_it_compared_when_the_books_agree(paid, capsys):
    paid()
    call_command("reconcile")
    assert capsys.readouterr().out == (
        "twin: 1 payment compared, 0 differences; 0 in progress, 0 orders not told by the provider, "
        "0 questions unanswered.\n"
    )


def test_it_prints_every_difference_and_exits_with_1(paid, capsys):
    purchase = paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    assert ended.value.code == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert f"{purchase.attempt.order_code}  authorised: ours £0.00, theirs £12.50" in line
    assert purchase.payment.reference in line
    assert line.endswith(" UTC")


def test_each_sum_is_printed_in_its_own_currency(paid, capsys):
    purchase = paid()
    purchase.order.amount = Money(PAID, "JPY")
    purchase.order.captured = purchase.order.refunded = purchase.order.charged_back = Money(0, "JPY")
    with pytest.raises(SystemExit):
        call_command("reconcile")
    assert "currency: ours £12.50, theirs ¥1,250" in capsys.readouterr().out


def test_a_difference_is_printed_until_the_books_agree(paid, books, capsys):
    purchase = paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    with pytest.raises(SystemExit):
        call_command("reconcile")
    books.scenarios.answer("inquire", ProviderUnavailable("No connection."))
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    assert ended.value.code == 1
    assert capsys.readouterr().out.count(f"{purchase.attempt.order_code}  authorised: ours £0.00") == 2
    Difference.objects.update(dealt_with_at=timezone.now())
    call_command("reconcile")
    assert purchase.attempt.order_code not in capsys.readouterr().out


def test_it_prints_one_json_object(paid, capsys):
    purchase = paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    with pytest.raises(SystemExit):
        call_command("reconcile", "--json")
    (account,) = json.loads(capsys.readouterr().out)["accounts"]
    (difference,) = account.pop("differences")
    assert account == {"account": "twin", "compared": 1, "in_progress": 0, "untold": 0, "unanswered": 0}
    assert difference.pop("found_at")
    assert difference == {
        "order_code": purchase.attempt.order_code,
        "payment": purchase.payment.reference,
        "kind": "authorised",
        "currency": "GBP",
        "ours_minor": 0,
        "theirs_minor": PAID,
    }


def test_it_exits_with_2_when_the_provider_does_not_answer(paid, books):
    paid()
    books.scenarios.answer("inquire", ProviderUnavailable("No connection."))
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile")
    assert ended.value.code == 2


def test_it_exits_with_2_when_our_own_books_cannot_be_read(account):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_reconciliation RENAME TO elsewhere")
    with pytest.raises(CommandError, match="Our books cannot be read") as refused:
        call_command("reconcile")
    assert refused.value.returncode == 2


def test_it_exits_with_2_when_the_connection_breaks(paid, books):
    paid()
    books.scenarios.answer("inquire", InterfaceError("the connection is closed"))
    with pytest.raises(CommandError, match="Our books cannot be read") as refused:
        call_command("reconcile")
    assert refused.value.returncode == 2


def test_a_faulty_setting_is_no_difference():
    """Django would end the command with 1 before it has begun."""
    assert not load_command_class("checkout", "reconcile").requires_system_checks


@pytest.mark.django_db
def test_without_an_account_it_says_that_nothing_was_compared(capsys):
    call_command("reconcile")
    assert "no provider account" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--account", "nobody"],
        ["--account", ""],
        ["--since", ""],
        ["--account", "\udcff"],
        ["--since", "yesterday"],
        ["--since", "0026-11-25"],
        ["--since", "0001-01-01T00:00+14:00"],
        ["--since", "9999-12-31T23:00-10:00"],
        ["--since", "9999-12-31"],
    ],
)
def test_what_is_not_understood_is_refused(account, arguments):
    with pytest.raises(CommandError) as refused:
        call_command("reconcile", *arguments)
    assert refused.value.returncode == 2


@pytest.mark.parametrize("since", ["2026-11-25", "2026-11-25T10:00:00Z", "2026-11-25T10:00:00+02:00"])
def test_times_are_taken_with_and_without_a_zone(account, since, capsys):
    call_command("reconcile", "--since", since, "--account", "twin")
    assert "0 differences" in capsys.readouterr().out
