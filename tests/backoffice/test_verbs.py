"""Cancelling a payment, resuming a parked saga, requeueing: each has a confirmation page with one button."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.pages import dead_letters
from checkout.backoffice.pages.dead_letters import REQUEUE
from checkout.payments.models import DeadLetter, Fact, OutboxMessage, Payment, Saga, SavedCard
from checkout.payments.providers.saved_cards import IssuedToken
from checkout.states import PaymentState
from messaging.dead_letters.letter import ALTERED
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries, is_about

pytestmark = pytest.mark.django_db


def parked_saga():
    return rows.saga(rows.payment("PARKED", PaymentState.AUTHORISED), Saga.Status.PARKED)


def open_payment():
    return rows.payment("OPEN")


def conflicted_payment():
    row = rows.payment("CONFLICTED", PaymentState.CONFLICTED)
    rows.attempt(row, state="conflicted")
    return row


def dead_letter():
    return rows.dead_letter(rows.payment("DEAD").reference, queue="checkout.commands.ledger")


CASES = pytest.mark.parametrize(
    ("make", "model", "verb", "label", "command"),
    [
        (open_payment, "payment", "cancel", "Cancel payment", "checkout.announce_payment"),
        (conflicted_payment, "payment", "review", "Ask the provider again", "checkout.review_payment"),
        (parked_saga, "saga", "resume", "Try again", "checkout.resume_saga"),
        (dead_letter, "deadletter", "requeue", "Requeue", "ledger.post"),
    ],
)


def address(model, page, row):
    return reverse(f"admin:payments_{model}_{page}", args=[row.pk])


@CASES
def test_who_may_not_see_a_row_may_do_nothing_with_it(staff_client, make, model, verb, label, command):
    row = make()
    client = staff_client(f"{verb}_{model}")
    assert client.get(address(model, verb, row)).status_code == 403
    assert client.post(address(model, verb, row)).status_code == 403
    assert not OutboxMessage.objects.exists()


@CASES
def test_it_is_offered_on_the_rows_page_to_who_may_do_it(staff_client, make, model, verb, label, command):
    row = make()
    page = staff_client(f"view_{model}", f"{verb}_{model}").get(address(model, "change", row))
    assert f'<a href="{address(model, verb, row)}">{label}</a>' in page.content.decode()


@CASES
def test_who_may_only_look_is_neither_offered_it_nor_obeyed(staff_client, make, model, verb, label, command):
    row = make()
    client = staff_client(f"view_{model}")
    assert address(model, verb, row) not in client.get(address(model, "change", row)).content.decode()
    assert client.get(address(model, verb, row)).status_code == 403
    assert client.post(address(model, verb, row)).status_code == 403
    assert not OutboxMessage.objects.exists()


@CASES
def test_to_ask_about_it_changes_nothing(admin_client, make, model, verb, label, command):
    row = make()
    page = admin_client.get(address(model, verb, row))
    assert f">{label}</button>" in page.content.decode()
    assert f"<dd>{row}</dd>" in page.content.decode(), "the page names the row"
    assert not OutboxMessage.objects.exists()


@CASES
def test_it_is_done_in_the_users_name_and_leads_back_to_the_row(
    staff_client, make, model, verb, label, command
):
    row = make()
    client = staff_client(f"view_{model}", f"{verb}_{model}")
    response = client.post(address(model, verb, row), {"reason": "The bank called"})
    assert (response.status_code, response["Location"]) == (302, address(model, "change", row))
    assert OutboxMessage.objects.filter(type=command).count() == 1
    assert Fact.objects.get().data["by"] == "staff"
    entry = entries().get()
    assert is_about(entry, row)
    assert (entry.by, entry.what) == ("staff", label)


def saved_card():
    card = SavedCard.of(
        rows.attempt(rows.payment("SAVED")),
        IssuedToken(token="kept-token", brand="visa", last4="1111", expiry="12/2030"),
    )
    card.save()
    return card


def test_a_saved_card_is_removed_in_the_users_name(staff_client):
    card = saved_card()
    client = staff_client("view_savedcard", "remove_savedcard")
    page = client.get(address("savedcard", "change", card)).content.decode()
    assert f'<a href="{address("savedcard", "remove", card)}">Remove</a>' in page
    client.get(address("savedcard", "remove", card))
    card.refresh_from_db()
    assert card.state == "active", "a page that is opened changes nothing"
    assert told(client.post(address("savedcard", "remove", card)))[-1].startswith("Removed")
    card.refresh_from_db()
    assert (card.state, card.sealed_token, card.removed_by) == ("removed", "", "staff")
    assert entries().get().what == "Remove"
    assert "removed before" in told(client.post(address("savedcard", "remove", card)))[-1]


def test_the_page_of_a_card_tells_the_fate_of_its_token_without_the_token(staff_client):
    card = saved_card()
    client = staff_client("view_savedcard")

    def page():
        card.save()
        return client.get(address("savedcard", "change", card)).content.decode()

    assert "to be deleted" not in page()
    card.remove("ada")
    assert "to be deleted; asked 0 times" in page()
    card.deletion_tries = 1
    assert "to be deleted; asked 1 time<" in page()
    assert "kept-token" not in page() + card.token_to_delete
    assert card.token_to_delete not in page()
    card.deletion_due_at = None
    assert "not deleted: see the failed steps" in page()
    card.end_deletion()
    card.deleted_at = card.removed_at
    assert ">deleted<" in page()


def test_who_may_only_look_removes_no_saved_card(staff_client):
    card = saved_card()
    client = staff_client("view_savedcard", "cancel_payment")
    page = client.get(address("savedcard", "change", card)).content.decode()
    assert address("savedcard", "remove", card) not in page
    assert client.post(address("savedcard", "remove", card)).status_code == 403
    card.refresh_from_db()
    assert card.state == "active"


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (dead_letter, "deadletter"),
        (lambda: rows.notification(rows.payment("LIED"), "conflicted"), "providernotification"),
        (lambda: rows.difference(rows.payment("DIFFERS")), "difference"),
    ],
)
def test_what_waits_is_marked_as_dealt_with_by_who_may_do_it(staff_client, make, model):
    row = make()
    client = staff_client(f"view_{model}", f"deal_with_{model}")
    page = client.get(address(model, "change", row)).content.decode()
    assert f'<a href="{address(model, "deal_with", row)}">Mark as dealt with</a>' in page
    client.post(address(model, "deal_with", row), {"reason": "Looked into"})
    row.refresh_from_db()
    assert (row.dealt_with_by, row.dealt_with_note) == ("staff", "Looked into")
    assert address(model, "deal_with", row) not in client.get(address(model, "change", row)).content.decode()
    assert Fact.objects.get().data["note"] == "Looked into"
    assert entries().get().what == "Mark as dealt with"


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (dead_letter, "deadletter"),
        (lambda: rows.notification(None, "unmatched"), "providernotification"),
        (lambda: rows.difference(rows.payment("DIFFERS")), "difference"),
    ],
)
def test_who_may_only_look_marks_nothing(staff_client, make, model):
    row = make()
    client = staff_client(f"view_{model}")
    assert client.post(address(model, "deal_with", row), {"reason": "x"}).status_code == 403
    row.refresh_from_db()
    assert row.dealt_with_at is None


def test_what_has_to_be_explained_is_not_done_without_a_reason(admin_client):
    payment = conflicted_payment()
    page = admin_client.post(address("payment", "review", payment), {"reason": " "})
    assert "Please give a reason" in page.content.decode()
    assert not OutboxMessage.objects.exists()
    admin_client.post(address("payment", "review", payment), {"reason": "The bank called"})
    assert Fact.objects.get().data == {"by": "admin", "reason": "The bank called"}


def test_only_a_conflicted_payment_is_reviewed(admin_client):
    payment = rows.captured()
    response = admin_client.post(address("payment", "review", payment), {"reason": "Why not"})
    assert told(response) == [
        "Ask the provider again: only a conflicted payment can be settled so. Nothing was changed."
    ]
    assert not OutboxMessage.objects.exists()


def test_a_payment_is_cancelled_once(admin_client):
    payment = open_payment()
    first, second = (admin_client.post(address("payment", "cancel", payment)) for _ in range(2))
    assert Payment.objects.get().state == PaymentState.CANCELLED
    assert payment.facts.count() == 1
    assert first["Location"] == second["Location"]
    why = "the payment is paid, about to be paid, or has ended. Nothing was changed."
    assert told(second)[-1] == f"Cancel payment: {why}"


def test_a_saga_that_runs_is_not_tried_again(admin_client):
    saga = rows.saga(rows.payment("RUNNING", PaymentState.AUTHORISED))
    response = admin_client.post(address("saga", "resume", saga))
    assert told(response) == ["Try again: only a parked saga can be tried again. Nothing was changed."]
    assert not OutboxMessage.objects.exists()


def test_a_dead_letter_that_cannot_be_sent_again_says_why_and_stays(admin_client):
    letter = rows.dead_letter(queue="checkout.commands.ledger", headers={ALTERED: "digest"})
    response = admin_client.post(address("deadletter", "requeue", letter))
    assert told(response) == [
        "Requeue: this message cannot be sent again, and its page says why. Nothing was changed."
    ]
    page = admin_client.get(response["Location"]).content.decode()
    assert "This message could not be read, so only its size and digest were stored." in page
    assert DeadLetter.objects.get().requeued_at is None
    assert not entries().exists()


def test_a_dead_letter_that_proves_no_sender_is_not_offered_and_its_page_says_what_to_do(
    admin_client, settings
):
    settings.MESSAGING_SINGLE_BROKER_USER = False
    letter = dead_letter()
    page = admin_client.get(address("deadletter", "change", letter)).content.decode()
    assert address("deadletter", "requeue", letter) not in page
    assert "The sender of this message is not proven" in page
    assert "a parked saga can be tried again on its page" in page
    assert address("deadletter", "deal_with", letter) in page
    [reason] = told(requeue_selected(admin_client, letter))
    assert "The sender of this message is not proven" in reason
    assert not OutboxMessage.objects.exists()


LETTERS = reverse("admin:payments_deadletter_changelist")


def select_for_requeueing(client, *letters, **fields):
    """Choose the action in the list. The answer is the page that asks for a confirmation."""
    selected = {"action": "requeue_selected", "_selected_action": [letter.pk for letter in letters]}
    return client.post(LETTERS, {**selected, **fields})


def requeue_selected(client, *letters):
    """Confirm the action as its page does."""
    page = select_for_requeueing(client, *letters, index="0").content.decode()
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    form = {name: [value for each, value in fields if each == name] for name, _ in fields}
    return client.post(LETTERS, form)


def test_several_dead_letters_are_named_before_they_are_sent_again(admin_client):
    letters = [rows.dead_letter(queue="checkout.commands.ledger") for _ in range(2)]
    letters.append(rows.dead_letter(queue="checkout.commands.orders", type="orders.release"))
    page = select_for_requeueing(admin_client, *letters, index="0").content.decode()
    assert "3 dead letters" in page
    assert re.search(r"<dt>ledger.post</dt>\s*<dd>2</dd>", page)
    assert re.search(r"<dt>orders.release</dt>\s*<dd>1</dd>", page)
    assert REQUEUE.explanation in page
    assert not OutboxMessage.objects.exists()
    requeue_selected(admin_client, *letters)
    assert OutboxMessage.objects.count() == 3


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1 of them cannot be sent again, and stays as it is. Its page says why."),
        (2, "2 of them cannot be sent again, and stay as they are. Their pages say why."),
    ],
)
def test_dead_letters_that_cannot_be_sent_again_are_counted_before(admin_client, number, text):
    done = [rows.dead_letter(requeued_at=timezone.now(), requeued_by="ann") for _ in range(number)]
    waiting = rows.dead_letter(queue="checkout.commands.ledger")
    assert text in select_for_requeueing(admin_client, *done, waiting, index="0").content.decode()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "It cannot be sent again, and stays as it is. Its page says why."),
        (2, "None of them can be sent again, and they stay as they are. Their pages say why."),
    ],
)
def test_letters_of_which_none_can_be_sent_again_are_not_counted_twice(admin_client, number, text):
    done = [rows.dead_letter(requeued_at=timezone.now(), requeued_by="ann") for _ in range(number)]
    assert text in select_for_requeueing(admin_client, *done, index="0").content.decode()


def test_letters_of_which_none_can_be_sent_again_have_no_button(admin_client):
    done = rows.dead_letter(requeued_at=timezone.now(), requeued_by="ann")
    button = ">Requeue the selected dead letters</button>"
    assert button not in select_for_requeueing(admin_client, done, index="0").content.decode()
    waiting = rows.dead_letter(queue="checkout.commands.ledger")
    assert button in select_for_requeueing(admin_client, done, waiting, index="0").content.decode()


def test_all_dead_letters_of_the_list_are_named_and_sent_again_not_only_those_of_its_page(admin_client):
    letters = [rows.dead_letter(queue="checkout.commands.ledger") for _ in range(3)]
    page = select_for_requeueing(admin_client, letters[0], index="0", select_across="1").content.decode()
    assert "3 dead letters" in page
    assert page.count('name="_selected_action"') == 3


def test_more_dead_letters_than_a_form_has_fields_are_not_sent_again_at_once(admin_client, monkeypatch):
    monkeypatch.setattr(dead_letters, "MOST_AT_ONCE", 2)
    letters = [rows.dead_letter(queue="checkout.commands.ledger") for _ in range(3)]
    refused = select_for_requeueing(admin_client, *letters, index="0")
    assert "at most 2" in told(refused)[0]
    assert not OutboxMessage.objects.exists()


def test_several_dead_letters_are_sent_again_each_for_itself(admin_client):
    fine = [rows.dead_letter(queue="checkout.commands.ledger") for _ in range(2)]
    done = rows.dead_letter(requeued_at=timezone.now(), requeued_by="ann")
    response = requeue_selected(admin_client, *fine, done)
    assert sorted(told(response)) == [
        "Sent again: 2.",
        f"{done}: not sent again. ann has sent this message again already.",
    ]
    assert OutboxMessage.objects.count() == 2


def test_who_may_only_look_cannot_send_several_again(staff_client):
    client = staff_client("view_deadletter")
    select_for_requeueing(client, rows.dead_letter(queue="checkout.commands.ledger"), confirmed="yes")
    assert not OutboxMessage.objects.exists()


def test_a_row_that_does_not_exist_is_not_an_error(admin_client):
    for model, verb in (("payment", "cancel"), ("saga", "resume")):
        response = admin_client.get(reverse(f"admin:payments_{model}_{verb}", args=[4711]))
        assert response["Location"] == reverse("admin:index")
