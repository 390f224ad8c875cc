"""Lists of payments and operations: rows that match all filters, of one merchant only."""

import pytest

from tests.api.calling import document, order
from tests.flows.shopping import captured


@pytest.fixture
async def orders(api):
    """Create three payments of two customers."""
    made = [
        order(
            order_reference="A-1",
            amount=1250,
            currency="EUR",
            customer_reference="ada",
            metadata={"basket": "1"},
        ),
        order(
            order_reference="A-2",
            amount=990,
            currency="GBP",
            customer_reference="ada",
            metadata={"basket": "2"},
        ),
        order(
            order_reference="B-31",
            amount=1250,
            currency="GBP",
            customer_email="Grace@Shop.example",
            metadata={"basket": "1", "a:b": "c"},
        ),
    ]
    for each in made:
        assert (await api.post("/payments", each)).status == 201
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("customer_reference=ada", ["A-2", "A-1"]),
        ("customer_reference=Ada", []),
        ("customer_email=grace@shop.example", ["B-31"]),
        ("metadata=basket:1", ["B-31", "A-1"]),
        ("metadata=basket:", []),
        ("metadata=basket:1&customer_reference=ada", ["A-1"]),
        ("amount_from=1250&amount_to=1250", ["B-31", "A-1"]),
        ("amount_from=1250&amount_to=1250&currency=GBP", ["B-31"]),
        ("amount_to=1000", ["A-2"]),
        ("amount_from=1251", []),
        ("currency=GBP", ["B-31", "A-2"]),
        ("text=b-3", ["B-31"]),
        ("text=SHOP.EX", ["B-31"]),
        ("state=open", ["B-31", "A-2", "A-1"]),
        ("state=captured,open&currency=EUR", ["A-1"]),
        ("state=captured,cancelled", []),
    ],
)
async def test_payments_are_found_by_what_a_merchant_knows_of_them(api, stranger, orders, query, found):
    page = document(await api.get(f"/payments?{query}"))
    assert [each["order_reference"] for each in page["data"]] == found
    assert document(await stranger.get(f"/payments?{query}"))["data"] == []


@pytest.mark.parametrize(
    ("query", "parameter", "told"),
    [
        ("state=open,shut", "state", "There is no shut."),
        ("state=", "state", "There is no empty word."),
        ("metadata=basket", "metadata", "Write a name of the metadata, a colon and its value"),
        ("text=ab", "text", "at least 3 characters"),
        ("currency=gbp", "currency", "Write it in capitals: GBP."),
        ("amount_from=12.50", "amount_from", "valid integer"),
    ],
)
async def test_a_wrong_filter_is_told(api, query, parameter, told):
    answer = await api.get(f"/payments?{query}")
    assert answer.status == 422
    [fault] = document(answer)["errors"]
    assert fault["parameter"] == parameter
    assert told in fault["detail"]


async def test_operations_of_all_payments_are_listed_with_filters(api, stranger, manual, books, back_end):
    await captured(manual, books)
    refund = document(await api.post(f"/payments/{manual.reference}/refund", {"amount": 250}))
    every = document(await api.get("/operations"))["data"]
    assert [(each["object"], each["amount"]) for each in every] == [("refund", 250), ("capture", 1250)]
    assert every[0] == document(await api.get(f"/operations/{refund['id']}"))
    for query, found in (
        ("kind=refund", ["refund"]),
        ("kind=refund,capture", ["refund", "capture"]),
        ("kind=void", []),
        ("state=succeeded", ["capture"]),
        ("kind=capture&state=pending", []),
        ("amount_to=250", ["refund"]),
        ("currency=USD", []),
        ("created_to=2020-01-01T00:00:00Z", []),
        ("limit=1", ["refund"]),
    ):
        page = document(await api.get(f"/operations?{query}"))
        assert [each["object"] for each in page["data"]] == found, query
    second = document(
        await api.get(
            f"/operations?limit=1&cursor={document(await api.get('/operations?limit=1'))['next_cursor']}"
        )
    )
    assert [each["object"] for each in second["data"]] == ["capture"]
    assert document(await stranger.get("/operations"))["data"] == []


async def test_metadata_are_changed_in_any_state_by_their_merchant(api, stranger, manual, books, back_end):
    await captured(manual, books)
    path = f"/payments/{manual.reference}"
    before = document(await api.get(path))
    changed = await api.call("PATCH", path, {"metadata": {"basket": "78", "colour": "red"}})
    assert (changed.status, document(changed)["metadata"]) == (200, {"basket": "78", "colour": "red"})
    changed = await api.call("PATCH", path, {"metadata": {"colour": None, "size": ""}})
    assert document(changed)["metadata"] == {"basket": "78", "size": ""}
    after = document(await api.get(path))
    assert after == document(changed)
    differing = {name for name in before if before[name] != after[name]}
    assert differing == {"metadata", "updated_at"}
    assert (await stranger.call("PATCH", path, {"metadata": {}})).status == 404
    found = document(await api.get("/payments?metadata=basket:78"))["data"]
    assert [each["id"] for each in found] == [manual.reference]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/metadata"),
        ({"metadata": None}, "/metadata"),
        ({"metadata": {"a": 1}}, "/metadata"),
        ({"metadata": {41 * "a": "1"}}, "/metadata"),
        ({"metadata": {"a": 501 * "1"}}, "/metadata/a"),
        ({"metadata": {"a": "\x07"}}, "/metadata/a"),
        ({"metadata": {}, "amount": 1}, "/amount"),
    ],
)
async def test_metadata_have_the_limits_that_they_have_in_a_new_payment(api, orders, body, pointer):
    found = document(await api.get("/payments?order_reference=A-1"))["data"]
    answer = await api.call("PATCH", f"/payments/{found[0]['id']}", body)
    assert answer.status == 422
    assert [each["pointer"] for each in document(answer)["errors"]] == [pointer]
    unchanged = document(await api.get(f"/payments/{found[0]['id']}"))
    assert unchanged == found[0]


async def test_a_payment_has_fifty_names_at_most_after_a_change(api, orders):
    path = "/payments/" + document(await api.get("/payments?order_reference=A-1"))["data"][0]["id"]
    many = {f"name{number}": "1" for number in range(49)}
    assert (await api.call("PATCH", path, {"metadata": many})).status == 200
    answer = await api.call("PATCH", path, {"metadata": {"one": "more"}})
    [fault] = document(answer)["errors"]
    assert fault["detail"] == "A payment has at most 50 names. Remove some with null."
    assert (await api.call("PATCH", path, {"metadata": {"one": "more", "name0": None}})).status == 200
