"""Application of notifications that are matched, late, repeated, contradicting or unreadable."""

import json

import msgspec
import pytest

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import (
    Attempt,
    Fact,
    Operation,
    ProviderAccount,
    ProviderCall,
    ProviderNotification,
)
from checkout.payments.providers.base import EventKind, Outcome
from checkout.payments.providers.worldpay_wpg import codes
from checkout.payments.service import service
from tests.payments.service import delivering
from tests.payments.service.asking import authorise, operation_on, to_capture
from tests.payments.service.claiming import checked
from tests.payments.service.delivering import Delivered, command, deliver
from tests.support.memory_provider.books import OrderState

pytestmark = pytest.mark.django_db
State = ProviderNotification.State


def body(attempt: Attempt, event: str, **changes: object) -> str:
    statement = {
        "merchant_code": "TWINMERCHANT",
        "order_code": attempt.order_code,
        "event": event,
        "minor": 1250,
        "currency": "GBP",
        "reference": "",
        "number": 1,
    }
    return json.dumps(statement | changes)


def stored(
    attempt: Attempt, text: str, account: ProviderAccount | None = None, *, is_proven: bool = True
) -> ProviderNotification:
    return delivering.stored(account or attempt.provider_account, text, is_proven=is_proven)


def notify(attempt: Attempt, row: ProviderNotification) -> Delivered:
    delivered = deliver(service, command(ApplyNotification(notification=row.pk)))
    row.refresh_from_db()
    attempt.refresh_from_db()
    return delivered


def events(delivered: Delivered) -> list[ApplyProviderEvent]:
    assert {envelope.type for envelope in delivered.commands} <= {"checkout.apply_provider_event"}
    return [msgspec.json.decode(sent.body, type=ApplyProviderEvent) for sent in delivered.commands]


@pytest.mark.parametrize("event", ["AUTHORISED", "REFUSED"])
def test_a_notification_about_an_unknown_outcome_is_told_on_but_decides_nothing(attempt, event):
    authorise(attempt, "lost")
    row = stored(attempt, body(attempt, event))
    [told] = events(notify(attempt, row))
    assert attempt.state == Attempt.State.UNKNOWN
    assert (told.payment, told.attempt) == (attempt.payment.reference, attempt.order_code)
    assert (told.kind, told.minor, told.currency) == (event.lower(), 1250, "GBP")
    assert (row.state, row.payment) == (State.APPLIED, attempt.payment)
    assert row.applied_at is not None
    assert attempt.facts.filter(kind=f"notified_{event.lower()}").count() == 1


def test_a_notification_that_is_applied_twice_has_one_effect(attempt):
    authorise(attempt, "lost")
    row = stored(attempt, body(attempt, "AUTHORISED"))
    notify(attempt, row)
    assert notify(attempt, row).commands == []
    assert attempt.facts.filter(kind="notified_authorised").count() == 1


def test_captured_completes_the_operation_that_it_names(attempt):
    authorise(attempt, "approve")
    operation, other = (operation_on(attempt, Operation.Kind.CAPTURE, minor=500) for _ in range(2))
    deliver(service, to_capture(operation))
    row = stored(attempt, body(attempt, "CAPTURED", minor=500, reference=operation.reference))
    assert [told.kind for told in events(notify(attempt, row))] == ["captured"]
    operation.refresh_from_db()
    other.refresh_from_db()
    assert (operation.state, other.state) == (Operation.State.DONE, Operation.State.REQUESTED)


def test_captured_before_our_own_reply_is_not_undone_by_it(attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb="capture")
    notify(attempt, stored(attempt, body(attempt, "CAPTURED", reference=operation.reference)))
    assert deliver(service, to_capture(operation)).result["outcome"] == "approved"
    operation.refresh_from_db()
    assert operation.state == Operation.State.DONE


def test_what_names_no_operation_does_not_end_one_that_may_never_have_been_sent(attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb="capture")
    notify(attempt, stored(attempt, body(attempt, "CAPTURED")))
    operation.refresh_from_db()
    assert operation.state == Operation.State.REQUESTED


def test_a_refund_that_names_none_may_be_an_earlier_one_that_had_failed(attempt):
    authorise(attempt, "approve")
    failed, later = (operation_on(attempt, Operation.Kind.REFUND, minor=300) for _ in range(2))
    Operation.objects.filter(pk=failed.pk).update(state=Operation.State.REFUSED)
    Operation.objects.filter(pk=later.pk).update(state=Operation.State.PENDING)
    [told] = events(notify(attempt, stored(attempt, body(attempt, "REFUNDED", minor=300))))
    later.refresh_from_db()
    assert (told.operation, later.state) == ("", Operation.State.PENDING)


@pytest.mark.parametrize("outcome", ["", "not_sent"])
def test_captured_from_anybody_does_not_keep_us_from_asking_for_the_capture(attempt, books, outcome):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    if outcome:
        ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb="capture", outcome=outcome)
    notify(attempt, stored(attempt, body(attempt, "CAPTURED"), is_proven=False))
    assert deliver(service, to_capture(operation)).result["outcome"] == "pending"
    assert books.orders[attempt.order_code].captured.minor == 1250


@pytest.mark.parametrize("event", ["CAPTURED", "CANCELLED", "REFUNDED", "REFUND_FAILED"])
def test_what_may_have_got_lost_is_ended_by_the_provider_and_not_by_anybody(attempt, event):
    authorise(attempt, "approve")
    kinds = {"CAPTURED": Operation.Kind.CAPTURE, "CANCELLED": Operation.Kind.VOID}
    operation = operation_on(attempt, kinds.get(event, Operation.Kind.REFUND))
    Operation.objects.update(state=Operation.State.UNKNOWN)
    notify(attempt, stored(attempt, body(attempt, event)))
    operation.refresh_from_db()
    assert operation.state == Operation.State.UNKNOWN


def test_a_failure_that_names_no_refund_does_not_free_its_money_to_be_refunded_again(attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.REFUND)
    Operation.objects.update(state=Operation.State.PENDING)
    [told] = events(notify(attempt, stored(attempt, body(attempt, "REFUND_FAILED"))))
    operation.refresh_from_db()
    assert (told.kind, told.operation) == ("refund_failed", "")
    assert operation.state == Operation.State.PENDING


@pytest.mark.parametrize("state", ["requested", "pending", "unknown", "done", "refused"])
def test_a_failure_moves_not_even_the_refund_that_it_names_but_is_told_on(attempt, state):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.REFUND)
    Operation.objects.update(state=state)
    told_by_name = body(attempt, "REFUND_FAILED", reference=operation.reference)
    [told] = events(notify(attempt, stored(attempt, told_by_name)))
    operation.refresh_from_db()
    assert operation.state == state
    assert (told.kind, told.operation) == ("refund_failed", operation.reference)


def test_a_capture_of_an_open_attempt_is_a_reason_to_ask_and_not_an_authorisation(attempt):
    authorise(attempt, "lost")
    [told] = events(notify(attempt, stored(attempt, body(attempt, "CAPTURED"))))
    assert told.kind == "captured"
    assert attempt.state == Attempt.State.UNKNOWN


@pytest.mark.parametrize(
    ("event", "kind"),
    [("CANCELLED", "void"), ("REFUNDED", "refund")],
)
def test_other_operations_end_by_notification_too(attempt, event, kind):
    authorise(attempt, "approve")
    operation = operation_on(attempt, kind)
    [told] = events(notify(attempt, stored(attempt, body(attempt, event, reference=operation.reference))))
    operation.refresh_from_db()
    assert (operation.state, told.operation) == (Operation.State.DONE, operation.reference)


@pytest.mark.parametrize("state", ["requested", "pending", "unknown"])
def test_a_refund_that_is_on_its_way_is_not_yet_made(attempt, state):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.REFUND, minor=500)
    Operation.objects.update(state=state)
    row = stored(attempt, body(attempt, "REFUND_SENT", minor=500, reference=operation.reference))
    [told] = events(notify(attempt, row))
    operation.refresh_from_db()
    assert (row.state, operation.state) == (State.APPLIED, state)
    assert (told.kind, told.operation) == ("refund_sent", operation.reference)


def test_a_proven_refusal_of_an_authorised_attempt_is_asked_about_as_the_end_of_its_hold(attempt, books):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, "REFUSED"))
    [told] = events(notify(attempt, row))
    assert (told.kind, attempt.state, row.state) == ("cancelled", Attempt.State.AUTHORISED, State.APPLIED)
    assert checked(attempt, None, "cancelled") == "denied", "the provider holds the money"
    books.orders[attempt.order_code].state = OrderState.REFUSED
    assert checked(attempt, None, "cancelled") == "confirmed"


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"merchant_code": "ANOTHER"}, "is for the merchant ANOTHER"),
        ({"minor": 1}, "says 0.01 GBP, the payment is 12.50 GBP"),
        ({"minor": 1251}, "says 12.51 GBP, the payment is 12.50 GBP"),
        ({"currency": "EUR"}, "says 12.50 EUR, the payment is 12.50 GBP"),
    ],
    ids=["merchant", "too little", "too much", "currency"],
)
@pytest.mark.parametrize("card", ["approve", "unknown", "refuse"])
def test_another_merchant_amount_or_currency_is_conflicted_and_moves_nothing(attempt, card, lie, reason):
    """Anybody who knows the address could have sent the notification, so only an inquiry counts."""
    authorise(attempt, card)
    before = (attempt.state, attempt.payment.state)
    row = stored(attempt, body(attempt, "AUTHORISED", **lie))
    told = [event.kind for event in events(notify(attempt, row))]
    assert (row.state, row.reason) == (State.CONFLICTED, reason)
    assert Fact.objects.get(kind="notified_authorised").data["not_applied"] == reason
    attempt.payment.refresh_from_db()
    assert (attempt.state, attempt.payment.state) == before
    is_reason_to_ask = attempt.state != Attempt.State.AUTHORISED and "merchant_code" not in lie
    assert told == (["authorised"] if is_reason_to_ask else [])


@pytest.mark.parametrize("minor", [1251, 400])
@pytest.mark.parametrize(
    ("event", "kind"), [("CAPTURED", "capture"), ("REFUND_SENT", "refund"), ("REFUNDED", "refund")]
)
def test_another_amount_than_we_asked_for_is_conflicted_and_moves_nothing(attempt, event, kind, minor):
    authorise(attempt, "approve")
    operation = operation_on(attempt, kind, minor=500)
    row = stored(attempt, body(attempt, event, minor=minor, reference=operation.reference))
    told = events(notify(attempt, row))
    assert row.state == State.CONFLICTED
    assert "GBP" in row.reason
    operation.refresh_from_db()
    assert (operation.state, attempt.state) == (Operation.State.REQUESTED, Attempt.State.AUTHORISED)
    is_end_of_ours = minor == 400 and event != "REFUND_SENT"
    assert operation.doubt == ("amount" if is_end_of_ours else "")
    assert [each.operation for each in told] == ([operation.reference] if is_end_of_ours else [])


@pytest.mark.parametrize("event", ["AUTHORISED", "CAPTURED"])
def test_news_of_money_for_a_refused_attempt_moves_nothing_but_is_looked_into(attempt, event):
    authorise(attempt, "refuse")
    row = stored(attempt, body(attempt, event))
    assert [told.kind for told in events(notify(attempt, row))] == [event.lower()]
    assert attempt.state == Attempt.State.REFUSED
    assert (row.state, row.reason) == (State.APPLIED, "the attempt is refused: the provider is asked")


def test_the_same_statement_in_other_bytes_has_one_effect(attempt):
    authorise(attempt, "approve")
    operation_on(attempt, Operation.Kind.CAPTURE)
    text = body(attempt, "CAPTURED")
    notify(attempt, stored(attempt, text))
    again = stored(attempt, text.replace(": ", ":"))
    assert events(notify(attempt, again)) == []
    assert (again.state, again.reason) == (State.APPLIED, "repeats an earlier one")
    assert attempt.facts.filter(kind="notified_captured").count() == 1


def test_a_second_part_is_no_repetition(attempt):
    authorise(attempt, "approve")
    for number in (1, 2):
        operation = operation_on(attempt, Operation.Kind.CAPTURE, minor=600)
        told = body(attempt, "CAPTURED", minor=600, reference=operation.reference, number=number)
        notify(attempt, stored(attempt, told))
    assert {operation.state for operation in attempt.operations.all()} == {Operation.State.DONE}


def test_an_order_that_we_do_not_know_is_kept_as_unmatched(attempt):
    row = stored(attempt, body(attempt, "AUTHORISED", order_code="unknown-1"))
    assert notify(attempt, row).commands == []
    assert (row.state, row.payment) == (State.UNMATCHED, None)
    assert row.reason == "this account has no order unknown-1"


def test_an_order_of_another_account_is_not_ours_to_touch(attempt):
    authorise(attempt, "unknown")
    elsewhere = ProviderAccount.objects.create(
        merchant=attempt.payment.merchant,
        code="elsewhere",
        provider="memory",
        merchant_code="TWINMERCHANT",
        endpoint="",
    )
    row = stored(attempt, body(attempt, "AUTHORISED"), account=elsewhere)
    assert notify(attempt, row).commands == []
    assert (row.state, attempt.state) == (State.UNMATCHED, Attempt.State.UNKNOWN)


def test_what_cannot_be_read_is_kept_as_unreadable(attempt):
    row = stored(attempt, "{")
    assert notify(attempt, row).commands == []
    assert row.state == State.UNREADABLE


@pytest.mark.parametrize(("is_proven", "level"), [(True, "ERROR"), (False, "WARNING")])
def test_only_what_is_proven_and_cannot_be_read_is_an_alarm(attempt, caplog, is_proven, level):
    row = stored(attempt, "{" * 10_000, is_proven=is_proven)
    notify(attempt, row)
    assert [record.levelname for record in caplog.records] == [level]
    assert len(row.body) == (10_000 if is_proven else 4096)


@pytest.mark.parametrize("event", ["SETTLED", "CHARGED_BACK", "EXPIRED", "SOMETHING_NEW"])
def test_what_concerns_the_payment_alone_is_a_fact_and_told(attempt, event):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, event))
    kind = "other" if event == "SOMETHING_NEW" else event.lower()
    assert [told.kind for told in events(notify(attempt, row))] == [kind]
    assert Fact.objects.get(kind=f"notified_{kind}").data["event"] == event
    assert attempt.state == Attempt.State.AUTHORISED


def test_an_issuers_question_about_a_part_is_no_contradiction(attempt):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, "INFORMATION_REQUESTED", minor=400))
    notify(attempt, row)
    assert (row.state, row.reason) == (State.APPLIED, "")


def test_an_event_that_the_adapter_does_not_know_is_left_to_staff_and_changes_nothing(attempt, caplog):
    authorise(attempt, "approve")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    row = stored(attempt, worldpay((attempt.order_code, "TELEPORTED")))
    assert events(notify(attempt, row)) == []
    assert (row.state, row.reason) == (State.UNREADABLE, "the event TELEPORTED is not known")
    assert (row.payment, attempt.state) == (attempt.payment, Attempt.State.AUTHORISED)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert not Fact.objects.filter(kind__startswith="notified_").exists()


def test_an_order_that_was_cancelled_as_soon_as_it_was_authorised_is_told_as_both(attempt):
    authorise(attempt, "approve")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    both = worldpay((attempt.order_code, "CANCELLED")).replace(
        "</payment>", '</payment><journal journalType="AUTHORISED"/>'
    )
    assert [told.kind for told in events(notify(attempt, stored(attempt, both)))] == ["cancelled"]
    assert Fact.objects.filter(kind__in=("notified_authorised", "notified_cancelled")).count() == 2


def test_an_event_that_becomes_known_is_applied_when_it_is_sent_again(attempt, monkeypatch):
    authorise(attempt, "approve")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    text = worldpay((attempt.order_code, "TELEPORTED"))
    row = stored(attempt, text)
    notify(attempt, row)
    monkeypatch.setitem(codes.EVENTS, "TELEPORTED", (Outcome.APPROVED, EventKind.SETTLED))
    row.delete()
    row = stored(attempt, text)
    assert [told.kind for told in events(notify(attempt, row))] == ["settled"]
    assert row.state == State.APPLIED


def test_a_hint_of_an_unknown_event_is_no_alarm(attempt, caplog):
    authorise(attempt, "approve")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    row = stored(attempt, worldpay((attempt.order_code, "TELEPORTED")), is_proven=False)
    notify(attempt, row)
    assert (row.state, caplog.records) == (State.APPLIED, [])


def test_every_statement_of_one_notification_is_applied_in_order(attempt):
    authorise(attempt, "lost")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    row = stored(
        attempt,
        worldpay(
            (attempt.order_code, "AUTHORISED"), (attempt.order_code, "CAPTURED"), ("unknown-1", "AUTHORISED")
        ),
    )
    assert [told.kind for told in events(notify(attempt, row))] == ["authorised", "captured"]
    assert (row.state, row.payment) == (State.UNMATCHED, attempt.payment)
    assert events(notify(attempt, row)) == [], "what was found is not applied again with what was not"


def worldpay(*statements: tuple[str, str]) -> str:
    """Return a Worldpay notification with several statements."""
    said = "".join(
        f"""<orderStatusEvent orderCode="{order_code}"><payment><paymentMethod>VISA-SSL</paymentMethod>
        <amount value="1250" currencyCode="GBP" exponent="2" debitCreditIndicator="credit"/>
        <lastEvent>{event}</lastEvent></payment></orderStatusEvent>"""
        for order_code, event in statements
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"
        "http://dtd.worldpay.com/paymentService_v1.dtd">
        <paymentService version="1.4" merchantCode="TWINMERCHANT"><notify>{said}</notify></paymentService>"""
