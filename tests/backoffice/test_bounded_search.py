"""A search takes the database for a bounded time."""

import threading

import pytest
from django.db import connection, transaction
from django.urls import reverse

LISTS = ("payments_payment", "orders_stockitem", "auth_user", "payments_providercall")


@pytest.mark.django_db
@pytest.mark.parametrize("name", LISTS)
def test_a_search_for_more_words_than_anybody_types_is_not_made(admin_client, name):
    address = reverse(f"admin:{name}_changelist")
    page = admin_client.get(address, {"q": "tea " * 11})
    assert "A search has at most 10 words" in page.content.decode()
    assert not page.context["cl"].result_list
    assert "at most 10 words" not in admin_client.get(address, {"q": "tea " * 10}).content.decode()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_search_that_takes_too_long_is_ended_and_says_so(admin_client):
    """Another session has locked the table, so the search lasts as long as a statement may take."""
    address = reverse("admin:payments_providercall_changelist")
    admin_client.get(address)
    locked, done = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE payments_providercall IN ACCESS EXCLUSIVE MODE")
            locked.set()
            done.wait(60)
        connection.close()

    other = threading.Thread(target=lock)
    other.start()
    try:
        assert locked.wait(20)
        page = admin_client.get(address, {"q": "tea"})
    finally:
        done.set()
        other.join()
    assert page.status_code == 200
    assert "took more than 2 seconds" in page.content.decode()
