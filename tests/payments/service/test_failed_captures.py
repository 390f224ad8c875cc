"""Captures that fail although the provider had accepted or made them."""

import msgspec
import pytest

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.service import service
from checkout.states import AttemptState, PaymentState
from tests.payments.service.asking import inquire_operation, operation_on
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import notified, reply_to, state_of
from tests.payments.service.test_notification import body, notify, stored
from tests.payments.service.test_provider_events import accepted
from tests.payments.service.test_released_rests import OWED, lost, operation, worldpay

__all__ = ["worldpay"]
pytestmark = pytest.mark.django_db
CAPTURE, State = Operation.Kind.CAPTURE, Operation.State


def told(attempt: Attempt, reference: str) -> ApplyProviderEvent:
    """Deliver a proven notification of the failure, and return the event that the orchestrator gets."""
    row = stored(attempt, body(attempt, "CAPTURE_FAILED", minor=None, reference=reference))
    [envelope] = notify(attempt, row).commands
    assert (row.state, row.reason) == ("applied", "")
    return msgspec.json.decode(envelope.body, type=ApplyProviderEvent)


@pytest.mark.parametrize("state", [State.PENDING, State.DONE])
def test_the_notification_alone_decides_nothing(authorised, state):
    capture = operation(authorised, CAPTURE, OWED, state)
    event = told(authorised, capture.reference)
    assert (event.kind, event.operation, event.minor) == ("capture_failed", capture.reference, None)
    capture.refresh_from_db()
    assert capture.state == state
    fact = Fact.objects.get(kind="notified_capture_failed")
    assert (fact.data["event"], fact.data["reference"]) == ("CAPTURE_FAILED", capture.reference)


@pytest.mark.parametrize(("names_it", "is_proven"), [(True, True), (True, False), (False, True)])
def test_the_provider_is_asked_about_the_capture_under_way(authorised, names_it, is_proven):
    capture, saga = accepted(authorised, CAPTURE)
    notified(authorised, "capture_failed", capture.reference if names_it else "", is_proven=is_proven)
    saga.refresh_from_db()
    assert saga.step == "inquire"
    assert not Saga.objects.filter(kind="asking").exists()


def test_another_capture_is_not_asked_about(authorised):
    _, saga = accepted(authorised, CAPTURE, 500)
    other = operation_on(authorised, CAPTURE, 750)
    notified(authorised, "capture_failed", other.reference)
    saga.refresh_from_db()
    assert saga.step == "await_provider"


def test_a_capture_whose_failure_is_the_last_event_is_refused(authorised, worldpay):
    capture = lost(authorised, CAPTURE, OWED)
    worldpay("CAPTURE_FAILED")
    assert inquire_operation(capture) == "refused"


@pytest.mark.parametrize("kept", [OWED, 800])
def test_a_failed_capture_beside_money_that_was_taken_is_left_to_staff(authorised, worldpay, kept):
    capture = lost(authorised, CAPTURE, OWED)
    worldpay("CAPTURE_FAILED", kept)
    assert inquire_operation(capture) == "undecided"


def test_the_failure_of_an_earlier_capture_is_not_that_of_the_next(authorised, worldpay):
    operation(authorised, CAPTURE, 800, State.REFUSED)
    second = lost(authorised, CAPTURE, OWED)
    worldpay("CAPTURE_FAILED")
    assert inquire_operation(second) == "undecided"


def checked(saga: Saga) -> str:
    """Let the payments service answer the query."""
    told = {name: saga.data[name] for name in ("payment", "attempt", "claim", "operation")}
    delivered = deliver(service, command(CheckClaim(**told, minor=None, currency="", is_proven=True)))
    reply_to(saga, delivered.reply)
    return str(delivered.result["outcome"])


def test_the_failure_of_a_capture_that_is_done_is_a_contradiction_once_it_is_confirmed(authorised, worldpay):
    capture = operation(authorised, CAPTURE, OWED)
    notified(authorised, "capture_failed", capture.reference)
    saga = Saga.objects.get(kind="asking")
    worldpay("CAPTURE_FAILED")
    assert checked(saga) == "confirmed"
    assert state_of(authorised) == PaymentState.CONFLICTED
    capture.refresh_from_db()
    assert capture.state == State.DONE, "staff decide"


@pytest.mark.parametrize(
    ("event", "kept", "outcome"),
    [("CAPTURED", OWED, "denied"), ("AUTHORISED", None, "undecided"), ("CAPTURED", 800, "undecided")],
)
def test_a_failure_that_the_provider_does_not_confirm_changes_nothing(
    authorised, worldpay, event, kept, outcome
):
    capture = operation(authorised, CAPTURE, OWED)
    before = state_of(authorised)
    notified(authorised, "capture_failed", capture.reference)
    worldpay(event, kept)
    assert checked(Saga.objects.get(kind="asking")) == outcome
    assert state_of(authorised) == before


def test_the_failure_of_a_capture_in_the_portal_contradicts_nothing(authorised):
    assert notified(authorised, "capture_failed").commands == []
    assert not Saga.objects.filter(kind="asking").exists()


def test_the_failure_of_a_capture_of_an_attempt_without_money_is_looked_into(attempt):
    Attempt.objects.update(state=AttemptState.REFUSED)
    notified(attempt, EventKind.CAPTURE_FAILED)
    assert Saga.objects.get(kind="asking").data["claim"] == "authorised"
