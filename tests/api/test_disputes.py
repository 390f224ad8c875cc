"""Disputes over the API: listed, read, and given evidence, which is stored once."""

from base64 import b64encode
from datetime import date
from functools import partial

import pytest

from checkout.payments.actions.disputes import record_dispute
from checkout.payments.models import Evidence, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.api.calling import document, header
from tests.backoffice import rows

PDF = b"%PDF-1.7 signed for by the shopper %%EOF"


@pytest.fixture
async def disputed(shop):
    def make():
        rows.account(owner=shop)
        payment = rows.captured("LOST", owner=shop)
        rows.operation(payment, "charge_back", 450, state="done")
        Payment.objects.filter(pk=payment.pk).update(state=PaymentState.CHARGED_BACK)
        return payment

    return await in_thread(make)


def file(content=PDF, **more):
    return {"name": "proof.pdf", "content": b64encode(content).decode(), **more}


async def test_a_dispute_is_listed_and_read_with_its_reason_and_time_limit(api, disputed):
    record = partial(record_dispute, reason_code="10.4", deadline=date(2026, 12, 24))
    await in_thread(lambda: record(disputed.reference, is_answered=False, by="ada"))
    read = document(await api.get(f"/disputes/{disputed.reference}"))
    charge_back = await in_thread(lambda: disputed.operations.get(kind="charge_back").reference)
    assert read == {
        **{"object": "dispute", "payment": disputed.reference, "order_reference": "LOST"},
        **{"status": "charged_back", "amount": 450, "currency": "GBP", "reason_code": "10.4"},
        **{"reason": "Fraud: the cardholder did not make this purchase online", "answer_by": "2026-12-24"},
        **{"is_answered": False, "operations": [charge_back], "evidence": []},
    }
    assert document(await api.get("/disputes"))["data"] == [read]


async def test_a_payment_without_one_has_none(api, shop):
    payment = await in_thread(lambda: rows.payment("FINE", owner=shop))
    answer = await api.get(f"/disputes/{payment.reference}")
    assert (answer.status, document(answer)["code"]) == (404, "dispute_not_found")
    added = await api.post(f"/disputes/{payment.reference}/evidence", file(), idempotency_key="k")
    assert (added.status, document(added)["code"]) == (404, "dispute_not_found")
    assert document(await api.get("/disputes"))["data"] == []


async def test_evidence_is_added_once_whatever_is_repeated(api, disputed):
    path = f"/disputes/{disputed.reference}/evidence"
    first = await api.post(path, file(description="Signed for"), idempotency_key="a")
    again = await api.post(path, file(description="Signed for"), idempotency_key="a")
    other_key = await api.post(path, file(), idempotency_key="b")
    assert [each.status for each in (first, again, other_key)] == [201, 201, 201]
    assert header(again, "Idempotent-Replayed") == "true"
    [kept] = document(first)["evidence"]
    assert (kept["name"], kept["media_type"], kept["size"]) == ("proof.pdf", "application/pdf", len(PDF))
    assert kept["added_by"].startswith("API key ")
    assert document(other_key)["evidence"] == [kept]

    def content():
        return bytes(Evidence.objects.get().content.content)

    assert await in_thread(content) == PDF


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (file(b"<html></html>"), "/content"),
        ({"name": "a.pdf", "content": "%%%"}, "/content"),
        ({"name": "a.pdf"}, "/content"),
        (file(description="Card 4444 3333 2222 1111"), None),
    ],
)
async def test_another_file_or_a_card_number_is_refused(api, disputed, body, pointer):
    answer = await api.post(f"/disputes/{disputed.reference}/evidence", body, idempotency_key="k")
    assert answer.status in (400, 422)
    if pointer:
        assert document(answer)["errors"][0]["pointer"] == pointer
    assert not await in_thread(Evidence.objects.count)
