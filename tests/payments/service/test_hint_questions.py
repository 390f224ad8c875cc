"""Inquiries caused by hints cost provider quota: their pauses grow, and their number is limited."""

import pytest

from checkout.payments.models import Attempt, Payment, Saga
from checkout.payments.sagas import hint_questions
from checkout.rates import Pace
from checkout.states import PaymentState
from tests.payments.service.replying import answered, commands_of, notified

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    return attempt


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint_questions, "pace", Pace(clock=lambda: 1000.0))


def waits_of_questions(attempt: Attempt, times: int) -> list[float | None]:
    """Send hints, and deny each resulting query. Return the wait before each, or None if there was none."""
    questions = Saga.objects.filter(kind="asking")
    waits: list[float | None] = []
    for _ in range(times):
        before = questions.count()
        notified(attempt, "expired", is_proven=False)
        if questions.count() == before:
            waits.append(None)
            continue
        saga = questions.latest("pk")
        waits.append(saga.data["waits_seconds"])
        answered(saga, outcome="denied")
    return waits


def test_about_one_attempt_they_come_later_and_later_and_then_no_more(authorised, settings):
    settings.CHECKOUT_INQUIRY_DELAYS = [5, 15]
    assert waits_of_questions(authorised, 5) == [0, 5, 15, None, None]


def test_inquiries_wait_until_the_answer_must_show_the_notified_event(authorised, settings):
    settings.CHECKOUT_INQUIRY_DELAYS = [5, 15]
    settings.CHECKOUT_ORDER_LAG_SECONDS = 10
    assert waits_of_questions(authorised, 3) == [10, 10, 15]


def test_to_one_account_they_are_spread_over_time_and_a_flood_causes_no_more(
    authorised, settings, monkeypatch
):
    settings.CHECKOUT_INQUIRY_DELAYS = [0] * 10
    settings.CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT = 2
    monkeypatch.setattr(hint_questions, "PATIENCE_SECONDS", 60)
    assert waits_of_questions(authorised, 6) == [0, 0, 30, 60, None, None]


def test_what_is_proven_is_asked_about_at_once_however_many_hints_there_were(authorised, settings):
    settings.CHECKOUT_INQUIRY_DELAYS = [5]
    settings.CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT = 1
    waits_of_questions(authorised, 5)
    assert commands_of(notified(authorised, "expired")) == ["payments.check_claim"]
