"""A command that an attacker has copied and sends again, with its proof, changes nothing.

While its row is in the inbox, the command is not handled. Later the state after its first handling makes it
harmless.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.messages import Command
from checkout.orders import service as orders
from checkout.orders.messages import CancelOrder, ConfirmOrder, OrderLine, ReleaseStock, ReserveStock
from checkout.orders.models import Reservation, StockItem
from checkout.payments.models import InboxMessage
from checkout.receipts import service as receipts
from checkout.receipts.messages import SendReceipt, SendRefundReceipt
from checkout.receipts.models import Receipt
from checkout.risk import service as risk
from checkout.risk.messages import AssessRisk
from checkout.risk.models import RiskAssessment
from messaging.access.proofs import is_proven, prove
from messaging.envelope import Envelope, encode_body
from messaging.worker.service import NotEntitled, Service
from tests.payments.service.delivering import admit, command, deliver

# A receipt is sent after its transaction, by a thread that has given back its connection.
pytestmark = pytest.mark.django_db(transaction=True)
PAYMENT = "pay_1"
SERVICES = {each.service.name: each.service for each in (orders, ledger, receipts, risk)}
LINES = [OrderLine(sku="tea", quantity=2)]

RESERVE = ReserveStock(payment=PAYMENT, merchant_code="shop", attempt="pay_1-1", lines=LINES)
RELEASE = ReleaseStock(payment=PAYMENT, attempt="pay_1-1")
CONFIRM = ConfirmOrder(payment=PAYMENT)
CANCEL = CancelOrder(payment=PAYMENT)
POST = PostEntries(payment=PAYMENT, kind="captured", reference="op_1", minor=1250, currency="GBP")
SEND = SendReceipt(
    payment=PAYMENT,
    email="shopper@example.com",
    merchant="The Shop",
    order_reference="A-1",
    description="Tea",
    minor=1250,
    currency="GBP",
)
SEND_REFUND = SendRefundReceipt(payment=PAYMENT, operation="op_2", minor=250, currency="GBP")


@pytest.fixture(autouse=True)
def _stock() -> None:
    StockItem.objects.create(
        merchant_code="shop", sku="tea", name="Tea", price_minor=625, currency="GBP", quantity=10
    )


def asked(body: Command[Any]) -> Envelope:
    return prove(command(body))


def handled(envelope: Envelope) -> Service:
    service = SERVICES[envelope.type.partition(".")[0]]
    admit(service, envelope)
    deliver(service, envelope)
    return service


def state() -> list[Any]:
    """Return everything that the services' tables hold about the payment."""
    return [
        list(Reservation.objects.values_list("state", "attempt", "lines")),
        list(StockItem.objects.values_list("quantity")),
        list(LedgerEntry.objects.values_list("posting", "account", "amount_minor")),
        list(Receipt.objects.values_list("email", "merchant", "refund")),
    ]


HISTORIES: dict[str, list[Command[Any]]] = {
    "sold": [RESERVE, CONFIRM, POST, SEND, SEND_REFUND],
    "refused": [RESERVE, RELEASE],
    "refused before it was reserved": [RELEASE, RESERVE],
    "refused, and paid with another card": [
        RESERVE,
        RELEASE,
        ReserveStock(payment=PAYMENT, merchant_code="shop", attempt="pay_1-2", lines=LINES),
        CONFIRM,
    ],
    "called off": [RESERVE, CONFIRM, CANCEL],
    "called off before it was sold": [RESERVE, CANCEL, CONFIRM],
}


@pytest.mark.parametrize("forget", [lambda: None, InboxMessage.objects.all().delete], ids=["at once", "late"])
@pytest.mark.parametrize("history", HISTORIES)
def test_a_copied_command_changes_nothing(history: str, forget: Callable[[], object]):
    commands = [asked(body) for body in HISTORIES[history]]
    for envelope in commands:
        handled(envelope)
    before = state()
    forget()
    for envelope in commands:
        handled(envelope)
        assert state() == before, f"{envelope.type} was repeated"


def test_a_copied_question_for_the_risk_counts_once_at_most():
    body = AssessRisk(
        payment=PAYMENT, minor=1250, currency="GBP", email="shopper@example.com", ip_address="192.0.2.7"
    )
    envelope = prove(command(body))
    for _ in range(3):
        handled(envelope)
    assert RiskAssessment.objects.count() == 1


@pytest.mark.parametrize(
    "body", [RESERVE, RELEASE, CONFIRM, CANCEL, POST, SEND, SEND_REFUND], ids=lambda body: body.to
)
def test_a_command_without_its_own_proof_is_refused(body: Command[Any]):
    envelope = asked(body)
    service = SERVICES[envelope.type.partition(".")[0]]
    admit(service, envelope)
    another = encode_body(
        {**{name: getattr(body, name) for name in body.__struct_fields__}, "payment": "pay_2"}
    )
    for forged in (
        replace(envelope, headers={}),
        replace(envelope, body=another),
        replace(envelope, correlation_id="18"),
        # Under another id the inbox would not recognise the copy.
        replace(envelope, message_id="another"),
        replace(envelope, reply_to="test.node.web-1"),
    ):
        with pytest.raises(NotEntitled):
            admit(service, forged)


def test_a_proof_of_one_type_is_none_of_another():
    """The bodies of some commands have the same fields."""
    envelope = replace(asked(CONFIRM), type="orders.cancel")
    assert not is_proven(envelope)
    with pytest.raises(NotEntitled):
        admit(orders.service, envelope)
