"""Tests of a campaign's auditor and staff: what they judge, show and excuse."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.db import connection
from django.utils import timezone

from checkout.payments.models import DeadLetter, Fact, InboxMessage, Saga
from messaging.concurrency.database import in_thread
from tests.backoffice import rows
from tests.faults.audit import LONGEST_CALL_SECONDS, RESTLESS, late_returns
from tests.faults.diary import Diary, Injection
from tests.faults.evidence import DeadLetter as Letter, Fact as Noted
from tests.faults.healthy import PAID, healthy
from tests.faults.invariants import violations_of
from tests.faults.recorder import LateReturn, Recorder
from tests.faults.staff import Staff
from tests.faults.timeline import timeline

if TYPE_CHECKING:
    from tests.faults.site import Site


def returned(*returns: LateReturn) -> Recorder:
    recorder = Recorder()
    recorder.late_returns += returns
    return recorder


def wrong_clock(began: float, ended: float, number: str = "F14") -> Diary:
    return Diary([Injection(number, "web-1 is 5 minutes behind", began, ended)])


TWICE = (LateReturn(PAID, 100, 160), LateReturn(PAID, 300, 360))


def test_a_payment_with_late_returns_is_judged_if_no_clock_was_wrong():
    assert late_returns(returned(*TWICE), Diary()) == {PAID}
    assert late_returns(returned(*TWICE), wrong_clock(310, 350, "F13")) == {PAID}


def test_a_payment_is_not_judged_if_a_clock_was_wrong_during_one_of_its_late_returns():
    other = LateReturn("pay_2", 100, 160)
    assert late_returns(returned(*TWICE, other), wrong_clock(310, 350)) == {"pay_2"}


@pytest.mark.parametrize(
    ("began", "ended", "is_judged"),
    [
        (0, 100 - LONGEST_CALL_SECONDS - 1, True),
        (0, 100 - LONGEST_CALL_SECONDS + 1, False),
        (160 + LONGEST_CALL_SECONDS - 1, 500, False),
        (160 + LONGEST_CALL_SECONDS + 1, 500, True),
    ],
)
def test_a_clock_that_was_wrong_long_before_or_after_a_return_has_not_read_it(began, ended, is_judged):
    assert bool(late_returns(returned(TWICE[0]), wrong_clock(began, ended))) == is_judged


def test_the_story_of_a_payment_has_its_erasure_and_its_dead_letters():
    evidence = healthy()
    evidence.facts[PAID] = [Noted(PAID, "personal_data_erased", "staff")]
    evidence.dead += [
        Letter(PAID, "checkout.start_operation", "m-1", "checkout", "not entitled", is_open=True),
        Letter("pay_3", "checkout.start_operation", "m-2", "checkout", "not entitled", is_open=True),
    ]
    told = list(timeline(evidence, PAID))
    assert "  fact       personal_data_erased by staff" in [line.rstrip() for line in told]
    letters = [line for line in told if "dead" in line]
    assert letters == ["  dead       checkout.start_operation m-1 checkout not entitled"]


def test_a_dead_letter_is_a_violation_of_its_payment_until_staff_have_seen_to_it():
    evidence = healthy()
    evidence.dead.append(Letter(PAID, "ledger.post", "m-1", "ledger", "rejected", is_open=False))
    assert violations_of(evidence) == []
    evidence.dead.append(Letter(PAID, "ledger.post", "m-2", "ledger", "rejected", is_open=True))
    evidence.dead.append(Letter("nobody's", "ledger.post", "m-3", "ledger", "rejected", is_open=True))
    assert [(each.invariant, each.payment) for each in violations_of(evidence)] == [
        ("I11", PAID),
        ("I11", ""),
    ]


class House:
    """The part of a campaign's site that the staff read, with the database of this test."""

    def __init__(self) -> None:
        self.databases = SimpleNamespace(
            handled=lambda: set(InboxMessage.objects.values_list("message_id", flat=True))
        )

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall()


@pytest.mark.django_db(transaction=True)
async def test_a_dead_letter_of_an_erased_payment_is_dealt_with_only_if_its_message_was_handled():
    staff = Staff(cast("Site", House()))
    await in_thread(_two_letters)
    await staff.send_dead_letters_again()
    left = await in_thread(lambda: list(DeadLetter.objects.filter(dealt_with_at=None, requeued_at=None)))
    assert [each.message_id for each in left] == ["lost"]
    assert (staff.copies, staff.requeued) == (1, 0)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="the campaign's database is PostgreSQL")
@pytest.mark.parametrize(
    ("status", "is_at_rest"),
    [(Saga.Status.COMPLETED, True), (Saga.Status.RUNNING, False), (Saga.Status.PARKED, False)],
)
def test_a_saga_that_waits_for_staff_is_not_at_rest(status, is_at_rest):
    rows.saga(rows.authorised(), status)
    moving = House().rows(RESTLESS, ["processing"])
    assert (not moving) is is_at_rest


def _two_letters() -> None:
    payment = rows.payment("ORDER-1")
    Fact.objects.create(payment=payment, source="staff", kind="personal_data_erased")
    for message_id in ("handled", "lost"):
        DeadLetter.objects.create(
            message_id=message_id, fingerprint=message_id, type="any", subject=payment.reference, body=""
        )
    InboxMessage.objects.create(
        consumer="checkout", message_id="handled", type="any", received_at=timezone.now()
    )
