"""A notification's result is its final effect, not only that the provider was queried."""

import pytest
from msgspec.structs import replace

from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.models import Attempt, Operation, OutboxMessage, ProviderNotification, Saga
from checkout.payments.notification_results import NotificationResult, Result, results_of
from checkout.payments.sagas.service import service
from checkout.payments.timeline import Kind, timeline_of
from tests.payments.service.asking import authorise, operation_on, settle
from tests.payments.service.claiming import carried_out, said
from tests.payments.service.delivering import deliver
from tests.payments.service.replying import answered, reply_to
from tests.payments.service.settling import authorised as held
from tests.payments.service.test_notification import body, notify, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    return held(attempt)


def told(attempt: Attempt, event: str, *, is_proven: bool = False, **changes: object) -> ProviderNotification:
    """Store and apply a notification, and deliver the resulting commands to the orchestrator."""
    row = stored(attempt, body(attempt, event, **changes), is_proven=is_proven)
    for envelope in notify(attempt, row).commands:
        deliver(service, envelope)
    return row


def question() -> Saga:
    return Saga.objects.filter(kind="asking").latest("pk")


def ask_the_provider() -> None:
    asked = OutboxMessage.objects.filter(type="payments.check_claim").latest("pk")
    envelope = replace(asked.envelope(), reply_to="orchestrator")
    reply_to(question(), deliver(payments.service, envelope).reply)


def result_of(row: ProviderNotification) -> NotificationResult:
    row.refresh_from_db()
    return results_of([row])[row.pk]


def in_timeline(attempt: Attempt) -> list[str]:
    entries = timeline_of(attempt.payment)
    return [entry.detail.partition(",")[0] for entry in entries if entry.kind == Kind.NOTIFICATION]


def test_a_forged_one_is_being_asked_about_and_then_denied(authorised):
    row = told(authorised, "CAPTURED")
    assert result_of(row) == NotificationResult(Result.BEING_ASKED, question())
    ask_the_provider()
    assert result_of(row) == NotificationResult(Result.DENIED, question())
    assert in_timeline(authorised) == ["denied"]


def test_a_second_lie_that_came_while_the_first_was_asked_about_is_denied_with_it(authorised):
    rows = [told(authorised, "CAPTURED", number=number) for number in range(3)]
    ask_the_provider()
    assert [result_of(row).result for row in rows] == ["denied"] * 3


def test_another_lie_that_came_meanwhile_is_not_called_denied_as_nobody_asked_about_it(authorised):
    first, other = told(authorised, "CAPTURED"), told(authorised, "EXPIRED", number=2)
    ask_the_provider()
    assert (result_of(first).result, result_of(other).result) == ("denied", "taken_as_hint")


def test_a_true_one_is_confirmed(authorised, books):
    books.orders[authorised.order_code].captured = Money(1250, "GBP")
    row = told(authorised, "CAPTURED", is_proven=True)
    ask_the_provider()
    assert result_of(row).result == "confirmed"


def test_a_lie_that_came_after_a_true_one_does_not_deny_that_one(authorised):
    refund = operation_on(authorised, Operation.Kind.REFUND)
    true = told(authorised, "REFUNDED", reference=refund.reference, is_proven=True)
    Operation.objects.update(state="refused")
    lie = told(authorised, "REFUNDED", number=2)
    ask_the_provider()
    assert (result_of(true).result, result_of(lie).result) == ("applied", "denied")


@pytest.mark.parametrize(("is_true", "result"), [(True, "confirmed"), (False, "denied")])
def test_a_notification_that_only_staff_can_judge_waits_for_them_and_is_what_they_say(
    authorised, is_true, result
):
    row = told(authorised, "CANCELLED", is_proven=True)
    answered(question(), outcome="unclear")
    assert result_of(row).result == "waits_for_staff"
    carried_out(said(question(), is_true=is_true), question())
    assert (result_of(row).result, result_of(row).is_by_staff) == (result, True)


def test_a_hint_that_settled_nothing_is_not_called_applied(authorised):
    settle(operation_on(authorised, Operation.Kind.CAPTURE), Operation.State.UNKNOWN)
    assert result_of(told(authorised, "CAPTURED")).result == "taken_as_hint"


def test_what_repeats_an_earlier_one_or_comes_too_late_changed_nothing(authorised):
    told(authorised, "CAPTURED", is_proven=True)
    again = told(authorised, "CAPTURED", spaces="  ", is_proven=True)
    late = told(authorised, "REFUSED", number=2, is_proven=False)
    assert [result_of(row).result for row in (again, late)] == ["changed_nothing"] * 2


def test_what_could_not_be_applied_is_what_its_state_says(authorised):
    assert result_of(told(authorised, "CAPTURED", minor=125_000)).result == "conflicted"
    assert result_of(told(authorised, "CAPTURED", order_code="another")).result == "unmatched"


def test_the_results_of_many_take_no_more_queries(authorised, django_assert_num_queries):
    rows = [told(authorised, "CAPTURED", number=number) for number in range(5)]
    with django_assert_num_queries(2):
        results_of(rows)
