"""Notifications with too little, too much or other money than ours never settle anything by a guess."""

from dataclasses import replace

import pytest

from checkout.payments.models import Operation, ProviderAccount, ProviderNotification
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.statements import MOST_STATEMENTS, to_json
from checkout.payments.service import service
from checkout.payments.service.notifications.notification import MOST_WAITING
from tests.payments.providers.worldpay_messages import credit, debit, journal, named
from tests.payments.service.asking import authorise, operation_on, settle, to_capture
from tests.payments.service.delivering import deliver
from tests.payments.service.test_notification import body, events, notify, stored, worldpay

pytestmark = pytest.mark.django_db
State = ProviderNotification.State


def test_an_event_that_cannot_be_read_about_an_order_of_nobody_is_called_so(attempt):
    row = stored(attempt, body(attempt, "CAPTURED", order_code="another-program's"))
    provider = get_provider(attempt.provider_account.opened())
    [made] = provider.parse_notification(row.body.encode())
    row.statements = to_json(provider, [replace(made, is_known=False)])
    row.save()
    notify(attempt, row)
    assert row.state == State.UNREADABLE
    assert "another-program's, which is none of this account, cannot be read" in row.reason


def test_an_event_that_fits_two_operations_is_taken_for_neither(attempt):
    authorise(attempt, "approve")
    operations = [operation_on(attempt, Operation.Kind.CAPTURE, minor=600) for _ in range(2)]
    for operation in operations:
        deliver(service, to_capture(operation))
    notify(attempt, stored(attempt, body(attempt, "CAPTURED", minor=600)))
    assert [each.state for each in attempt.operations.all()] == [Operation.State.PENDING] * 2


def test_a_capture_that_we_have_as_refused_is_not_made_by_a_notification_but_asked_about(attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    settle(operation, Operation.State.REFUSED)
    row = stored(attempt, body(attempt, "CAPTURED", reference=operation.reference))
    assert [(told.kind, told.operation) for told in events(notify(attempt, row))] == [
        ("captured", operation.reference)
    ]
    operation.refresh_from_db()
    assert operation.state == Operation.State.REFUSED


@pytest.mark.parametrize(("minor", "currency"), [(1251, "GBP"), (1250, "EUR")])
@pytest.mark.parametrize("event", ["CAPTURED", "REFUNDED"])
def test_more_than_the_payment_or_another_currency_is_conflicted_also_if_it_names_no_operation(
    attempt, event, minor, currency
):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, event, minor=minor, currency=currency))
    assert events(notify(attempt, row)) == []
    assert row.state == State.CONFLICTED


def test_the_refund_of_money_that_was_settled_in_another_currency_fits(attempt):
    authorise(attempt, "approve")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    refund = operation_on(attempt, Operation.Kind.REFUND, 300)
    settle(refund, Operation.State.PENDING)
    entries = debit("SETTLED_BIBIT_NET", 345, "EUR") + credit("REFUND_PENDING", 345, "EUR")
    refunded = journal("REFUNDED", entries, named(refund=refund.reference))
    text = worldpay((attempt.order_code, "REFUNDED")).replace("</payment>", f"</payment>{refunded}")
    row = stored(attempt, text)
    notify(attempt, row)
    refund.refresh_from_db()
    assert (row.state, row.reason, refund.state) == (State.APPLIED, "", Operation.State.DONE)


def test_a_charge_back_in_the_issuer_s_currency_with_a_fee_is_looked_into(attempt):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, "CHARGED_BACK", minor=1499, currency="EUR"))
    [told] = events(notify(attempt, row))
    assert (told.kind, told.minor, told.currency) == ("charged_back", 1499, "EUR")
    assert row.state == State.APPLIED


def test_only_a_few_notifications_about_one_unknown_order_wait_for_it(attempt):
    rows = [
        stored(attempt, body(attempt, "AUTHORISED", order_code="unknown-1", number=number))
        for number in range(MOST_WAITING + 1)
    ]
    for row in rows:
        notify(attempt, row)
    assert [row.next_try_at is not None for row in rows] == [True] * MOST_WAITING + [False]
    assert {row.state for row in rows} == {State.UNMATCHED}, "the last one is left to staff"


def test_a_notification_with_more_statements_than_are_applied_is_left_to_staff(attempt):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, "AUTHORISED"))
    provider = get_provider(attempt.provider_account.opened())
    row.statements = to_json(provider, provider.parse_notification(row.body.encode()) * (MOST_STATEMENTS + 1))
    row.save()
    notify(attempt, row)
    assert row.state == State.UNREADABLE
    assert f"the first {MOST_STATEMENTS} were applied" in row.reason
