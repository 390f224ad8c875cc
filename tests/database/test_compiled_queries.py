"""Statements that are compiled once read and write the same as Django's own."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.models import Model, QuerySet
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from checkout.payments.models import Attempt, Fact, Merchant, Operation, Payment, ProviderAccount, Saga
from messaging.compiled_queries import Compiled, insert, insert_unless_known, update
from tests.support.libraries import installed

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["5.2.8", "6.0"], autouse=True)
def is_compiled(request):
    """Run each test with the shortcuts for Django 5.2, and with Django's public interface."""
    with installed("django", request.param):
        yield request.param == "5.2.8"


@pytest.fixture
def attempt() -> Attempt:
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    account = ProviderAccount.objects.create(merchant=merchant, code="shop", provider="memory")
    payment = Payment.objects.create(
        merchant=merchant,
        order_reference="1",
        description="Tea",
        amount_minor=1250,
        currency="GBP",
        lines=[{"sku": "tea", "quantity": 1}],
    )
    return Attempt.objects.create(
        payment=payment,
        number=1,
        provider_account=account,
        order_code="pay_1-1",
        browser={"ip_address": "127.0.0.1"},
    )


def values(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def with_its_payment(code: str) -> QuerySet[Attempt]:
    return Attempt.objects.select_related("payment__merchant", "provider_account").filter(order_code=code)


def test_a_compiled_query_finds_what_django_finds(attempt, django_assert_num_queries):
    query = Compiled(with_its_payment)
    theirs = with_its_payment(attempt.order_code).get()
    for _time in range(2):
        with django_assert_num_queries(1):
            ours = query.get(attempt.order_code)
            assert values(ours) == values(theirs)
            assert values(ours.payment) == values(theirs.payment)
            assert values(ours.payment.merchant) == values(theirs.payment.merchant)
            assert values(ours.provider_account) == values(theirs.provider_account)


def test_a_compiled_query_is_asked_with_other_values_each_time(attempt):
    other = Attempt.objects.create(
        payment=attempt.payment, number=2, provider_account=attempt.provider_account, order_code="pay_1-2"
    )
    query = Compiled(lambda code: Attempt.objects.filter(order_code=code))
    assert [query.first(code) for code in ("pay_1-1", "pay_1-2", "pay_1-3")] == [attempt, other, None]
    with pytest.raises(ObjectDoesNotExist):
        query.get("pay_1-3")


def test_constants_stay_where_they_are_between_the_values(attempt):
    query = Compiled(
        lambda number, code: Attempt.objects.filter(number=number, session_id="", order_code=code)
    )
    assert query.all(1, "pay_1-1") == [attempt]
    assert query.all(2, "pay_1-1") == query.all(1, "pay_1-2") == []


def test_what_may_be_missing_is_missing(attempt):
    query = Compiled(lambda kind: Saga.objects.select_related("parent").filter(kind=kind))
    parent = Saga.objects.create(
        kind="purchase", key="1", payment=attempt.payment, attempt=attempt, step="one"
    )
    Saga.objects.create(
        kind="capture", key="1", payment=attempt.payment, attempt=attempt, step="one", parent=parent
    )
    assert query.get("purchase").parent is None
    assert query.get("capture").parent == parent


@pytest.mark.django_db(transaction=True)
def test_a_lock_needs_a_transaction(attempt, is_compiled):
    query = Compiled(lambda pk: Payment.objects.select_for_update().filter(pk=pk))
    with transaction.atomic():
        assert query.get(attempt.payment_id) == attempt.payment
    # Django itself requires a transaction only if the database has such locks, which SQLite lacks.
    is_refused = is_compiled or connection.features.has_select_for_update
    with pytest.raises(TransactionManagementError) if is_refused else nullcontext():
        query.get(attempt.payment_id)


def test_rows_are_inserted_as_django_inserts_them(attempt, django_assert_num_queries):
    facts = [
        Fact(payment=attempt.payment, attempt=attempt, source="saga", kind="one", data={"a": ["ü", 1]}),
        Fact(payment=attempt.payment, source="clock", kind="two", text="100 % sure"),
    ]
    with django_assert_num_queries(1):
        insert(*facts)
    found = list(Fact.objects.all())
    for ours, theirs in zip(facts, found, strict=True):
        assert values(ours) == values(theirs)


def test_what_must_be_unique_is(attempt):
    operation = {"payment": attempt.payment, "attempt": attempt, "kind": "void", "amount_minor": 1}
    first = Operation(reference="op_1", **operation)
    assert insert_unless_known(first)
    assert first == Operation.objects.get()
    assert not insert_unless_known(Operation(reference="op_1", **operation))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Operation(reference="op_1", **operation))
    assert Operation.objects.count() == 1


def test_an_update_writes_the_named_fields_and_when(attempt):
    Payment.objects.update(updated_at=timezone.now() - timedelta(days=1))
    payment = Payment.objects.get()
    payment.state, payment.lines, payment.description = Payment.State.PROCESSING, [], "Coffee"
    update(payment, "state", "lines")
    found = Payment.objects.get()
    assert (found.state, found.lines, found.description) == (Payment.State.PROCESSING, [], "Tea")
    assert found.updated_at == payment.updated_at > timezone.now() - timedelta(minutes=1)
    payment.pk = 0
    with pytest.raises(DatabaseError):
        update(payment, "state")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_closed_is_replaced_for_statements_too(attempt):
    query = Compiled(lambda code: Attempt.objects.filter(order_code=code))
    for _time in range(2):
        assert query.first(attempt.order_code) == attempt
        connection.close()
    query.first(attempt.order_code)
    connection.connection.close()  # as a restart of the database does
    with pytest.raises(DatabaseError):
        query.first(attempt.order_code)
    connection.close()
    assert query.first(attempt.order_code) == attempt


def test_a_statement_that_failed_spoils_none_after_it(attempt):
    again = Attempt(
        payment=attempt.payment, number=1, provider_account=attempt.provider_account, order_code="other"
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(again)
    again.number = 2
    insert(again)
    assert Attempt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_nothing_is_kept_of_a_thread_that_has_ended(attempt):
    """Django's own handler uses a new thread for each request."""
    query = Compiled(lambda code: Attempt.objects.filter(order_code=code))

    def look() -> "weakref.ref[object]":
        assert query.first(attempt.order_code) == attempt
        connection.close()
        return weakref.ref(connections["default"])

    with ThreadPoolExecutor(1) as executor:
        ended = executor.submit(look).result()
    gc.collect()
    assert ended() is None
