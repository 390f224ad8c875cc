"""Cancellation, at the provider, of attempts that nobody will complete."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OutcomeUnknown
from checkout.payments.models import Attempt, Fact, ProviderCall
from checkout.payments.providers.base import Modification, Outcome, ProviderResult
from checkout.payments.service import service
from checkout.states import Actor
from tests.payments.service.asking import authorise, come_back, to_abandon, to_complete_challenge, told
from tests.payments.service.delivering import deliver
from tests.support.memory_provider.books import OrderState
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db


@pytest.fixture
def challenged(attempt: Attempt) -> Attempt:
    authorise(attempt, "challenge")
    return attempt


@pytest.fixture
def cancellations(scenarios) -> list[Modification]:
    """Return the list of all cancellations that reach the provider."""
    return scenarios.asked["void"]


def test_an_order_that_the_provider_does_not_hold_counts_as_cancelled(challenged, cancellations):
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "refused"
    assert [each.idempotency_key for each in cancellations] == [f"{challenged.order_code}:abandon"]
    assert challenged.state == Attempt.State.CHALLENGE_REQUIRED


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.NOT_FOUND, Outcome.REFUSED])
def test_every_certain_answer_of_the_provider_means_that_nothing_is_held(challenged, scenarios, outcome):
    answer_to_cancellations(scenarios, challenged, outcome)
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "refused"


def test_an_authorisation_that_is_found_is_released(challenged, books):
    books.orders[challenged.order_code].state = OrderState.AUTHORISED
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "refused"
    assert books.orders[challenged.order_code].state == OrderState.CANCELLED


def test_a_provider_that_is_not_reached_leaves_it_unknown_and_may_be_asked_again(
    challenged, settings, cancellations
):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "unknown"
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {}}
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "refused"
    assert ProviderCall.objects.filter(key=f"{challenged.order_code}:abandon").count() == 1


def test_a_lost_answer_is_unknown(challenged, scenarios):
    scenarios.answer("void", OutcomeUnknown("No answer."))
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "unknown"


def test_a_redelivered_command_is_not_carried_out_again(challenged, cancellations):
    envelope = to_abandon(challenged)
    deliver(service, envelope)
    deliver(service, envelope)
    assert len(cancellations) == 1


def test_a_shopper_who_came_back_in_the_last_moment_is_not_cancelled(challenged, cancellations):
    come_back(challenged)
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "unknown"
    assert cancellations == []


def test_a_late_command_does_not_touch_what_was_authorised_meanwhile(challenged, cancellations):
    challenged.apply("authorised", Actor.PROVIDER)
    challenged.save()
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "approved"
    assert cancellations == []


@pytest.fixture
def completed(challenged: Attempt, scenarios: Scenarios) -> Attempt:
    """Return an attempt whose challenge completion was sent and got no answer."""

    scenarios.answer("complete_challenge", OutcomeUnknown("No answer."))
    come_back(challenged)
    assert told(challenged, to_complete_challenge(challenged)).result["outcome"] == "unknown"
    return challenged


def test_an_authorisation_after_a_challenge_that_was_never_seen_is_released(completed, books, cancellations):
    books.orders[completed.order_code].state = OrderState.AUTHORISED
    assert told(completed, to_abandon(completed)).result["outcome"] == "refused"
    assert books.orders[completed.order_code].state == OrderState.CANCELLED


def test_a_cancellation_from_before_the_second_message_is_not_one_after_it(
    challenged, request, cancellations
):
    told(challenged, to_abandon(challenged))
    completed = request.getfixturevalue("completed")
    assert told(completed, to_abandon(completed)).result["outcome"] == "unknown"
    assert len({each.idempotency_key for each in cancellations}) == 2


def test_a_denial_is_believed_once_the_second_message_cannot_wait_at_the_provider_any_more(completed):
    """Worldpay has denied knowing an order that it had authorised."""
    assert told(completed, to_abandon(completed)).result["outcome"] == "unknown"
    passed = conf.settling_time + conf.queue_time
    completed.provider_calls.update(started_at=timezone.now() - passed + timedelta(minutes=1))
    assert told(completed, to_abandon(completed)).result["outcome"] == "unknown"
    completed.provider_calls.update(started_at=timezone.now() - passed)
    assert told(completed, to_abandon(completed)).result["outcome"] == "refused"


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.NOT_ABLE])
def test_an_account_that_may_not_cancel_leaves_open_if_anything_is_held(challenged, scenarios, outcome):
    answer_to_cancellations(scenarios, challenged, outcome)
    assert told(challenged, to_abandon(challenged)).result["outcome"] == "unknown"


def test_an_unknown_attempt_without_a_challenge_is_not_cancelled(attempt, cancellations):
    authorise(attempt, "unknown")
    assert told(attempt, to_abandon(attempt)).result["outcome"] == "unknown"
    assert cancellations == []


def test_a_refusal_to_cancel_after_a_challenge_does_not_say_that_nothing_is_held(completed, books):
    books.orders[completed.order_code].state = OrderState.PENDING
    assert told(completed, to_abandon(completed)).result["outcome"] == "unknown"


CERTAIN = [Outcome.PENDING, Outcome.NOT_FOUND, Outcome.REFUSED]


def answer_to_cancellations(scenarios: Scenarios, attempt: Attempt, outcome: Outcome) -> None:
    answer = ProviderResult(outcome=outcome, order_code=attempt.order_code)
    scenarios.answer("void", answer)


@pytest.mark.parametrize("outcome", CERTAIN)
def test_an_order_that_is_captured_with_its_authorisation_is_not_known_to_be_cancelled(
    completed, scenarios, outcome
):
    Attempt.objects.update(capture_reference="op_included")
    answer_to_cancellations(scenarios, completed, outcome)
    assert told(completed, to_abandon(completed)).result["outcome"] == "unknown"
    assert completed.state == Attempt.State.UNKNOWN


@pytest.mark.parametrize("outcome", CERTAIN)
@pytest.mark.parametrize("situation", ["challenged", "completed"])
def test_an_order_for_which_money_was_notified_is_not_known_to_be_cancelled(
    request, scenarios, situation, outcome
):
    attempt = request.getfixturevalue(situation)
    Fact.objects.create(
        payment=attempt.payment, attempt=attempt, source="provider", kind="notified_authorised", data={}
    )
    answer_to_cancellations(scenarios, attempt, outcome)
    assert told(attempt, to_abandon(attempt)).result["outcome"] == "unknown"
