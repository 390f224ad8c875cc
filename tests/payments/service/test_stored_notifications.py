"""A notification is applied as the provider made it, whatever is masked in its stored text."""

import json
from xml.sax.saxutils import escape

import pytest

from checkout.payments.actions import deal_with_notification, record_notification
from checkout.payments.actions.notification import Recorded
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import Attempt, Fact, Operation, ProviderAccount, ProviderNotification
from checkout.payments.service import service
from checkout.states import AttemptState
from tests.payments.service.asking import operation_on
from tests.payments.service.conftest import ACCOUNT, MERCHANT_CODE
from tests.payments.service.delivering import command, deliver

pytestmark = pytest.mark.django_db
State = ProviderNotification.State


@pytest.fixture(autouse=True)
def _user_is_the_merchant_code(settings) -> None:
    with_credentials(settings)


def with_credentials(settings, **changes: str) -> None:
    known = {
        "user": MERCHANT_CODE,
        "password": "pass-word-of-the-account",
        "mac_key": "mac-key-of-the-account",
    }
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {ACCOUNT: known | changes}


@pytest.fixture
def capture(attempt: Attempt) -> Operation:
    """Return a capture of an approved payment at Worldpay that waits for the notification."""
    ProviderAccount.objects.update(provider="worldpay_wpg")
    Attempt.objects.update(state=AttemptState.AUTHORISED)
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    Operation.objects.update(state=Operation.State.PENDING)
    return operation


def captured(attempt: Attempt, holder: str = "A. Smith", sent: str = "n") -> bytes:
    amount = '<amount value="1250" currencyCode="GBP" exponent="2" debitCreditIndicator="credit"/>'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"
        "http://dtd.worldpay.com/paymentService_v1.dtd">
        <paymentService version="1.4" merchantCode="{MERCHANT_CODE}"><notify>
        <orderStatusEvent orderCode="{attempt.order_code}"><payment><paymentMethod>VISA-SSL</paymentMethod>
        {amount}<lastEvent>CAPTURED</lastEvent><cardHolderName>{escape(holder)}</cardHolderName></payment>
        <journal journalType="CAPTURED" sent="{sent}"><accountTx accountType="IN_PROCESS_CAPTURED">{amount}
        </accountTx></journal></orderStatusEvent></notify></paymentService>""".encode()


def receive(body: bytes) -> Recorded:
    """Store a proven notification, and apply it if the outbox has the command for that."""
    recorded = record_notification(ACCOUNT, body, is_proven=True)
    if recorded.owed is not None:
        apply(json.loads(recorded.owed.body)["notification"])
    return recorded


def apply(pk: int) -> None:
    deliver(service, command(ApplyNotification(notification=pk)))


def result(capture: Operation) -> tuple[str, str, str]:
    """Return state and reason of the latest notification, and the state of the capture."""
    row = ProviderNotification.objects.latest("pk")
    capture.refresh_from_db()
    return row.state, row.reason, capture.state


def test_it_is_applied_although_the_user_is_the_merchant_code(attempt, capture):
    receive(captured(attempt))
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)


@pytest.mark.parametrize(
    "credentials",
    [
        {"user": "pay"},
        {"issuer": "i"},
        {"password": "CAPTURED"},
        {"password": MERCHANT_CODE},
        {"mac_key": "GBP"},
    ],
)
def test_it_is_applied_whatever_the_credentials_are(attempt, capture, settings, credentials):
    with_credentials(settings, **credentials)
    receive(captured(attempt))
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)


@pytest.mark.parametrize("holder", ["A. Smith", 'A. Smith pan="', "A. Smith token='", 'password: "', "<cvc>"])
def test_it_is_applied_whatever_the_card_holder_is_called(attempt, capture, holder):
    receive(captured(attempt, holder))
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)
    assert "Smith" not in ProviderNotification.objects.get().body


def test_it_is_applied_although_nothing_of_its_body_can_be_read_any_more(attempt, capture):
    record_notification(ACCOUNT, captured(attempt), is_proven=True)
    ProviderNotification.objects.update(body="[secret]")
    apply(ProviderNotification.objects.get().pk)
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)


def test_a_contradiction_whose_cause_is_mended_is_applied_when_it_is_sent_again(attempt, capture):
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    receive(captured(attempt))
    reason = f"is for the merchant {MERCHANT_CODE}"
    assert result(capture) == (State.CONFLICTED, reason, Operation.State.PENDING)
    ProviderAccount.objects.update(merchant_code=MERCHANT_CODE)
    assert receive(captured(attempt)).owed is not None
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)
    receive(captured(attempt))
    applied = Fact.objects.filter(kind="notified_captured").exclude(data__has_key="not_applied")
    assert applied.count() == 1, "a copy is looked at, and moves nothing"


def test_it_is_applied_when_it_is_sent_again_in_other_bytes_too(attempt, capture):
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    receive(captured(attempt))
    ProviderAccount.objects.update(merchant_code=MERCHANT_CODE)
    receive(captured(attempt, sent="y"))
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)
    receive(captured(attempt))
    first = ProviderNotification.objects.earliest("pk")
    assert (first.state, first.reason) == (State.APPLIED, "repeats an earlier one")


def test_a_contradiction_that_is_still_one_is_recorded_once_and_stays_one(attempt, capture):
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    for sent in "nny":
        receive(captured(attempt, sent=sent))
        assert result(capture)[0] == State.CONFLICTED
    assert Fact.objects.filter(kind="notified_captured").count() == 1


def test_a_contradiction_that_staff_have_dealt_with_is_not_applied_after_them(attempt, capture):
    """Staff may have entered the notification's content by hand."""
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    receive(captured(attempt))
    deal_with_notification(ProviderNotification.objects.get().pk, by="ada", note="entered by hand")
    ProviderAccount.objects.update(merchant_code=MERCHANT_CODE)
    assert receive(captured(attempt)).owed is None
    assert result(capture)[0] == State.CONFLICTED


def test_a_try_that_was_under_way_when_staff_dealt_with_a_notification_applies_nothing(attempt, capture):
    """Staff may have entered the content by hand, and the command may wait in a queue for an hour."""
    order_code = attempt.order_code
    Attempt.objects.update(order_code="not-known-yet")
    receive(captured(attempt))
    row = ProviderNotification.objects.get()
    deal_with_notification(row.pk, by="ada", note="entered by hand")
    Attempt.objects.update(order_code=order_code)
    apply(row.pk)
    assert result(capture)[0] == State.UNMATCHED
    assert not Fact.objects.filter(kind="notified_captured").exists()
    row.refresh_from_db()
    assert row.next_try_at is None


def test_a_hint_does_not_make_a_proven_contradiction_be_applied(attempt, capture):
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    receive(captured(attempt))
    ProviderAccount.objects.update(merchant_code=MERCHANT_CODE)
    assert record_notification(ACCOUNT, captured(attempt)).owed is None


def test_an_order_that_was_not_found_is_looked_for_again_when_it_is_told_again(attempt, capture):
    Attempt.objects.update(order_code="elsewhere-1")
    receive(captured(attempt))
    assert result(capture)[0] == State.UNMATCHED
    Attempt.objects.update(order_code=attempt.order_code)
    receive(captured(attempt))
    assert result(capture) == (State.APPLIED, "", Operation.State.DONE)


def test_what_was_erased_is_not_stored_again(attempt, capture):
    ProviderAccount.objects.update(merchant_code="MISSPELT")
    receive(captured(attempt))
    ProviderNotification.objects.update(body="")
    receive(captured(attempt))
    assert ProviderNotification.objects.get().body == ""


def test_no_statements_of_a_hint_that_is_given_up_are_kept(attempt):
    ProviderAccount.objects.update(provider="worldpay_wpg")
    Attempt.objects.update(order_code="elsewhere-1")
    record_notification(ACCOUNT, captured(attempt))
    for _ in range(3):
        apply(ProviderNotification.objects.get().pk)
    row = ProviderNotification.objects.get()
    assert (row.state, row.statements) == (State.UNMATCHED, None)
