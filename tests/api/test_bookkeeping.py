"""Order code and time of the outcome, by which bookkeeping finds an operation in the provider's books."""

from datetime import datetime

from tests.api.calling import document
from tests.flows.shopping import eventually, notify_all, operation_states, pay


async def test_an_operation_names_the_order_and_the_time_of_its_outcome(api, manual, books, back_end):
    await pay(manual, "refuse")
    await pay(manual, "approve", attempt_number=2)
    path = f"/payments/{manual.reference}"
    capture = document(await api.post(f"{path}/capture", {}))
    assert (capture["state"], capture["attempt"]) == ("pending", f"{manual.reference}-2")
    assert capture["outcome_at"] is None
    (order,) = [code for code, each in books.orders.items() if each.position.authorised.minor]
    assert capture["attempt"] == order
    await notify_all(books)
    await eventually(operation_states(manual), ["done"])
    (done,) = document(await api.get(f"{path}/operations"))["data"]
    assert done["outcome_at"] == done["updated_at"] > done["created_at"]
    assert done == document(await api.get(f"/operations/{capture['id']}"))
    events = document(await api.get(f"/events?object_id={capture['id']}"))["data"]
    told = [each["data"]["object"] for each in events]
    assert {each["attempt"] for each in told} == {order}
    assert [each["outcome_at"] is None for each in told] == [False, True, True]
    assert datetime.fromisoformat(told[0]["outcome_at"]) == datetime.fromisoformat(done["outcome_at"])


async def test_an_automatic_capture_and_a_refund_name_it_too(api, payment, books, back_end):
    await pay(payment, "approve")
    await notify_all(books)
    await eventually(operation_states(payment), ["done"])
    await api.post(f"/payments/{payment.reference}/refund", {})
    found = document(await api.get(f"/payments/{payment.reference}/operations"))["data"]
    assert [(each["object"], each["attempt"]) for each in found] == [
        ("capture", f"{payment.reference}-1"),
        ("refund", f"{payment.reference}-1"),
    ]
    (event,) = document(await api.get("/events?types=payment.captured"))["data"]
    assert event["data"]["operations"] == found[:1]
