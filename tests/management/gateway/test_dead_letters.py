"""Dead letters on the command line: the same rules as in the back office."""

import pytest
from django.core.management import CommandError

from checkout.payments.models import DeadLetter, OutboxMessage
from messaging.outbox.models import enqueue
from tests.management.gateway.conftest import Gateway, as_json

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(ada: str) -> DeadLetter:
    row = enqueue(OutboxMessage, "risk", "risk.assess", {}, subject="pay_1")
    return DeadLetter.objects.create(
        fingerprint="1",
        message_id=row.message_id,
        type="risk.assess",
        queue="checkout.commands.risk",
        subject="pay_1",
        reason="10 attempts failed",
        body='{"payment": "pay_1"}',
    )


def test_dead_letters_that_wait_are_listed(gateway: Gateway, letter: DeadLetter):
    _, output = gateway("dead-letters", "list")
    assert output.splitlines()[1].split()[0] == str(letter.pk)
    assert "risk.assess  pay_1  10 attempts failed" in output
    assert f"{letter.died_at:%Y-%m-%d %H:%M}" in output
    assert as_json(gateway("dead-letters", "list", "--json")[1])["dead_letters"][0]["number"] == letter.pk


def test_dead_letters_that_are_left_out_are_counted(gateway: Gateway, letter: DeadLetter):
    for number in range(51):
        letter.pk, letter.fingerprint = None, f"another {number}"
        letter.save(force_insert=True)
    told = as_json(gateway("dead-letters", "list", "--json")[1])
    assert (len(told["dead_letters"]), told["left_out"]) == (50, 2)
    assert gateway("dead-letters", "list")[1].endswith("… and 2 more.\n")


def test_one_is_shown_with_what_can_be_done(gateway: Gateway, letter: DeadLetter):
    _, output = gateway("dead-letters", "show", str(letter.pk))
    assert '{"payment": "pay_1"}' in output
    assert "It can be sent again" in output


def test_one_is_sent_again_once(gateway: Gateway, letter: DeadLetter):
    assert "Sent again" in gateway("dead-letters", "requeue", str(letter.pk), "--by", "ada")[1]
    letter.refresh_from_db()
    assert letter.requeued_by == "ada"
    with pytest.raises(CommandError, match="ada has sent this message again already"):
        gateway("dead-letters", "requeue", str(letter.pk), "--by", "ada")
    assert "No dead letter waits" in gateway("dead-letters", "list")[1]
    assert "  sent again  risk.assess" in gateway("dead-letters", "list", "--all")[1]


def test_one_is_dealt_with_for_a_reason(gateway: Gateway, letter: DeadLetter):
    gateway("dead-letters", "deal-with", str(letter.pk), "--by", "ada", "--reason", "Nobody needs it.")
    letter.refresh_from_db()
    assert (letter.dealt_with_by, letter.dealt_with_note) == ("ada", "Nobody needs it.")
    assert "  dealt with  risk.assess" in gateway("dead-letters", "list", "--all")[1]


@pytest.mark.parametrize("reason", ["", " \t"])
def test_a_reason_is_a_text(gateway: Gateway, letter: DeadLetter, reason: str):
    with pytest.raises(CommandError, match="Say why"):
        gateway("dead-letters", "deal-with", str(letter.pk), "--by", "ada", "--reason", reason)
    letter.refresh_from_db()
    assert letter.dealt_with_at is None


@pytest.mark.parametrize("verb", [["requeue"], ["deal-with", "--reason", "x"]])
def test_who_may_not_do_it_in_the_back_office_may_not_here(
    gateway: Gateway, letter: DeadLetter, verb: list[str]
):
    with pytest.raises(CommandError, match="bob may not do this: the permission payments"):
        gateway("dead-letters", verb[0], str(letter.pk), "--by", "bob", *verb[1:])


def test_there_is_no_such_letter(gateway: Gateway, ada: str):
    with pytest.raises(CommandError, match="no such dead letter"):
        gateway("dead-letters", "show", "17")
