"""Rows that wait for staff are marked as dealt with once, with the person, time and note."""

import pytest
from django.utils import timezone

from checkout.errors import OperationRejected
from checkout.payments.actions import (
    deal_with_dead_letter,
    deal_with_difference,
    deal_with_notification,
    requeue_dead_letter,
)
from checkout.payments.dead_letters import keep
from checkout.payments.models import DeadLetter, Fact, ProviderNotification
from messaging.envelope import Envelope
from tests.backoffice import rows

pytestmark = pytest.mark.django_db


def test_a_dead_letter_says_who_dealt_with_it_when_and_how(db):
    payment = rows.payment("ORDER-1")
    letter = rows.dead_letter(payment.reference)
    deal_with_dead_letter(letter.pk, by="ann", note="Booked by hand, card 4444333322221111")
    letter.refresh_from_db()
    assert letter.dealt_with_at is not None
    assert letter.dealt_with_by == "ann"
    assert letter.dealt_with_note.startswith("Booked by hand")
    assert "4444333322221111" not in letter.dealt_with_note
    fact = Fact.objects.get(kind="dead_letter_dealt_with")
    assert (fact.payment, fact.data["by"], fact.data["about"]) == (payment, "ann", "ledger.post")


@pytest.mark.parametrize("state", ["unmatched", "conflicted", "unreadable"])
def test_a_notification_is_dealt_with_once_and_looked_at_no_more(state):
    payment = rows.payment("ORDER-1")
    row = rows.notification(payment, state)
    ProviderNotification.objects.update(next_try_at=row.received_at)
    deal_with_notification(row.pk, by="ann", note="Forged")
    row.refresh_from_db()
    assert (row.dealt_with_by, row.dealt_with_note, row.next_try_at) == ("ann", "Forged", None)
    assert (row.state, Fact.objects.get().kind) == (state, "notification_dealt_with")
    with pytest.raises(OperationRejected, match="ann has dealt with it"):
        deal_with_notification(row.pk, by="bob", note="Me too")


def test_a_difference_says_who_dealt_with_it_once_and_how():
    payment = rows.payment("ORDER-1")
    row = rows.difference(payment)
    deal_with_difference(row.pk, by="ann", note="The provider paid it back, card 4444333322221111")
    row.refresh_from_db()
    assert (row.dealt_with_by, row.resolved_at) == ("ann", None)
    assert "4444333322221111" not in row.dealt_with_note
    fact = Fact.objects.get(kind="difference_dealt_with")
    assert (fact.payment, fact.data["by"], fact.data["about"]) == (payment, "ann", "captured")
    with pytest.raises(OperationRejected, match="ann has dealt with it"):
        deal_with_difference(row.pk, by="bob", note="Me too")


def test_an_unknown_order_is_dealt_with_though_it_has_no_payment():
    row = rows.difference(rows.payment("ORDER-1"), "order")
    type(row).objects.update(payment=None)
    deal_with_difference(row.pk, by="ann", note="Taken at a till")
    row.refresh_from_db()
    assert row.dealt_with_note == "Taken at a till"
    assert not Fact.objects.exists()


def test_what_waits_for_nobody_cannot_be_dealt_with():
    applied = rows.notification(None, "applied")
    with pytest.raises(OperationRejected, match="applied"):
        deal_with_notification(applied.pk, by="ann", note="")
    with pytest.raises(OperationRejected):
        deal_with_notification(0, by="ann", note="")
    with pytest.raises(OperationRejected):
        deal_with_dead_letter(0, by="ann", note="")
    with pytest.raises(OperationRejected):
        deal_with_difference(0, by="ann", note="")
    resolved = rows.difference(rows.payment("ORDER-1"), resolved_at=timezone.now())
    with pytest.raises(OperationRejected, match="agree"):
        deal_with_difference(resolved.pk, by="ann", note="")
    letter = rows.dead_letter(queue="checkout.commands.ledger")
    requeue_dead_letter(letter.pk, by="bob")
    with pytest.raises(OperationRejected, match="bob"):
        deal_with_dead_letter(letter.pk, by="ann", note="")


def test_a_message_that_dies_again_waits_again():
    dead = Envelope(type="ledger.post", body=b"{}", message_id="m-1")
    keep(dead)
    deal_with_dead_letter(DeadLetter.objects.get().pk, by="ann", note="Harmless")
    keep(dead)
    letter = DeadLetter.objects.get()
    assert (letter.dealt_with_at, letter.dealt_with_by, letter.dealt_with_note) == (None, "", "")
