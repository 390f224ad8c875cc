"""The numbers that operators read at a process's own address."""

import socket
from typing import Any

import pytest
import requests
import structlog

from checkout.metrics import of_installation
from checkout.payments.models import DeadLetter, Payment
from checkout.running import embedded
from checkout.running.observing import observed
from messaging import tallies
from messaging.concurrency.database import in_thread
from messaging.registry import close_brokers, get_broker
from messaging.tallies import MOST_SERIES, OTHER, Tally
from payments_gateway.asgi import application, programs
from tests.flows.shopping import eventually, pay, saga_status
from tests.metrics.names import families
from tests.metrics.scraping import samples_at, scraped, series_of
from tests.support.asgi import AsgiClient

SUBMIT = "checkout.submit_payment"


async def test_a_purchase_is_counted_where_it_passes(shown: None, payment: Payment, books: object) -> None:
    before = await scraped()
    async with embedded.running(with_upkeep=False):
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        await in_thread(of_installation.collect)
        await in_thread(of_installation.collect_queues)
        after = await scraped()
    await close_brokers()

    def grown(name: str, **labels: str) -> float:
        series = series_of(f"gateway_{name}", labels)
        return after.get(series, 0) - before.get(series, 0)

    assert grown("reply_wait_seconds_count", type=SUBMIT, outcome="replied") == 1
    for verb, outcome in (("authorise", "approved"), ("capture", "pending")):
        assert grown("provider_call_seconds_count", account="memory", verb=verb, outcome=outcome) == 1
    assert grown("message_seconds_count", service="orders", outcome="handled") == 2
    assert grown("flow_steps_total", kind="purchase", step="reserve_stock", status="running") == 1
    assert after[series_of("gateway_queue_readers", {"queue": "checkout.commands.risk"})] == 1
    assert after[series_of("gateway_waiting_for_staff", {"what": "dead_letters"})] == 0
    assert after["gateway_broker_connected"] == 1
    assert after["process_resident_memory_bytes"] > 0


async def test_requests_are_counted_by_view_tier_and_outcome(shown: None, payment: Payment) -> None:
    before = await scraped()
    client = AsgiClient()
    await client.get(f"/checkout/{payment.reference}/")
    await client.get(f"/checkout/{payment.reference}/status.json")
    await client.get("/checkout/pay_00000000000000000000000000000000/")
    await client.get("/admin/login/")
    after = await scraped()
    await close_brokers()
    grown = {name: value - before.get(name, 0) for name, value in after.items()}

    def requests(view: str, tier: str, outcome: str) -> float:
        labels = {"view": view, "tier": tier, "outcome": outcome}
        return grown.get(series_of("gateway_http_requests_total", labels), 0)

    assert requests("checkout:checkout", "held", "answered") == 1
    assert requests("checkout:checkout", "held", "refused") == 1
    assert requests("checkout:status_json", "polled", "answered") == 1
    assert requests("admin:login", "page", "answered") == 1
    assert grown[series_of("gateway_http_request_seconds_count", {"tier": "held"})] == 2
    assert not [name for name in after if payment.reference in name]


async def test_a_refusal_is_counted_by_its_limit(shown: None, payment: Payment, settings: Any) -> None:
    before = await scraped()
    settings.SERVING_MAX_HELD = 0
    assert (await AsgiClient().get(f"/checkout/{payment.reference}/")).status == 503
    after = await scraped()
    await close_brokers()
    series = series_of("gateway_limit_refusals_total", {"limit": "held_requests"})
    assert after[series] - before.get(series, 0) == 1


async def test_what_waits_is_seen_from_the_database(shown: None, payment: Payment) -> None:
    def leave_work() -> None:
        DeadLetter.objects.create(fingerprint="1", message_id="1", type="risk.assess", body="{}")
        of_installation.collect()

    await in_thread(leave_work)
    after = await scraped()
    await close_brokers()
    assert after[series_of("gateway_waiting_for_staff", {"what": "dead_letters"})] == 1


async def test_figures_that_nobody_collects_any_longer_are_not_shown(
    shown: None, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_thread(of_installation.collect)
    assert "gateway_flows_overdue" in await scraped()
    monkeypatch.setattr(of_installation, "MOST_MISSED", 0)
    assert "gateway_flows_overdue" not in await scraped()
    await close_brokers()


async def test_without_a_port_nothing_is_counted_or_shown(shop: object, payment: Payment) -> None:
    with observed(programs(), get_broker()):
        await AsgiClient().get(f"/checkout/{payment.reference}/")
        assert not tallies.is_on
    await close_brokers()


async def test_several_copies_take_a_port_each(a_port: None, shop: object, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        settings.CHECKOUT_METRICS_PORTS = f"{first}-{first + 20}"
        with observed(["relay"], get_broker()), observed(["web"], get_broker()):
            found = [samples for port in range(first + 1, first + 20) if (samples := _samples_at(port))]
            shown = [name for each in found for name in each if name.startswith("gateway_program_info")]
    await close_brokers()
    assert shown == ['gateway_program_info{program="relay"}', 'gateway_program_info{program="web"}']


def _samples_at(port: int) -> dict[str, float]:
    try:
        return dict(samples_at(f"http://127.0.0.1:{port}/metrics"))
    except requests.ConnectionError:
        return {}


async def test_a_process_works_on_if_its_port_is_taken(a_port: None, shop: object, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, structlog.testing.capture_logs() as lines:
        settings.CHECKOUT_METRICS_PORTS = str(taken.getsockname()[1])
        with observed(["web"], get_broker()):
            assert application is not None
    await close_brokers()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["metrics not shown"]


async def test_names_and_labels_follow_the_conventions() -> None:
    for family in families():
        assert family.name.startswith("gateway_")
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_a_mistake_in_a_label_does_not_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "is_on", True)
    tally = Tally("mistakes", "Payments by their reference.", "payment")
    for number in range(MOST_SERIES + 10):
        tally.add(f"pay_{number}")
    assert len(tally.read()) == MOST_SERIES + 1
    assert tally.read()[(OTHER,)] == 10
