"""Lines of all services about a purchase name its request, payment and merchant."""

from typing import Any

import pytest

from checkout.payments.messages import AuthorisePayment
from checkout.payments.models import OutboxMessage, Payment
from messaging.concurrency.database import in_thread
from messaging.logs import work
from messaging.logs.work import Work
from tests.flows.shopping import pay


def lines_of(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    messages: list[Any] = [record.msg for record in caplog.records]
    return [each for each in messages if isinstance(each, dict) and each["event"] == event]


async def test_a_line_of_a_service_names_the_request_that_caused_it(
    back_end: None, payment: Payment, caplog: pytest.LogCaptureFixture
) -> None:
    request = Work()
    request.note(request_id="req_1")
    work.begin(request)
    with caplog.at_level("INFO"):
        await pay(payment, "unavailable")
    line, *_ = lines_of(caplog, "provider not reached")
    assert (line["request_id"], line["payment"], line["merchant"]) == ("req_1", payment.reference, "shop")
    assert line["message_id"]


async def test_services_learn_the_merchant_that_the_request_did_not_know(
    back_end: None, payment: Payment
) -> None:
    request = Work()
    request.note(request_id="req_1")
    work.begin(request)
    await pay(payment, "approve")
    asked = await in_thread(OutboxMessage.objects.get, type=AuthorisePayment.to)
    assert asked.headers["baggage"] == "request_id=req_1,merchant=shop"
