"""Refusals of frequent mistakes of programs. Each says what to change."""

from typing import Any

import pytest

from scripts import openapi
from tests.api.calling import Caller, document, order


def fault_of(answer):
    [fault] = document(answer)["errors"]
    return fault


@pytest.mark.parametrize("currency", ["gbp", "Eur"])
@pytest.mark.parametrize("path", ["/payments", "/payment-links"])
async def test_a_currency_in_small_letters_is_told_to_be_written_in_capitals(api, path, currency):
    body = {key: value for key, value in order(currency=currency).items() if key != "lines"}
    fault = fault_of(await api.post(path, body))
    assert fault == {"pointer": "/currency", "detail": f"Write it in capitals: {currency.upper()}."}


async def test_a_currency_that_is_none_in_capitals_either_is_not_told_so(api):
    fault = fault_of(await api.post("/payments", order(currency="xxy")))
    assert fault["detail"] == "This is not a currency in which shoppers can pay (ISO 4217), such as EUR."


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"\xef\xbb\xbf{}", "The body begins with a byte order mark. Send UTF-8 without one."),
        (b'{\n  "a": 1,\n  "b" 2\n}', "The body is not JSON. The error is in line 3, at character 7."),
        (b'{"a": \xc3\xa9}', "The body is not JSON. The error is in line 1, at character 7."),
        (b"{'a': 1}", "The body is not JSON. The error is in line 1, at character 2."),
        (b"amount=1250", "The body is not JSON. The error is in line 1, at character 1."),
        (b'{"a": 1} {"a": 2}', "The body is not JSON. The error is in line 1, at character 10."),
    ],
)
async def test_a_body_that_is_no_json_is_told_where(api, body, detail):
    answer = await api.post("/payments", body)
    assert (document(answer)["code"], document(answer)["detail"]) == ("malformed_json", detail)


async def test_a_comma_too_many_is_told_where(api):
    answer = await api.post("/payments", b'{\n  "a": 1,\n}')
    # Versions of Python differ: the error is at the comma, or after it.
    assert document(answer)["detail"] in (
        "The body is not JSON. The error is in line 2, at character 9.",
        "The body is not JSON. The error is in line 3, at character 1.",
    )


@pytest.mark.parametrize("key", ["4444333322221111", "order-4444-3333-2222-1111"])
async def test_an_idempotency_key_that_looks_like_a_card_number_is_told_so(api, key):
    """One in ten long numbers looks like one, so a program meets it rarely, with keys of the right form."""
    answer = await api.post("/payments", order(), idempotency_key=key)
    assert (document(answer)["code"], fault_of(answer)["header"]) == (
        "idempotency_key_malformed", "Idempotency-Key",
    )  # fmt: skip
    assert document(answer)["detail"] == fault_of(answer)["detail"]
    assert fault_of(answer)["detail"] == (
        "The key contains digits that look like a card number. Put a letter between them, or send a UUID."
    )


@pytest.mark.parametrize("key", ["a,b", "a b", 'a"b', "a\\b", 256 * "a"])
async def test_the_refusal_of_an_idempotency_key_names_all_that_it_must_not_have(api, key):
    answer = await api.post("/payments", order(), idempotency_key=key)
    assert fault_of(answer)["detail"] == (
        "An Idempotency-Key has 1 to 255 visible ASCII characters, and no spaces, commas, quotation marks "
        "or backslashes."
    )


@pytest.mark.parametrize("line", ["%", "Basic %", "Token %", "sk_test %", 'Bearer "%"'])
async def test_a_key_in_another_form_than_that_of_the_header_is_told_the_form(line):
    answer = await Caller("").get("/payments", authorization=line.replace("%", f"sk_test_{32 * 'a'}"))
    assert (answer.status, document(answer)["code"]) == (401, "key_malformed")
    is_bearer = line.startswith("Bearer")
    of_header, of_key = "The header is `Authorization: Bearer sk_…`.", "This is not an API key."
    assert document(answer)["detail"] == (of_key if is_bearer else of_header)


@pytest.mark.parametrize("name", ["created_from", "created_to"])
async def test_a_plus_sign_that_has_become_a_blank_in_a_query_is_named(api, name):
    fault = fault_of(await api.get(f"/payments?{name}=2026-11-30T12:00:00+01:00"))
    advice = "Write the plus sign as %2B, or send the time in UTC with Z."
    assert fault == {"parameter": name, "detail": advice}
    assert (await api.get(f"/payments?{name}=2026-11-30T12:00:00%2B01:00")).status == 200


async def test_ids_and_types_of_another_form_are_told_the_form(api):
    body = order(saved_card="7", merchant_initiated="recurring")
    assert fault_of(await api.post("/payments", body))["detail"] == (
        "This is not the id of a saved card: card_ and 32 hexadecimal digits."
    )
    assert fault_of(await api.get("/events?object_id=A-17"))["detail"] == (
        "This is not the id of a payment or an operation: pay_ or op_, and 32 hexadecimal digits."
    )
    assert fault_of(await api.get("/events?types=payment.*"))["detail"] == (
        "Give the full name of each type, separated by commas."
    )


@pytest.mark.parametrize("length", [20, 490, 700, 5_000])
@pytest.mark.parametrize("verb", ["refund", "capture", "cancel"])
async def test_an_id_of_any_length_is_unknown_and_its_method_allowed(api, verb, length):
    answer = await api.post(f"/payments/{length * 'x'}/{verb}", {})
    assert (answer.status, document(answer)["code"]) == (404, "payment_not_found")


@pytest.mark.parametrize(
    ("amount", "told"),
    [("12.50", "12.50 EUR is 1250"), (12.5, "12.5 EUR is 1250"), ("1250", "1250 EUR is 125000")],
)
async def test_an_amount_in_major_units_is_told_the_minor_units_to_send(api, amount, told):
    fault = fault_of(await api.post("/payments", order(amount=amount)))
    assert fault["pointer"] == "/amount"
    assert fault["detail"].startswith("Send minor units of the currency, as a whole number: ")
    assert told in fault["detail"]


@pytest.mark.parametrize("amount", ["twelve", None, True, [], 0, -1, 10**12])
async def test_what_is_no_amount_at_all_is_refused_without_a_conversion(api, amount):
    fault = fault_of(await api.post("/payments", order(amount=amount)))
    assert fault["pointer"] == "/amount"
    assert "EUR" not in fault["detail"]


# The bodies with fields, by the requests that send them. Their ids belong to no object.
BODIES = {
    "CreatePayment": ("POST", "/payments"),
    "CreatePaymentLink": ("POST", "/payment-links"),
    "ChangePayment": ("PATCH", f"/payments/pay_{32 * '0'}"),
    "AdvanceClock": ("POST", f"/payments/pay_{32 * '0'}/advance-clock"),
    "Capture": ("POST", f"/payments/pay_{32 * '0'}/capture"),
    "Void": ("POST", f"/payments/pay_{32 * '0'}/void"),
    "Refund": ("POST", f"/payments/pay_{32 * '0'}/refund"),
    "CreateWebhookEndpoint": ("POST", "/webhook-endpoints"),
    "ChangeWebhookEndpoint": ("PATCH", f"/webhook-endpoints/whk_{32 * '0'}"),
    "DisableWebhookEndpoint": ("POST", f"/webhook-endpoints/whk_{32 * '0'}/disable"),
    "EvidenceInput": ("POST", f"/disputes/pay_{32 * '0'}/evidence"),
    "ResendSince": ("POST", f"/webhook-endpoints/whk_{32 * '0'}/resend"),
}


def fields_of(name):
    return openapi.document()["components"]["schemas"][name]["properties"]


def test_each_body_with_fields_is_tried():
    schemas = openapi.document()["components"]["schemas"]
    bodies = {name for name, each in schemas.items() if each.get("additionalProperties") is False}
    assert {name for name in bodies if fields_of(name)} == set(BODIES)


@pytest.mark.parametrize("name", BODIES)
async def test_all_mistakes_of_a_body_are_told_in_one_answer(api, name):
    """The value fits no field, and each body also has an unknown field."""
    method, path = BODIES[name]
    wrong = {field: {"a": {"b": 1}} for field in fields_of(name)}
    answer = await api.call(
        method, path, {**wrong, "surname": 1}, idempotency_key=f"wrong {name}".replace(" ", "-")
    )
    assert (answer.status, document(answer)["code"]) == (422, "invalid_request")
    told = {each["pointer"]: each["detail"] for each in document(answer)["errors"]}
    assert told.pop("/surname") == "There is no such field."
    assert {pointer.split("/")[1] for pointer in told} == set(wrong)
    assert all(told.values())


async def test_fields_whose_meaning_is_wrong_are_all_told_as_well(api):
    wrong: dict[str, Any] = {
        "customer_email": "nobody",
        "return_url": "https://elsewhere.example/",
        "locale": "no language",
        "metadata": {"sound": "\x07"},
    }
    answer = await api.post("/payments", order(**wrong))
    told = {each["pointer"] for each in document(answer)["errors"]}
    assert told == {"/customer_email", "/return_url", "/locale", "/metadata/sound"}
