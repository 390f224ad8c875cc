"""Two people act on the same row: the second waits for the first, and sees the result.

Otherwise each would decide by the row as it was, and overwrite the other's decision.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from checkout.api.access.keys import make_key, revoke_key, rotate_key
from checkout.api.models import ApiKey
from checkout.errors import OperationRejected, PaymentLinkClosed
from checkout.payments.actions import (
    deal_with_dead_letter,
    deal_with_difference,
    deal_with_notification,
    requeue_dead_letter,
    set_attack_mode,
)
from checkout.payments.actions.links import disable_link, payment_by_link
from checkout.payments.models import AttackModeChange, DeadLetter, Fact, Payment, PaymentLink
from tests.backoffice import rows
from tests.payments.service.at_once import behind

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def rejected(act: Callable[[], object]) -> Callable[[], object]:
    """Return a function that returns the reason why ``act`` is rejected."""

    def refused() -> object:
        with pytest.raises(OperationRejected) as rejection:
            act()
        return str(rejection.value)

    return refused


def letter() -> DeadLetter:
    payment = rows.payment("DEAD")
    return rows.dead_letter(payment.reference, queue="checkout.commands.ledger")


def test_a_dead_letter_is_sent_again_by_one_of_two():
    pk = letter().pk
    again = rejected(lambda: requeue_dead_letter(pk, by="bob"))
    _, reason = behind(lambda: requeue_dead_letter(pk, by="ann"), again)
    assert reason == "ann has sent this message again already."
    assert Fact.objects.filter(kind="dead_letter_sent_again").count() == 1


def test_a_dead_letter_that_is_sent_again_is_not_dealt_with_as_well():
    pk = letter().pk
    deal = rejected(lambda: deal_with_dead_letter(pk, by="bob", note="Booked by hand"))
    _, reason = behind(lambda: requeue_dead_letter(pk, by="ann"), deal)
    assert reason == "ann has sent this message again."
    assert DeadLetter.objects.get().dealt_with_at is None


@pytest.mark.parametrize(
    ("make", "deal"),
    [
        (letter, deal_with_dead_letter),
        (lambda: rows.notification(rows.payment("LIED"), "conflicted"), deal_with_notification),
        (lambda: rows.difference(rows.payment("DIFFERS")), deal_with_difference),
    ],
    ids=["dead letter", "notification", "difference"],
)
def test_what_two_people_deal_with_keeps_the_note_of_the_first(make, deal):
    row = make()
    second = rejected(lambda: deal(row.pk, by="bob", note="Forged"))
    _, reason = behind(lambda: deal(row.pk, by="ann", note="Booked by hand"), second)
    row.refresh_from_db()
    assert (reason, row.dealt_with_note) == ("ann has dealt with it already.", "Booked by hand")
    assert Fact.objects.count() == 1


def test_an_attack_mode_is_set_by_one_of_two():
    pk = rows.merchant().pk
    second = rejected(lambda: set_attack_mode(pk, "on", by="bob", reason="Me too"))
    behind(lambda: set_attack_mode(pk, "on", by="ann", reason="Many cards"), second)
    assert AttackModeChange.objects.get().by == "ann"


def test_a_key_that_is_just_being_revoked_gets_no_successor():
    key = make_key(rows.merchant(), name="shop", by="ann")[0]
    rotate = rejected(lambda: rotate_key(key.pk, overlap=timedelta(hours=1), by="bob"))
    behind(lambda: revoke_key(key.pk), rotate)
    assert ApiKey.objects.get().is_revoked


def link(**fields) -> PaymentLink:
    fields = {"amount_minor": 1250, "currency": "GBP", "description": "Tea", **fields}
    return PaymentLink.objects.create(merchant=rows.merchant(), order_reference="A-1", **fields)


def test_a_link_that_is_just_being_disabled_makes_no_payment():
    made = link()

    def pay() -> PaymentLink:
        with pytest.raises(PaymentLinkClosed):
            payment_by_link(made.token)
        return made

    behind(lambda: disable_link(made.merchant, made.reference), pay)
    assert not Payment.objects.exists()


def test_a_link_that_two_people_disable_was_disabled_when_the_first_did_so():
    made = link()
    first, second = behind(*[lambda: disable_link(made.merchant, made.reference)] * 2)
    made.refresh_from_db()
    assert first.disabled_at == second.disabled_at == made.disabled_at


def test_each_use_of_a_reusable_link_is_counted():
    made = link(is_reusable=True)
    payments = behind(*[lambda: payment_by_link(made.token)] * 2)
    made.refresh_from_db()
    assert (made.openings, made.last_number) == (2, 2)
    assert [each.order_reference for each in payments] == ["A-1-1", "A-1-2"]
