"""Receipts are requested, recorded, and sent at least once, now or later. Nobody waits for them."""

import smtplib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings
from django.utils import timezone
from msgspec.structs import replace

from checkout.errors import OperationRejected
from checkout.orders.messages import OrderLine
from checkout.payments.actions import payment_view
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Merchant, Saga
from checkout.payments.sagas.service import service as checkout_service
from checkout.receipts.erasure import erase_address
from checkout.receipts.messages import SendReceipt, SendRefundReceipt
from checkout.receipts.models import Receipt
from checkout.receipts.resending import send_again
from checkout.receipts.service import RETRY_PAUSES, deliver_owed, service
from messaging.access.proofs import prove
from messaging.envelope import Envelope
from messaging.worker.service import NotEntitled
from tests.payments.service.at_once import behind
from tests.payments.service.crashing import Crash
from tests.payments.service.delivering import admit, command, deliver

# A receipt is sent after its transaction, by a thread that has given back its connection.
pytestmark = pytest.mark.django_db(transaction=True)


class AbsentMailServer(EmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, messages: object) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


class MailServerThatOutlivesUs(EmailBackend):
    """A mail server that accepts an e-mail just before our process ends."""

    def send_messages(self, messages: Sequence[mail.EmailMessage]) -> int:
        super().send_messages(messages)
        raise Crash


class MailServerWithTwoClients(EmailBackend):
    """A mail server to which another process sends due receipts, too, while ours is connected."""

    def send_messages(self, messages: Sequence[mail.EmailMessage]) -> int:
        async_to_sync(deliver_owed)()
        return super().send_messages(messages)


NOBODY = f"{__name__}.AbsentMailServer"
OUTLIVES_US = f"{__name__}.MailServerThatOutlivesUs"


def told(
    attempt, *, is_reserved: bool = False, is_test: bool = False, locale: str = "", **more: Any
) -> Envelope:
    payment = attempt.payment
    body = SendReceipt(
        payment=payment.reference,
        email=payment.shopper_email,
        merchant=payment.merchant.name,
        order_reference=payment.order_reference,
        description=payment.description,
        minor=payment.amount_minor,
        currency=payment.currency,
        locale=locale,
        is_reserved=is_reserved,
        is_test=is_test,
        **more,
    )
    return prove(replace(command(body), reply_to=""))


def tell(envelope: Envelope) -> None:
    """Deliver the command, and let the service's timer send the receipts that are due."""
    delivered = deliver(service, envelope)
    assert delivered.commands == []
    async_to_sync(deliver_owed)()


def html_of(message: Any) -> str:
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return str(html)


def later() -> None:
    """Let the timer send the receipts whose pause or lease ends meanwhile by the database's clock."""
    Receipt.objects.exclude(next_try_at=None).update(next_try_at=timezone.now() - timedelta(minutes=1))
    async_to_sync(deliver_owed)()


def test_a_receipt_tells_who_was_paid_how_much_and_for_what(attempt):
    tell(told(attempt))
    [message] = mail.outbox
    assert message.to == ["shopper@example.com"]
    assert message.subject == "Your payment to The Shop"
    for part in ("The Shop", "A-1", "Tea", "£12.50", attempt.payment.reference):
        assert part in message.body
    assert Receipt.objects.get().sent_at is not None


def tell_of_refund(payment: str, operation: str = "op_1", minor: int = 250) -> None:
    body = SendRefundReceipt(payment=payment, operation=operation, minor=minor, currency="GBP")
    tell(prove(replace(command(body), reply_to="")))


def test_a_refund_has_a_receipt_of_its_own_at_the_address_of_the_payments_receipt(attempt):
    tell(told(attempt, card_brand="Visa", card_last4="1111", support_email="help@shop.example"))
    for refund, minor in (("op_1", 250), ("op_2", 100), ("op_1", 250)):
        tell_of_refund(attempt.payment.reference, refund, minor)
    paid, first, second = mail.outbox
    assert (first.to, first.subject) == (paid.to, "Your refund from The Shop")
    for text in (first.body, html_of(first)):
        for part in ("£2.50", "given back to your card", "some days", "A-1", "ending in 1111", "help@shop"):
            assert part in text
        assert "was accepted" not in text
        assert "12.50" not in text
    assert "£1.00" in second.body
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 3


def test_a_refund_is_told_in_the_language_of_the_payment(attempt):
    tell(told(attempt, locale="de-DE"))
    tell_of_refund(attempt.payment.reference)
    assert mail.outbox[1].subject == "Ihre Rückzahlung von The Shop"
    assert "2,50" in mail.outbox[1].body


def test_nobody_is_told_of_a_refund_without_a_receipt_of_the_payment_or_after_an_erasure(attempt):
    tell_of_refund(attempt.payment.reference)
    tell(told(attempt))
    Receipt.objects.update(email="")
    tell_of_refund(attempt.payment.reference)
    assert [message.subject for message in mail.outbox] == ["Your payment to The Shop"]


@pytest.mark.postgresql
def test_no_receipt_of_a_refund_keeps_an_address_that_is_erased_at_the_same_time(attempt):
    payment = attempt.payment.reference
    deliver(service, told(attempt))
    refund = SendRefundReceipt(payment=payment, operation="op_1", minor=250, currency="GBP")
    envelope = prove(replace(command(refund), reply_to=""))
    behind(partial(deliver, service, envelope), partial[object](erase_address, payment))
    assert list(Receipt.objects.values_list("email", flat=True)) == ["", ""]


def test_a_receipt_names_card_items_and_whom_to_ask_in_text_and_in_html(attempt):
    card: dict[str, Any] = {"card_brand": "Visa", "card_last4": "1111"}
    contact: dict[str, Any] = {"support_email": "help@shop.example", "support_phone": "+44 20 7946 0000"}
    logo = "https://pay.example/logos/a.png"
    tell(told(attempt, lines=[OrderLine(sku="<TEA>", quantity=2)], logo_url=logo, **card, **contact))
    [message] = mail.outbox
    html = html_of(message)
    for part in ("Visa ending in 1111", "help@shop.example, +44 20 7946 0000", "£12.50", "A-1"):
        assert part in message.body
        assert part in html
    assert "2 \N{MULTIPLICATION SIGN} <TEA>" in message.body
    assert "2 \N{MULTIPLICATION SIGN} &lt;TEA&gt;" in html
    assert (f'src="{logo}"' in html, logo in message.body) == (True, False)
    assert message.message().get_content_type() == "multipart/alternative"


def test_a_receipt_that_is_sent_again_is_another_e_mail_to_the_same_address(attempt):
    tell(told(attempt))
    send_again(Receipt.objects.get())
    with pytest.raises(OperationRejected):
        send_again(Receipt.objects.get())
    later()
    first, second = mail.outbox
    assert (first.to, first.body) == (second.to, second.body)
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]
    assert Receipt.objects.get().sent_at is not None


def test_a_receipt_whose_address_was_erased_is_not_sent_again(attempt):
    tell(told(attempt))
    Receipt.objects.update(email="")
    with pytest.raises(OperationRejected):
        send_again(Receipt.objects.get())


def test_a_receipt_leaves_out_what_is_not_known(attempt):
    tell(told(attempt))
    [message] = mail.outbox
    html = html_of(message)
    for name in ("Card:", "Questions:", "Contents:"):
        assert name not in message.body
    assert "<img" not in html


def test_an_arabic_receipt_is_written_from_right_to_left(attempt):
    tell(told(attempt, locale="ar"))
    html = html_of(mail.outbox[0])
    assert '<html lang="ar" dir="rtl">' in html


def test_a_receipt_says_when_it_was_paid_whom_to_ask_and_what_to_do_about_a_payment_of_a_thief(attempt):
    with time_machine.travel("2028-02-29T23:50:00Z"):
        tell(told(attempt))
    [message] = mail.outbox
    for part in (
        "29 February 2028, 23:50 UTC",
        "We process payments for The Shop. Please send questions about the order to The Shop,",
        "If you did not make this payment, call your bank on the number on your card.",
    ):
        assert part in message.body


def test_no_absent_shopper_s_mailbox_answers_a_receipt(attempt):
    tell(told(attempt))
    assert mail.outbox[0].message()["Auto-Submitted"] == "auto-generated"


def test_a_receipt_of_money_that_is_only_reserved_does_not_say_that_it_was_taken(attempt):
    tell(told(attempt, is_reserved=True))
    assert "£12.50 (reserved on your card until the order is sent)" in mail.outbox[0].body


def test_a_receipt_writes_the_amount_as_in_the_payment_s_language(attempt):
    tell(told(attempt, locale="de"))
    assert "12,50\N{NO-BREAK SPACE}£" in mail.outbox[0].body


def test_a_receipt_of_a_test_says_that_no_money_was_taken(attempt):
    tell(told(attempt, is_test=True))
    [message] = mail.outbox
    assert message.subject == "Test: your payment to The Shop"
    assert message.body.startswith("This is a test: no money was taken.\n\nThank you.")


ALLOWED = "qa@shop.example, @Shopper.example, @müller.example, @xn--bcher-kva.example, qa@käse.example"


@pytest.mark.parametrize(
    ("address", "is_sent"),
    [
        ("QA@shop.example", True),
        ("other@shop.example", False),
        ("anybody@shopper.EXAMPLE", True),
        ("anybody@sub.shopper.example", False),
        ('"a@shopper.example"@elsewhere.example', False),
        ("anybody@Müller.example", True),
        ("anybody@xn--mller-kva.example", True),
        ("anybody@bücher.example", True),
        ("qa@xn--kse-qla.example", True),
        ("anybody@käse.example", False),
        ("anybody@muller.example", False),
    ],
)
def test_a_stranger_with_a_test_key_cannot_have_e_mail_sent_to_any_address(
    attempt, settings, caplog, address, is_sent
):
    settings.CHECKOUT_TRY_OUT, settings.CHECKOUT_TEST_RECEIPTS_TO = False, ALLOWED
    attempt.payment.shopper_email = address
    envelope = told(attempt, is_test=True)
    tell(envelope)
    assert len(mail.outbox) == is_sent
    receipt = Receipt.objects.get()
    assert (receipt.email, receipt.sent_at is not None) == (address, is_sent), "staff see that it was owed"
    assert Receipt.objects.get().next_try_at is None
    assert ("receipt of a test not sent" in caplog.text) is not is_sent


def test_a_receipt_of_a_real_payment_is_sent_to_any_address(attempt, settings):
    settings.CHECKOUT_TRY_OUT, settings.CHECKOUT_TEST_RECEIPTS_TO = False, ""
    tell(told(attempt))
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("is_live", "allowed", "is_told"),
    [(True, "", True), (False, "", False), (False, "@example.com", True)],
)
def test_a_page_announces_only_a_receipt_that_is_sent(attempt, settings, is_live, allowed, is_told):
    settings.CHECKOUT_TRY_OUT, settings.CHECKOUT_TEST_RECEIPTS_TO = False, allowed
    Merchant.objects.update(is_live=is_live)
    assert payment_view(attempt.payment.reference).has_receipt is is_told


@pytest.mark.parametrize("is_live", [True, False])
def test_a_purchase_knows_if_its_receipt_is_of_a_test(attempt, is_live):
    Merchant.objects.update(is_live=is_live)
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(checkout_service, command(body, sealed="approve"))
    assert Saga.objects.get(kind="purchase").data["is_test"] is not is_live


def test_a_program_that_asks_for_a_receipt_is_answered(attempt):
    assert deliver(service, replace(told(attempt), reply_to="test.replies.saga")).reply.ok
    attempt.payment.shopper_email = ""
    assert deliver(service, replace(told(attempt), reply_to="test.replies.saga")).reply.ok


def test_a_name_is_printed_as_it_is(attempt):
    attempt.payment.merchant.name = "Cup & Saucer"
    tell(told(attempt))
    assert "Cup & Saucer" in mail.outbox[0].body


def test_a_receipt_that_is_told_twice_is_sent_once(attempt):
    first = told(attempt)
    for envelope in (first, told(attempt), first):
        tell(envelope)
    assert len(mail.outbox) == 1


def test_a_receipt_that_is_told_twice_is_sent_once_although_the_mail_server_was_down(attempt):
    first = told(attempt)
    with override_settings(EMAIL_BACKEND=NOBODY):
        tell(first)
    for envelope in (first, told(attempt)):
        tell(envelope)
    assert mail.outbox == [], "the pause is not over"
    later()
    later()
    assert len(mail.outbox) == 1


def test_what_one_process_is_sending_is_left_alone_by_others(attempt):
    with override_settings(EMAIL_BACKEND=f"{__name__}.MailServerWithTwoClients"):
        tell(told(attempt))
    assert len(mail.outbox) == 1


def test_a_receipt_has_the_same_message_id_each_time_it_is_sent(attempt, settings):
    settings.DEFAULT_FROM_EMAIL = "The Shop <no-reply@müller.example>"
    with override_settings(EMAIL_BACKEND=OUTLIVES_US), pytest.raises(Crash):
        tell(told(attempt))
    later()
    ids = [str(message.message()["Message-ID"]) for message in mail.outbox]
    assert ids == [f"<receipt.{attempt.payment.reference}@xn--mller-kva.example>"] * 2


@pytest.mark.parametrize(
    ("address", "told_as"),
    [
        ("mary@straße.example", "mary@xn--strae-oqa.example"),  # strasse.example may belong to somebody else
        ("mary@münchen.example", "mary@xn--mnchen-3ya.example"),
        ("Mary@Shopper.example", "Mary@Shopper.example"),
        ("mary@☃.example", "mary@xn--n3h.example"),
        ('"mary"@shopper.example', "mary@shopper.example"),  # this is the same address
    ],
)
def test_a_receipt_is_sent_to_the_domain_that_the_shopper_has_typed(attempt, address, told_as):
    attempt.payment.shopper_email = address
    tell(told(attempt))
    assert mail.outbox[0].recipients() == [told_as]


@pytest.mark.parametrize(
    "address",
    [
        "mary@1א.example",
        f"mary@{'ü' * 63}.example",
        "=?utf-8?q?a?=@x.example",
        '"mary."@x.example',
        # One part is no name by the rules of 2008. Then the others would be written by those of 2003.
        "mary@☃.straße.example",
        "mary@ab--cd.STRAẞE.example",
    ],
)
def test_a_receipt_to_an_address_that_no_e_mail_can_have_is_given_up_at_once(attempt, caplog, address):
    attempt.payment.shopper_email = address
    envelope = told(attempt)
    tell(envelope)
    assert Receipt.objects.get().next_try_at is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert (mail.outbox, Receipt.objects.get().sent_at) == ([], None)


def test_a_receipt_whose_address_was_erased_meanwhile_is_not_said_to_be_sent(attempt, caplog):
    with override_settings(EMAIL_BACKEND=NOBODY):
        tell(told(attempt))
    Receipt.objects.update(email="")
    caplog.clear()
    later()
    assert caplog.records == [], "it is not given up either"
    assert mail.outbox == []
    receipt = Receipt.objects.get()
    assert (receipt.sent_at, receipt.next_try_at) == (None, None)


def test_a_shopper_without_an_address_gets_none(attempt):
    attempt.payment.shopper_email = ""
    tell(told(attempt))
    assert mail.outbox == []
    assert not Receipt.objects.exists()


def test_an_e_mail_is_sent_only_for_a_command_of_the_gateway(attempt):
    envelope = told(attempt)
    admit(service, envelope)
    with pytest.raises(NotEntitled):
        admit(service, replace(envelope, headers={}))


def test_a_crash_after_sending_sends_it_again(attempt):
    with override_settings(EMAIL_BACKEND=OUTLIVES_US), pytest.raises(Crash):
        tell(told(attempt))
    assert Receipt.objects.get().sent_at is None
    async_to_sync(deliver_owed)()
    assert len(mail.outbox) == 1, "the process may be sending it still"
    later()
    assert len(mail.outbox) == 2
    assert Receipt.objects.get().sent_at is not None


def test_a_mail_server_that_is_down_is_tried_again_later(attempt):
    before = timezone.now()
    with override_settings(EMAIL_BACKEND=NOBODY):
        tell(told(attempt))
    receipt = Receipt.objects.get()
    assert receipt.failures == 1
    assert receipt.next_try_at is not None
    assert (receipt.next_try_at - before).total_seconds() == pytest.approx(RETRY_PAUSES[0], abs=30)
    later()
    assert len(mail.outbox) == 1
    receipt.refresh_from_db()
    assert receipt.sent_at is not None
    assert receipt.next_try_at is None


def test_a_mail_server_that_stays_down_is_given_up_and_told_to_an_operator(attempt, settings, caplog):
    settings.EMAIL_BACKEND = NOBODY
    tell(told(attempt))
    for _ in RETRY_PAUSES:
        assert Receipt.objects.get().next_try_at is not None
        later()
    assert Receipt.objects.get().next_try_at is None
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
