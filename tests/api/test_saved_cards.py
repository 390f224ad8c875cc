"""Saved cards: saved at the checkout, listed, removed, and charged without the shopper."""

import asyncio
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from checkout.api.access.keys import make_key
from checkout.api.access.scopes import Scope
from checkout.api.models import IdempotencyRecord
from checkout.ledger.models import LedgerEntry
from checkout.money import Money
from checkout.payments.actions import create_payment, submit_payment
from checkout.payments.actions.saved_cards import erase_cards
from checkout.payments.models import Attempt, CardTrial, Fact, Payment, ProviderAccount, Saga, SavedCard
from checkout.receipts.models import Receipt
from checkout.running import embedded
from checkout.states import PaymentState
from checkout.web import held_tier
from messaging.concurrency.database import in_thread
from messaging.registry import close_brokers, get_broker
from tests.api.calling import ROOT, Caller, document, end_waits, header, order
from tests.api.keeping import CUSTOMER, kept_card
from tests.flows.shopping import BROWSER, eventually, pay

PAID = (PaymentState.AUTHORISED, PaymentState.CAPTURE_PENDING, PaymentState.CAPTURED)


async def saved(shop, card="approve", *, saves=True, number="first"):
    """Pay an order with a card that the shopper wants saved, and return its payment."""

    def create():
        return create_payment(
            shop,
            order_reference=number,
            amount=Money(1250, "EUR"),
            description="Tea",
            shopper_email="ada@example.com",
            customer_reference=CUSTOMER,
        )

    payment = await in_thread(create)
    pending = await in_thread(
        submit_payment,
        payment.reference,
        attempt_number=1,
        browser=BROWSER,
        device_data_reference="",
        saves_card=saves,
    )
    assert await held_tier.answer(pending, sealed_card=card, budget_seconds=20) in PAID
    return payment


async def saved_card(shop, card="approve", number="first"):
    await saved(shop, card, number=number)
    return await in_thread(SavedCard.objects.get)


def charge(card, number="A-1", **changes):
    return order(number, saved_card=card, merchant_initiated="unscheduled", **changes)


def later(books, card):
    """Choose the result of the card's next charge."""
    (token,) = books.tokens
    books.tokens[token] = card


async def test_a_card_is_saved_with_the_authorisation_when_the_shopper_wants_it(api, shop, books, back_end):
    payment = await saved(shop)
    listed = document(await api.get(f"/saved-cards?customer_reference={CUSTOMER}"))
    (card,) = listed["data"]
    assert (card["object"], card["state"], card["usable"]) == ("saved_card", "active", True)
    assert (card["card"], card["expiry"]) == ({"brand": "visa", "last4": "1111"}, "12/2030")
    assert (card["customer_reference"], card["payment"]) == (CUSTOMER, payment.reference)
    assert document(await api.get(f"/saved-cards/{card['id']}")) == card
    assert document(await api.get("/saved-cards?customer_reference=another"))["data"] == []
    row = await in_thread(SavedCard.objects.get)
    (token,) = books.tokens
    assert row.sealed_token.startswith("secret1.")
    assert token not in str(listed) + row.sealed_token + row.token_hash
    assert document(await api.get(f"/payments/{payment.reference}"))["customer_reference"] == CUSTOMER


async def test_no_card_is_saved_without_the_choice_or_without_a_customer(api, shop, books, back_end, payment):
    await saved(shop, saves=False)
    pending = await in_thread(
        submit_payment,
        payment.reference,
        attempt_number=1,
        browser=BROWSER,
        device_data_reference="",
        saves_card=True,
    )
    assert await held_tier.answer(pending, sealed_card="approve", budget_seconds=20) in PAID
    assert await in_thread(SavedCard.objects.count) == 0
    assert books.tokens == {}


async def test_a_refused_card_is_not_saved_and_the_same_card_is_saved_once(api, shop, books, back_end):
    await saved_card(shop)
    await saved(shop, number="second")
    assert await in_thread(SavedCard.objects.count) == 1


async def test_cards_of_a_customer_come_in_pages(api, shop, books, back_end):
    await saved(shop)
    books.tokens.clear()
    await in_thread(SavedCard.objects.update, token_hash="another")
    await saved(shop, number="second")
    first = document(await api.get(f"/saved-cards?customer_reference={CUSTOMER}&limit=1"))
    rest = f"/saved-cards?customer_reference={CUSTOMER}&limit=1&cursor={first['next_cursor']}"
    last = document(await api.get(rest))
    assert (first["has_more"], last["has_more"]) == (True, False)
    assert first["data"][0]["id"] != last["data"][0]["id"]
    missing = await api.get("/saved-cards")
    assert (missing.status, document(missing)["errors"][0]["parameter"]) == (422, "customer_reference")


async def test_a_saved_card_is_charged_at_once_and_goes_through_the_whole_purchase(
    api, shop, books, back_end
):
    card = await saved_card(shop)
    lines = [{"sku": "tea", "quantity": 1}]
    answer = await api.post("/payments", charge(card.reference, lines=lines, customer_email="a@example.com"))
    paid = document(answer)
    assert answer.status == 201, paid
    assert header(answer, "Location") == f"{ROOT}/payments/{paid['id']}"
    assert paid["state"] in ("authorised", "capture_pending", "captured")
    assert paid["customer_reference"] == CUSTOMER
    assert paid["card"] == {"brand": "visa", "last4": "1111"}
    await eventually(
        lambda: Saga.objects.get(kind="purchase", payment__reference=paid["id"]).status, "completed"
    )
    assert books.orders[f"{paid['id']}-1"].captured == Money(1250, "EUR")

    def written():
        attempt = Attempt.objects.get(payment__reference=paid["id"])
        fact = Fact.objects.get(payment__reference=paid["id"], kind="charge_requested")
        return (
            attempt.saved_card_id,
            attempt.merchant_initiated,
            fact.source,
            LedgerEntry.objects.filter(payment_reference=paid["id"]).exists(),
            Receipt.objects.filter(payment_reference=paid["id"]).exists(),
            CardTrial.objects.filter(attempt=attempt).exists(),
        )

    await eventually(written, (card.pk, "unscheduled", "merchant", True, True, False))


async def test_the_same_charge_many_times_is_made_once(api, shop, books, back_end):
    card = await saved_card(shop)
    same = [
        api.post("/payments", charge(card.reference), idempotency_key="one", prefer="wait=20")
        for _ in range(5)
    ]
    answers = await asyncio.gather(*same)
    assert {answer.status for answer in answers} <= {201, 409}
    again = await api.post("/payments", charge(card.reference), idempotency_key="one")
    assert (again.status, header(again, "Idempotent-Replayed")) == (201, "true")
    other_key = await api.post("/payments", charge(card.reference), idempotency_key="two")
    assert (other_key.status, document(other_key)["id"]) == (200, document(again)["id"])
    assert len(books.orders) == 2
    assert await in_thread(Attempt.objects.filter(saved_card=card).count) == 1


async def test_an_order_with_a_payment_of_another_kind_is_not_charged(api, shop, books, back_end):
    card = await saved_card(shop)
    await api.post("/payments", order(customer_reference=CUSTOMER))
    answer = await api.post("/payments", charge(card.reference))
    assert (answer.status, document(answer)["code"]) == (409, "order_has_payment")
    assert document(answer)["errors"][0]["pointer"] == "/saved_card"
    charged = document(await api.post("/payments", charge(card.reference, "A-2")))
    reason = {"merchant_initiated": "recurring"}
    assert (await api.post("/payments", charge(card.reference, "A-2") | reason)).status == 409
    assert len(books.orders) == 2, charged


async def test_a_declined_charge_is_a_payment_that_the_customer_may_still_pay(api, shop, books, back_end):
    card = await saved_card(shop)
    later(books, "refuse:authentication_required")
    answer = await api.post("/payments", charge(card.reference, lines=[{"sku": "tea", "quantity": 1}]))
    declined = document(answer)
    assert (answer.status, declined["state"], declined["can_retry"]) == (201, "declined", True)
    assert declined["last_error"]["code"] == "authentication_required"
    assert declined["next_action"] == {"type": "redirect", "url": declined["checkout_url"]}
    assert (declined["saved_card"], declined["merchant_initiated"]) == (card.reference, "unscheduled")
    payment = await in_thread(Payment.objects.get, reference=declined["id"])
    (attempt,) = document(await api.get(f"/payments/{declined['id']}/attempts"))["data"]
    assert attempt["merchant_initiated"] == "unscheduled"
    # The issuer demands the shopper, so that the next attempt begins with a challenge.
    assert await pay(payment, "approve", attempt_number=2) == PaymentState.CHALLENGE_REQUIRED


async def test_an_issuer_that_wants_to_challenge_a_charge_declines_it(api, shop, books, back_end):
    card = await saved_card(shop)
    later(books, "challenge")
    declined = document(await api.post("/payments", charge(card.reference)))
    assert (declined["state"], declined["last_error"]["code"]) == ("declined", "authentication_required")


async def test_a_charge_whose_answer_is_lost_is_asked_about_and_never_repeated(
    api, shop, books, back_end, settings
):
    settings.CHECKOUT_INQUIRY_DELAYS = [1, 1, 1, 5]
    card = await saved_card(shop)
    later(books, "unknown")
    answer = await api.post("/payments", charge(card.reference), idempotency_key="one")
    first = document(answer)
    assert (answer.status, first["state"], header(answer, "Retry-After")) == (202, "unknown", "1")
    states = ("authorised", "capture_pending", "captured")
    await eventually(lambda: Payment.objects.get(reference=first["id"]).state in states, True)
    final = await api.post("/payments", charge(card.reference), idempotency_key="one")
    assert (final.status, document(final)["state"] in states) == (201, True)
    assert len(books.orders) == 2


async def test_a_charge_need_not_be_waited_for(api, shop, books, back_end):
    card = await saved_card(shop)
    answer = await api.post("/payments", charge(card.reference), prefer="respond-async")
    assert (answer.status, header(answer, "Preference-Applied")) == (202, "respond-async")
    processing = document(answer)
    assert (processing["state"], processing["saved_card"]) == ("processing", card.reference)
    by_shopper, charged = reversed(document(await api.get("/payments"))["data"])
    assert (charged["saved_card"], charged["merchant_initiated"]) == (card.reference, "unscheduled")
    assert (by_shopper["saved_card"], by_shopper["merchant_initiated"]) == (None, None)
    events = document(await api.get(f"/events?object_id={charged['id']}"))["data"]
    of_payment = [each["data"]["object"] for each in events if each["type"].startswith("payment.")]
    assert {each["saved_card"] for each in of_payment} == {card.reference}


async def test_a_repeated_charge_without_an_outcome_tells_the_present_state(api, shop, books):
    """The back end does not run, so the charge has no outcome."""
    card = await in_thread(made, shop)
    asked = charge(card.reference)
    first = await api.post("/payments", asked, idempotency_key="k", prefer="respond-async")
    reference = document(first)["id"]
    await in_thread(lambda: Payment.objects.filter(reference=reference).update(state="confirming"))
    again = await api.post("/payments", asked, idempotency_key="k", prefer="respond-async")
    assert (again.status, document(again)["state"]) == (202, "unknown")
    assert header(again, "Idempotent-Replayed") == "true"


async def test_a_repeated_charge_is_told_to_wait_while_the_first_is_held(api, shop, silence):
    """The back end does not run, so the first request waits until the test ends its wait."""
    card = await in_thread(made, shop)
    asked = charge(card.reference)
    first = asyncio.ensure_future(api.post("/payments", asked, idempotency_key="k", prefer="wait=60"))
    await eventually(IdempotencyRecord.objects.count, 1)
    second = await api.post("/payments", asked, idempotency_key="k")
    assert (second.status, document(second)["code"]) == (409, "idempotency_key_in_use")
    await end_waits()
    ended = await first
    assert ended.status == 202
    assert header(second, "Location") == header(ended, "Location")


async def test_a_removed_card_is_gone_at_once_and_its_token_erased(api, shop, books, back_end):
    card = await saved_card(shop)
    removed = await api.call("DELETE", f"/saved-cards/{card.reference}")
    told = document(removed)
    assert (removed.status, told["state"], told["usable"]) == (200, "removed", False)
    assert document(await api.call("DELETE", f"/saved-cards/{card.reference}")) == told
    assert document(await api.get(f"/saved-cards/{card.reference}")) == told
    assert document(await api.get(f"/saved-cards?customer_reference={CUSTOMER}"))["data"] == []
    assert (await in_thread(SavedCard.objects.get)).sealed_token == ""
    answer = await api.post("/payments", charge(card.reference))
    assert (answer.status, document(answer)["code"]) == (409, "saved_card_not_usable")
    assert await in_thread(Payment.objects.count) == 1


async def test_a_card_that_is_removed_before_its_charge_was_sent_is_not_charged(api, shop, books):
    card = await in_thread(made, shop)
    answer = await api.post("/payments", charge(card.reference), prefer="respond-async")
    await api.call("DELETE", f"/saved-cards/{card.reference}")
    get_broker().open()
    async with embedded.running(with_upkeep=False):
        reference = document(answer)["id"]
        await eventually(lambda: Payment.objects.get(reference=reference).state, "refused")
    await close_brokers()
    assert books.orders == {}
    assert (await in_thread(Attempt.objects.get, saved_card=card)).refusal_code == "saved_card_removed"


@pytest.mark.parametrize("named", [{}, {"customer_reference": CUSTOMER}])
async def test_a_charge_whose_answer_was_lost_is_answered_although_its_customer_was_erased_since(
    api, shop, named
):
    card = await in_thread(made, shop)
    body = charge(card.reference, **named)
    first = await api.post("/payments", body, prefer="respond-async")
    await in_thread(transaction.atomic(erase_cards), card.payment, by="bob")
    again = await api.post("/payments", body, prefer="respond-async")
    assert (again.status, document(again)["id"]) == (202, document(first)["id"])
    another = await api.post("/payments", charge(card.reference, customer_reference="another"))
    assert (another.status, document(another)["code"]) == (409, "order_has_payment")
    new = await api.post("/payments", charge(card.reference, "A-2", **named))
    assert (new.status, document(new)["code"]) == (409, "saved_card_not_usable")


def made(shop):
    """Write the saved card of a payment that nobody has paid."""
    return kept_card(create_payment(shop, order_reference="made", amount=Money(1, "EUR"), description="Tea"))


def expired(card):
    card.expiry = f"{timezone.now() - timedelta(days=32):%m/%Y}"


def token_expired(card):
    card.valid_until = timezone.now().date() - timedelta(days=2)


def without_account(card):
    ProviderAccount.objects.filter(pk=card.provider_account_id).update(options={"saved_cards": "no"})


def misconfigured(card):
    ProviderAccount.objects.filter(pk=card.provider_account_id).update(code="unknown")


@pytest.mark.parametrize("change", [expired, token_expired, without_account, misconfigured])
async def test_a_card_that_cannot_be_charged_is_a_problem_and_nothing_changes(api, shop, change):
    def written():
        card = made(shop)
        change(card)
        card.save()
        return card.reference

    reference = await in_thread(written)
    answer = await api.post("/payments", charge(reference))
    assert (answer.status, document(answer)["code"]) == (409, "saved_card_not_usable")
    assert await in_thread(lambda: (Payment.objects.count(), Attempt.objects.count())) == (1, 0)


async def test_another_merchants_card_is_as_unknown_as_an_invented_one(api, stranger, shop):
    card = await in_thread(made, shop)
    for reference in (card.reference, f"card_{32 * '0'}"):
        answer = await stranger.post("/payments", charge(reference))
        assert (answer.status, document(answer)["code"]) == (404, "saved_card_not_found")
    assert await in_thread(Payment.objects.count) == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"saved_card": "card_1"}, "/saved_card"),
        ({"saved_card": 1}, "/saved_card"),
        ({"saved_card": None}, "/saved_card"),
        ({"merchant_initiated": "because"}, "/merchant_initiated"),
        ({"merchant_initiated": 1}, "/merchant_initiated"),
        ({"customer_reference": "another"}, "/customer_reference"),
        ({"currency": "XXY"}, "/currency"),
    ],
)
async def test_a_wrong_field_of_a_charge_is_named(api, shop, changes, pointer):
    card = await in_thread(made, shop)
    answer = await api.post("/payments", charge(card.reference) | changes)
    assert (answer.status, document(answer)["errors"][0]["pointer"]) == (422, pointer)
    assert await in_thread(Payment.objects.count) == 1


@pytest.mark.parametrize("missing", ["saved_card", "merchant_initiated"])
async def test_a_charge_needs_both_the_card_and_the_reason(api, shop, missing):
    card = await in_thread(made, shop)
    body = charge(card.reference)
    del body[missing]
    answer = await api.post("/payments", body)
    assert (answer.status, document(answer)["errors"][0]["pointer"]) == (422, f"/{missing}")


async def test_a_charge_needs_a_scope_of_its_own(shop):
    def keys():
        card = made(shop)
        others = [each for each in Scope if each is not Scope.SAVED_CARDS_CHARGE]
        return card, make_key(shop, name="b", scopes=others, by="ada")[1]

    card, secret = await in_thread(keys)
    answer = await Caller(secret).post("/payments", charge(card.reference))
    assert (answer.status, document(answer)["scope"]) == (403, "saved_cards:charge")
    assert (await Caller(secret).post("/payments", order())).status == 201
