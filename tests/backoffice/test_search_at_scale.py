"""A search reads only the rows that it finds, however many payments there are."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model, QuerySet
from django.test import RequestFactory
from django.utils import timezone

from checkout.api.models import IdempotencyRecord
from checkout.backoffice.attention.waiting_for_staff import concerns
from checkout.backoffice.search import search_payments
from checkout.payments.actions.disputes import disputes
from checkout.payments.models import (
    Attempt,
    Dispute,
    Fact,
    Operation,
    Payment,
    PaymentLink,
    ProviderAccount,
    Saga,
    SavedCard,
)
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.support.plans import nodes, rows_read

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql, pytest.mark.at_scale]

MANY = 4000
# The most rows that a search may read: those of the wanted payment, and of a few that share a digit or word.
FEW = 100


# PostgreSQL takes 65,535 parameters in one statement.
AT_ONCE = 1_000


@pytest.fixture
def many() -> Payment:
    """Create a payment among thousands, and update the planner's statistics."""
    wanted = rows.payment(
        "ORDER-1",
        PaymentState.REFUSED,
        shopper_email="Ann@example.com",
        amount_minor=9999,
        age=timezone.now() - datetime(2020, 5, 1, 12, tzinfo=UTC),
    )
    first = rows.attempt(wanted, 1, last4="1111")
    others = Payment.objects.bulk_create(
        (
            Payment(
                merchant=wanted.merchant,
                order_reference=f"OTHER-{number + 5000}",
                amount_minor=1250,
                currency="EUR",
                shopper_email=f"joe{number}@example.com",
            )
            for number in range(MANY)
        ),
        batch_size=AT_ONCE,
    )
    Attempt.objects.bulk_create(
        (
            Attempt(
                payment=payment,
                number=1,
                provider_account=first.provider_account,
                order_code=f"{payment.reference}-1",
                session_id="a-session",
                card={"last4": f"{number % 1000 + 2000}"},
            )
            for number, payment in enumerate(others)
        ),
        batch_size=AT_ONCE,
    )
    Operation.objects.bulk_create(
        (
            Operation(
                payment=attempt.payment,
                attempt=attempt,
                kind="refund",
                state="done",
                amount_minor=100,
                currency="EUR",
            )
            for attempt in Attempt.objects.select_related("payment")
        ),
        batch_size=AT_ONCE,
    )
    with connection.cursor() as cursor:
        # New rows wait in a list of the trigram indexes, which autovacuum empties.
        for index in ("payments_by_part_of_order", "payments_by_part_of_email"):
            cursor.execute("SELECT gin_clean_pending_list(%s::regclass)", [index])
        cursor.execute("ANALYZE payments_payment, payments_attempt, payments_operation")
    return wanted


@pytest.mark.parametrize(
    "text",
    [
        "order-1",
        "rder-1",
        "{reference}",
        "{reference}-1",
        "ann@example.com",
        "ann@e",
        "99.99",
        "2020-05-01",
        "amount:>99.98",
        "card:1111",
        "since:2020-01-01 until:2020-12-31",
        "state:refused",
        "1111",
        "ann@example.com 1111",
        "nothing like that",
    ],
)
def test_every_search_uses_indexes_only(many: Payment, text: str) -> None:
    search = search_payments(Payment.objects.all(), text.format(reference=many.reference))[:50]
    require_indexes(search)
    assert [payment.pk for payment in search] == ([] if "nothing" in text else [many.pk])


def require_indexes(search: QuerySet[Any]) -> None:
    (explained,) = json.loads(search.explain(format="json", analyze=True))
    plan = nodes(explained["Plan"])
    read_whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}
    assert read_whole == set()
    assert rows_read(plan) <= FEW


def test_disputes_are_found_by_indexes_only(many: Payment) -> None:
    rows.operation(many, "charge_back", 300, state="done")
    others = Attempt.objects.exclude(payment=many).select_related("payment")
    filled(
        Fact,
        (
            Fact(payment=each.payment, attempt=each, source="provider", kind="notified_captured")
            for each in others
        ),
    )
    filled(
        Saga,
        (Saga(kind="purchase", key=each.order_code, payment=each.payment, attempt=each) for each in others),
    )
    asked = others[0].payment
    told = {"event": "INFORMATION_REQUESTED"}
    Fact.objects.create(payment=asked, source="provider", kind="notified_other", data=told)
    found = disputes(Dispute.objects.order_by("pk"))
    require_indexes(found)
    assert {row.pk: row.standing for row in found} == {many.pk: "reversed", asked.pk: "information"}


LARGE = {"payments_payment", "payments_attempt", "payments_operation", "payments_saga"}


def test_what_needs_attention_is_counted_by_indexes_only(many: Payment) -> None:
    filled(
        Saga,
        (
            Saga(
                kind="refund",
                key=each.reference,
                payment=each.payment,
                attempt=each.attempt,
                step="refund",
                status="completed",
            )
            for each in Operation.objects.select_related("payment", "attempt")
        ),
    )
    rows.saga(many, Saga.Status.PARKED)
    counted = [each for each in concerns() if each.model in (Payment, Operation, Saga)]
    assert len(counted) > 10
    for each in counted:
        (explained,) = json.loads(
            each.model._default_manager.filter(each.condition).explain(format="json", analyze=True)
        )
        plan = nodes(explained["Plan"])
        read_whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}
        assert not read_whole & LARGE, each.label
        assert rows_read(plan) <= FEW, each.label


def filled(model: type[Model], rows: Iterable[Model]) -> None:
    """Write the rows, and update the planner's statistics."""
    model._default_manager.bulk_create(rows, batch_size=AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")


@pytest.mark.parametrize("column", ["reference", "customer_reference", "payment__reference"])
def test_saved_cards_are_searched_by_indexes_only(many: Payment, rf: RequestFactory, column: str) -> None:
    account = ProviderAccount.objects.get()
    filled(
        SavedCard,
        (
            SavedCard(
                merchant=many.merchant,
                customer_reference=f"customer-{payment.pk}",
                provider_account=account,
                token_hash=str(payment.pk),
                last4="1111",
                expiry="12/2030",
                payment=payment,
            )
            for payment in Payment.objects.all()
        ),
    )
    card = SavedCard.objects.get(payment=many)
    text = SavedCard.objects.values_list(column, flat=True).get(pk=card.pk)
    assert searched(SavedCard, text, rf) == [card]


@pytest.mark.parametrize("column", ["reference", "order_reference"])
def test_payment_links_are_searched_by_indexes_only(many: Payment, rf: RequestFactory, column: str) -> None:
    filled(
        PaymentLink,
        (
            PaymentLink(
                merchant=many.merchant,
                order_reference=f"LINK-{number}",
                amount_minor=1250,
                currency="EUR",
                description="Tea",
                expires_at=timezone.now(),
            )
            for number in range(MANY)
        ),
    )
    link = PaymentLink.objects.get(order_reference="LINK-7")
    assert searched(PaymentLink, getattr(link, column), rf) == [link]


def searched(model: type[Model], text: str, rf: RequestFactory) -> list[Model]:
    admin.autodiscover()
    search, _ = admin.site.get_model_admin(model).get_search_results(
        rf.get("/"), model._default_manager.order_by("-pk"), text
    )
    require_indexes(search[:50])
    return list(search[:50])


def test_stored_answers_about_a_payment_are_found_by_their_index(many: Payment) -> None:
    filled(
        IdempotencyRecord,
        (
            IdempotencyRecord(merchant="shop", key=f"key-{number}", subject=f"pay_{number}", fields={})
            for number in range(MANY)
        ),
    )
    answers = IdempotencyRecord.objects.filter(subject__in=["pay_7", "op_2"])
    assert "answers_by_subject" in answers.explain()
    require_indexes(answers)
