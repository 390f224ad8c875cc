"""The messages that the tests parse are valid by Worldpay's DTD."""

import pytest
from lxml import etree

from tests.payments.providers.worldpay_messages import (
    acknowledged,
    amount,
    balance,
    challenge,
    credit,
    debit,
    error,
    journal,
    modified,
    named,
    notification,
    order_status,
    paid,
    payment,
    service,
)

pytestmark = pytest.mark.dtd

HELD, TAKEN, PENDING = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED", "REFUND_PENDING"
NET, COMMISSION = "SETTLED_BIBIT_NET", "SETTLED_BIBIT_COMMISSION"
ISSUER = '<IssuerResponseCode code="51" description="NO FUNDS"/>'
REFERENCES = "<refundReference>op_1</refundReference><reference>op_1</reference>"


def told(event: str, *entries: str, extra: str = "", **references: str) -> bytes:
    return notification(payment(event, extra) + journal(event, "".join(entries), named(**references)))


MESSAGES = {
    "authorised": told("AUTHORISED", credit(HELD, 1050)),
    "cancelled": told("CANCELLED", debit(HELD, 1050)),
    "captured in part": told("CAPTURED", debit(HELD, 300), credit(TAKEN, 300), capture="op_1"),
    "settled": told("SETTLED", debit(TAKEN, 300), credit(NET, 285), credit(COMMISSION, 15)),
    "settled in another currency": told("SETTLED", debit(TAKEN, 300, "EUR"), credit(NET, 250)),
    "refund sent": told("SENT_FOR_REFUND", debit(TAKEN, 300), credit(PENDING, 300), refund="op_1"),
    "refund authorised": told(
        "SENT_FOR_REFUND", credit(PENDING, 300), capture="op_1", refund_authorisation="A987654"
    ),
    "refund not yet authorised": told("SENT_FOR_REFUND", capture="op_1", refund_authorisation="null"),
    "fast refund": told("SENT_FOR_FAST_REFUND", credit("IN_PROCESS_FAST_REFUND", 300), capture="op_1"),
    "refunded": told("REFUNDED", debit(TAKEN, 300), credit(PENDING, 300), refund="op_1"),
    "refunded after settlement": told(
        "REFUNDED", debit(NET, 285), debit(COMMISSION, 15), credit(TAKEN, 300), extra=REFERENCES, refund=""
    ),
    "refund failed": told("REFUND_FAILED", debit(PENDING, 300), credit(TAKEN, 300), refund_response="why"),
    "charged back": told("CHARGED_BACK", debit(NET, 300)),
    "charge-back reversed": told("CHARGEBACK_REVERSED", credit(NET, 300)),
    "several entries of one account": told("CAPTURED", credit(TAKEN, 400), debit(TAKEN, 100)),
    "no accounts": told("REFUNDED"),
    "position": paid("REFUNDED", balance(HELD, 450) + balance(TAKEN, 0)),
    "position below zero": paid("CAPTURED", balance(TAKEN, 600, indicator="debit")),
    "issuer's code": paid("REFUSED", ISSUER),
    "both codes": paid("REFUSED", '<ISO8583ReturnCode code="54" description="EXPIRED"/>' + ISSUER),
    "two payments": order_status(payment("REFUSED") + payment("AUTHORISED")),
    "reply with a journal": order_status(
        payment("REFUNDED") + journal("REFUNDED", debit(TAKEN, 300), named(refund="op_1"))
    ),
    "references in the payment": paid("REFUNDED", REFERENCES),
    "no such order": error(7, "Could not find order"),
    "failed validation": error(5, "XML failed validation", of_order=True),
    "keys not enabled": error(9, "Idempotent requests are not enabled for this customer"),
    "challenge": challenge(),
    "acknowledged": acknowledged("refundReceived", amount(300)),
    "modified at once": modified("SENT_FOR_REFUND", f'<refund reference="op_1">{amount(300)}</refund>'),
    "report": service(
        '<notify messageType="EventReport"><report reportType="event"><orderStatusEvent orderCode="order-1">'
        f"{payment('CAPTURED')}{journal('CAPTURED')}</orderStatusEvent></report></notify>"
    ),
    "list": service(
        f'<reply complete="false"><orderStatus orderCode="order-1">{payment()}</orderStatus></reply>'
    ),
}


@pytest.mark.parametrize("body", MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_that_the_tests_use_is_valid(dtd, body):
    grammar = etree.DTD(str(dtd))
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    assert grammar.validate(etree.fromstring(body, parser)), grammar.error_log
