"""A refund that failed may be made after all, unlike one that was refused from the beginning."""

import pytest

from checkout.payments.books.apply import fail_refund
from checkout.payments.books.compare_events import Event, refund_made_after_all
from checkout.payments.books.ours import ours_of
from checkout.payments.models import Attempt, Operation
from tests.payments.service.asking import authorise, operation_on, settle

pytestmark = pytest.mark.django_db
Kind, State = Operation.Kind, Operation.State


def of_provider(attempt: Attempt, reference: str = "") -> Operation | None:
    """Return the refund that a report of a made refund is about, as the next process finds it."""
    ours = ours_of(Attempt.objects.get(pk=attempt.pk))
    found = refund_made_after_all(ours, Event(kind="refunded", operation=reference))
    return Operation.objects.get(reference=found.reference) if found else None


def test_a_report_without_a_reference_is_about_the_only_refund_that_failed(attempt: Attempt):
    authorise(attempt, "approve")
    refused = operation_on(attempt, Kind.REFUND, 300)
    settle(refused, State.REFUSED)
    assert of_provider(attempt) is None
    first, second = (operation_on(attempt, Kind.REFUND, 200) for _ in range(2))
    settle(first, State.DONE)
    fail_refund(attempt.payment, first)
    assert of_provider(attempt) == first
    settle(second, State.DONE)
    fail_refund(attempt.payment, second)
    assert of_provider(attempt) is None, "it may be either"


def test_a_report_with_a_reference_is_about_the_refund_that_it_names(attempt: Attempt):
    authorise(attempt, "approve")
    refused, done = (operation_on(attempt, Kind.REFUND, 200) for _ in range(2))
    settle(refused, State.REFUSED)
    settle(done, State.DONE)
    assert of_provider(attempt, refused.reference) == refused
    assert of_provider(attempt, done.reference) is None
