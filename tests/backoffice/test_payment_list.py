from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.payments.models import HourlyFigure, Saga
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_payment_changelist")
MINUTE = timedelta(minutes=1)


def orders(client, **query):
    """Return the order numbers of the payments in the list."""
    response = client.get(LIST, query)
    assert response.status_code == 200
    return {payment.order_reference for payment in response.context["cl"].result_list}


def test_the_list_shows_each_payment_in_one_line_as_people_read_it(admin_client):
    payment = rows.captured("ORDER-1", amount_minor=123456, currency="JPY", shopper_email="ann@example.com")
    page = admin_client.get(LIST).content.decode()
    for shown in (
        f"{payment.created_at:%H:%M}</time>",
        "¥123,456",
        '<span class="state tone-paid">paid</span>',
        "Visa 1111",
        "ann@example.com",
        "Example",
    ):
        assert shown in page


def test_filters_narrow_by_state_merchant_account_currency_and_date(admin_client):
    shop, other = rows.merchant(), rows.merchant("other")
    ours = rows.payment("OURS", PaymentState.CAPTURED, owner=shop)
    rows.attempt(ours, 1, through=rows.account("sandbox", shop))
    rows.attempt(ours, 2, through=rows.account("sandbox", shop))
    theirs = rows.payment("THEIRS", owner=other, currency="EUR", age=timedelta(days=40))
    rows.attempt(theirs, through=rows.account("elsewhere", other))

    assert orders(admin_client, state="captured") == {"OURS"}
    assert orders(admin_client, merchant__id__exact=other.pk) == {"THEIRS"}
    assert orders(admin_client, currency="EUR") == {"THEIRS"}
    assert orders(
        admin_client,
        created_at__gte="2020-01-01 00:00:00+00:00",
        created_at__lt=f"{ours.created_at:%Y-%m-%d} 00:00:00+00:00",
    ) == {"THEIRS"}
    account = rows.account("sandbox", shop)
    response = admin_client.get(LIST, {"attempts__provider_account__id__exact": account.pk})
    assert list(response.context["cl"].result_list) == [ours]


def test_the_list_offers_days_and_months_and_the_currencies_of_the_payments(admin_client):
    shop = rows.merchant()
    for currency in ("GBP", "EUR"):
        HourlyFigure.objects.create(
            hour=timezone.now(), merchant=shop, currency=currency, name="created", value=1
        )
    rows.payment("NOW")
    rows.payment("YESTERDAY", age=timedelta(days=1))
    month = timezone.now().replace(day=1)
    rows.payment("LAST-MONTH", age=timezone.now() - month + timedelta(days=1))
    choices = {}
    response = admin_client.get(LIST)
    for spec in response.context["cl"].filter_specs:
        for choice in spec.choices(response.context["cl"]):
            choices[str(spec.title), str(choice["display"])] = choice["query_string"]
    assert {name for title, name in choices if title == "currency"} == {"All", "EUR", "GBP"}

    def found(name):
        page = admin_client.get(LIST + choices["date", name])
        return {row.order_reference for row in page.context["cl"].result_list}

    assert "YESTERDAY" in found("Yesterday")
    assert "NOW" not in found("Yesterday")
    assert "LAST-MONTH" in found("Last month")
    assert "NOW" not in found("Last month")


@pytest.mark.parametrize(
    ("state", "age", "reason"),
    [
        (PaymentState.PROCESSING, 6 * MINUTE, "unsettled"),
        (PaymentState.CONFIRMING, 6 * MINUTE, "unsettled"),
        (PaymentState.CHALLENGE_REQUIRED, 21 * MINUTE, "unsettled"),
        (PaymentState.CAPTURE_PENDING, timedelta(hours=25), "unsettled"),
        (PaymentState.CONFLICTED, timedelta(), "conflicted"),
    ],
)
def test_what_needs_attention_is_found_by_its_reason_and_by_any(admin_client, state, age, reason):
    rows.payment("STUCK", state, age=age)
    for needs, expected in {"any": {"STUCK"}, reason: {"STUCK"}, "parked": set()}.items():
        assert orders(admin_client, attention=needs) == expected


@pytest.mark.parametrize(
    ("state", "age"),
    [
        (PaymentState.OPEN, timedelta(days=2)),
        (PaymentState.CONFIRMING, 4 * MINUTE),
        (PaymentState.CHALLENGE_REQUIRED, 14 * MINUTE),
        (PaymentState.CAPTURE_PENDING, timedelta(hours=2)),
        (PaymentState.CAPTURED, timedelta(days=2)),
        (PaymentState.REFUSED, timedelta(days=2)),
    ],
)
def test_what_takes_its_time_needs_no_attention(admin_client, state, age):
    rows.payment("FINE", state, age=age)
    assert orders(admin_client, attention="any") == set()
    assert orders(admin_client) == {"FINE"}


def test_a_payment_with_a_parked_saga_needs_attention(admin_client):
    rows.saga(rows.payment("PARKED", PaymentState.AUTHORISED), Saga.Status.PARKED)
    rows.saga(rows.payment("RUNNING", PaymentState.AUTHORISED))
    assert orders(admin_client, attention="parked") == {"PARKED"}
    assert orders(admin_client, attention="any") == {"PARKED"}
    response = admin_client.get(reverse("admin:payments_saga_changelist"), {"status__exact": "parked"})
    assert [saga.payment.order_reference for saga in response.context["cl"].result_list] == ["PARKED"]


def test_a_filter_value_that_does_not_exist_is_ignored(admin_client):
    rows.payment("ORDER-1")
    assert orders(admin_client, attention="nonsense") == {"ORDER-1"}


def test_a_longer_list_takes_no_more_queries(queries_for):
    rows.attempt(rows.payment("ORDER-0"), last4="1111")
    few = queries_for(LIST)
    for number in range(1, 30):
        rows.attempt(rows.payment(f"ORDER-{number}", owner=rows.merchant()), last4="1111")
    assert queries_for(LIST) == few <= 12
