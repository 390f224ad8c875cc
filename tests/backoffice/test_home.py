"""The first page: figures of a period beside the one before it, and the health of what payments need."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.urls import reverse

from checkout.backoffice.models import Preferences
from checkout.payments.models import HourlyFigure, OutboxMessage, ProviderCall, RetentionWalk
from checkout.payments.models.figures import Figure
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

HOME = reverse("admin:index")
NOW = datetime(2026, 11, 30, 14, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_the_afternoon():
    with time_machine.travel(NOW, tick=False):
        yield


def figure(name, value, *, hours=0, days=0, currency="GBP", owner=None):
    """Write a figure of so long ago."""
    hour = NOW.replace(minute=0) - timedelta(days=days, hours=hours)
    HourlyFigure.objects.create(
        hour=hour, merchant=owner or rows.merchant(), currency=currency, name=name, value=value
    )


def shown(client, **query):
    """Return the values of the tiles by their names, each with its change."""
    tiles = client.get(HOME, query).context["figures"]["tiles"]
    return {tile.name: list(tile.values) for tile in tiles}


def test_figures_of_a_week_are_compared_with_the_week_before(admin_client):
    for days, minor in ((0, 100_00), (6, 4_00), (7, 50_00), (13, 30_00), (14, 999_00)):
        figure(Figure.PAID, 1, days=days)
        figure(Figure.PAID_MINOR, minor, days=days)
    tiles = shown(admin_client)
    assert tiles["Paid"] == [("£104.00", "30 % more")]
    assert tiles["Payments paid"] == [("2", "as before")]


def test_a_day_is_compared_with_yesterday_until_the_same_hour(admin_client):
    figure(Figure.PAID, 5)
    figure(Figure.PAID, 4, hours=24)
    figure(Figure.PAID, 100, hours=23)
    assert shown(admin_client, days=1)["Payments paid"] == [("5", "25 % more")]


def test_a_day_begins_at_midnight_of_the_reader(admin_client):
    figure(Figure.PAID, 1, hours=15)
    figure(Figure.PAID, 1, hours=14)
    assert shown(admin_client, days=1)["Payments paid"][0][0] == "1"
    Preferences.objects.create(user=User.objects.get(username="admin"), zone="Europe/Madrid")
    assert shown(admin_client, days=1)["Payments paid"][0][0] == "2"


def test_rates_are_shares_of_answered_attempts(admin_client):
    figure(Figure.APPROVED, 3)
    figure(Figure.REFUSED, 1)
    figure(Figure.APPROVED, 1, days=7)
    figure(Figure.REFUSED, 1, days=7)
    assert shown(admin_client)["Cards approved"] == [("75 %", "25.0 points more")]


def test_amounts_of_several_currencies_are_never_added(admin_client):
    figure(Figure.PAID_MINOR, 100_00)
    figure(Figure.PAID_MINOR, 2400, currency="JPY")
    assert [value for value, _ in shown(admin_client)["Paid"]] == ["£100.00", "¥2,400"]
    assert [value for value, _ in shown(admin_client, currency="JPY")["Paid"]] == ["¥2,400"]


def test_a_merchant_is_chosen_from_the_table(admin_client):
    other = rows.merchant("other")
    figure(Figure.PAID, 2)
    figure(Figure.PAID, 3, owner=other)
    table = admin_client.get(HOME).context["figures"]["by_merchant"]
    assert [row[1] for row in table.rows] == [3, 2]
    assert "merchant=other" in table.rows[0][0]
    assert shown(admin_client, merchant="other")["Payments paid"] == [("3", "none before")]


def test_every_value_of_the_chart_is_in_its_table(admin_client):
    figure(Figure.PAID, 7, hours=2)
    figure(Figure.PAID_MINOR, 70_00, hours=2)
    page = admin_client.get(HOME, {"days": 1})
    html = page.content.decode()
    assert '<svg class="chart" role="img" aria-label="7 payments paid, most at 12:00 (7)"' in html
    assert '<th scope="row">12:00</th><td class="number">7</td><td class="amount">£70.00</td>' in html
    assert len(page.context["figures"]["chart"].bars) == 15, "the hours of the day until now"
    assert "style=" not in html


def test_refusals_tiers_and_the_way_to_paid_are_told_with_their_shares(admin_client):
    for name, value in (
        (Figure.CREATED, 10), (Figure.TRIED, 8), (Figure.AUTHORISED, 6), (Figure.PAID, 5),
        (Figure.REFUSED, 4), ("because_insufficient_funds", 3), (Figure.HELD, 9), (Figure.POLLED, 1),
    ):  # fmt: skip
        figure(name, value)
    funnel, refusals, tiers = admin_client.get(HOME).context["figures"]["shares"]
    assert [(bar.value, share) for bar, _, share in funnel.lines] == [
        (10, "100 %"), (8, "80 %"), (6, "60 %"), (5, "50 %"),
    ]  # fmt: skip
    assert [(bar.label, share) for bar, _, share in refusals.lines] == [
        ("insufficient funds", "75 %"),
        ("no reason was told", "25 %"),
    ]
    assert [share for _, _, share in tiers.lines] == ["90 %", "0 %", "10 %"]


def test_times_to_the_approval_are_told_with_and_without_a_challenge(admin_client):
    figure("took_250", 10)
    figure("took_5000", 9)
    figure("took_longer", 1)
    figure("checked_and_took_60000", 1)
    assert admin_client.get(HOME).context["figures"]["times"] == [
        ("Without the bank's check", "half within 0.25 s, 95 % within 5 s"),
        ("With the bank's check", "half within 1 min, 95 % within 1 min"),
    ]


def test_only_staff_who_may_see_payments_see_figures(staff_client):
    figure(Figure.PAID_MINOR, 100_00)
    page = staff_client("view_deadletter").get(HOME)
    assert "figures" not in page.context
    assert "100.00" not in page.content.decode()
    assert "Health" in page.content.decode()


def test_clerks_of_a_merchant_see_its_figures_and_nothing_of_the_others_or_of_the_installation(staff_client):
    figure(Figure.PAID, 3)
    figure(Figure.PAID, 40, owner=rows.merchant("other"))
    clerk = staff_client("view_payment", "view_providercall", merchants=("example",))
    assert shown(clerk)["Payments paid"][0][0] == "3"
    assert not clerk.get(HOME).context["health"]


def test_staff_without_a_table_to_watch_see_no_health(staff_client):
    assert "Health" not in staff_client("view_stockitem").get(HOME).content.decode()


def health(client):
    return {part.name: part for part in client.get(HOME).context["health"]}


def test_all_is_well(admin_client):
    RetentionWalk.objects.create(table=HourlyFigure._meta.db_table, began_at=NOW)
    assert all(part.is_well for part in health(admin_client).values())


def test_an_unanswered_provider_late_messages_and_a_relay_that_stands_are_told(admin_client):
    payment = rows.authorised("A-1")
    for number in range(10):
        ended = None if number < 3 else NOW - timedelta(minutes=9)
        ProviderCall.objects.create(
            attempt=payment.attempts.get(), key=f"key-{number}", verb="authorise", finished_at=ended,
            started_at=NOW - timedelta(minutes=9, seconds=2), outcome="approved" if ended else "",
        )  # fmt: skip
    due = NOW - timedelta(minutes=7)
    OutboxMessage.objects.create(message_id="m", type="t", body="{}", created_at=due, available_at=due)
    RetentionWalk.objects.create(table=HourlyFigure._meta.db_table, began_at=NOW - timedelta(hours=2))
    found = health(admin_client)
    assert "7 of the latest 10 requests answered, half within 2.0 s" in found["Provider sandbox"].words
    assert found["Messages"].words == "1 message waits, the first for 7\N{NO-BREAK SPACE}minutes"
    assert "no relay runs" in found["Timers"].words
    assert not any(found[name].is_well for name in ("Provider sandbox", "Messages", "Timers"))


def test_health_leads_to_the_tables_that_the_reader_may_view(staff_client):
    found = health(staff_client("view_payment", "view_outboxmessage"))
    assert found["Messages"].address == reverse("admin:payments_outboxmessage_changelist")
    assert not found["Providers"].address


def test_more_figures_take_no_more_queries(queries_for):
    figure(Figure.PAID, 1)
    few = queries_for(HOME)
    for number in range(20):
        figure(Figure.PAID, 1, hours=number, owner=rows.merchant(f"m-{number}"), currency="EUR")
    assert queries_for(HOME) == few
