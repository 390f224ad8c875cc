"""A page that asks for a confirmation stays open for an hour before its button is pressed."""

import re
from html import unescape

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from checkout.payments.actions import deal_with_dead_letter, requeue_dead_letter, set_attack_mode
from checkout.payments.models import (
    DeadLetter,
    Difference,
    Merchant,
    OutboxMessage,
    ProviderNotification,
    Saga,
)
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db

LETTERS = reverse("admin:payments_deadletter_changelist")


def address(row, page):
    return reverse(f"admin:payments_{row._meta.model_name}_{page}", args=[row.pk])


def fields_of(page):
    """Return the hidden fields of a page, as its button sends them."""
    fields = re.findall(
        r'<input type="hidden" name="([^"]+)" value="([^"]*)">', unescape(page.content.decode())
    )
    return {name: [value for each, value in fields if each == name] for name, _ in fields}


def opened(client, row, page):
    """Open the page of an action, and return what its button will send."""
    return {**fields_of(client.get(address(row, page))), "reason": "It is fine"}


def dead_letter(**fields):
    return rows.dead_letter(rows.payment("DEAD").reference, queue="checkout.commands.ledger", **fields)


def died_again(letter):
    """Let the message be sent again, and become a dead letter again for another reason."""
    requeue_dead_letter(letter.pk, by="bob")
    DeadLetter.objects.update(copies=F("copies") + 1, requeued_at=None, requeued_by="", reason="not readable")


def parked_elsewhere(saga):
    Saga.objects.filter(pk=saga.pk).update(step="unpaid", version=F("version") + 1)


CASES = pytest.mark.parametrize(
    ("make", "page", "change"),
    [
        (dead_letter, "requeue", lambda row: deal_with_dead_letter(row.pk, by="bob", note="Booked by hand")),
        (dead_letter, "deal_with", died_again),
        (
            lambda: rows.difference(rows.payment("DIFFERS")),
            "deal_with",
            lambda row: Difference.objects.update(theirs_minor=0),
        ),
        (
            lambda: rows.notification(None, "unmatched"),
            "deal_with",
            lambda row: ProviderNotification.objects.update(state="conflicted"),
        ),
        (
            lambda: rows.saga(rows.payment("PARKED", PaymentState.AUTHORISED), Saga.Status.PARKED),
            "resume",
            parked_elsewhere,
        ),
        (
            rows.merchant,
            "attack_mode_off",
            lambda row: set_attack_mode(row.pk, Merchant.AttackMode.ON, by="bob", reason="Stolen cards"),
        ),
    ],
)


@CASES
def test_a_button_whose_page_has_become_untrue_does_nothing_and_leads_to_the_row(
    admin_client, make, page, change
):
    row = make()
    form = opened(admin_client, row, page)
    change(row)
    before = (type(row).objects.values().get(), OutboxMessage.objects.count())
    response = admin_client.post(address(row, page), form)
    assert response["Location"] == address(row, "change")
    assert "has changed since you opened that page" in told(response)[-1]
    assert (type(row).objects.values().get(), OutboxMessage.objects.count()) == before
    assert not entries().exists()


@CASES
def test_a_button_whose_page_is_opened_again_does_what_it_says(admin_client, make, page, change):
    row = make()
    change(row)
    response = admin_client.post(address(row, page), opened(admin_client, row, page))
    assert "Nothing" not in told(response)[-1]
    assert entries().count() == 1


def select(client, *letters):
    selected = [each.pk for each in letters]
    return client.post(LETTERS, {"action": "requeue_selected", "_selected_action": selected})


def test_letters_of_which_a_colleague_has_dealt_with_one_are_asked_about_again(admin_client):
    letters = [rows.dead_letter(queue="checkout.commands.ledger") for _ in range(2)]
    form = fields_of(select(admin_client, *letters))
    deal_with_dead_letter(letters[0].pk, by="bob", note="Booked by hand")
    asked = admin_client.post(LETTERS, form)
    assert "Some have changed since they were listed. Nothing was sent." in asked.content.decode()
    assert "1 of them was marked as dealt with" in asked.content.decode()
    assert not OutboxMessage.objects.exists()
    admin_client.post(LETTERS, fields_of(asked))
    assert OutboxMessage.objects.count() == 2


def test_letters_that_have_not_changed_are_sent_again_as_they_were_listed(admin_client):
    letter = rows.dead_letter(queue="checkout.commands.ledger", died_at=timezone.now())
    admin_client.post(LETTERS, fields_of(select(admin_client, letter)))
    assert DeadLetter.objects.get().requeued_by == "admin"
