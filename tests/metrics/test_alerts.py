"""Each alert fires for its fault and for nothing else, and links to its paragraph of the page."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_pages_of_docs import anchors
from tests.metrics.names import shown_names
from tests.metrics.promtool import RULES, promtool
from tests.support.program import ROOT
from tests.support.stack import SERVICES

DASHBOARD = ROOT / "deployment" / "grafana" / "payments-gateway.json"
PAGE = ROOT / "docs" / "monitoring.md"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
PROGRAMS = ("web", "checkout", "payments", "risk", "orders", "ledger", "notifications", "webhooks", "relay")
CALLS = "gateway_provider_call_seconds"
SUBMIT = 'type="checkout.submit_payment"'

Series = dict[str, str]
# The state without any fault, for an hour with a sample each minute.
WELL: Series = {
    **{f'gateway_program_info{{program="{name}"}}': "1x60" for name in PROGRAMS},
    "gateway_broker_connected": "1x60",
    'gateway_outage{of="database",name="default"}': "0x60",
    'gateway_outage{of="provider",name="pay.example"}': "0x60",
    f'{CALLS}_bucket{{account="a",verb="capture",outcome="pending",le="0.5"}}': "0+60x60",
    f'{CALLS}_bucket{{account="a",verb="capture",outcome="pending",le="10"}}': "0+60x60",
    f'{CALLS}_bucket{{account="a",verb="capture",outcome="pending",le="+Inf"}}': "0+60x60",
    f'{CALLS}_count{{account="a",verb="authorise",outcome="approved"}}': "0+60x60",
    f'{CALLS}_count{{account="a",verb="authorise",outcome="refused"}}': "0+6x60",
    f'{CALLS}_count{{account="a",verb="inquire",outcome="unknown"}}': "0+1x60",
    'gateway_outbox_due_messages{database="default"}': "3x60",
    'gateway_outbox_oldest_due_seconds{database="default"}': "2x60",
    'gateway_outbox_failing_messages{database="default"}': "0x60",
    "gateway_events_oldest_unpublished_seconds": "1x60",
    'gateway_queue_readers{queue="checkout.commands.risk"}': "1x60",
    'gateway_queue_readers{queue="checkout.parked"}': "0x60",
    'gateway_queue_messages{queue="checkout.commands.risk"}': "20x60",
    'gateway_message_seconds_count{service="risk",outcome="handled"}': "0+60x60",
    'gateway_message_seconds_count{service="risk",outcome="again"}': "0+1x60",
    'gateway_waiting_for_staff{what="dead_letters"}': "0x60",
    'gateway_waiting_for_staff{what="flows"}': "0x60",
    "gateway_flows_overdue": "0x60",
    'gateway_reconciliation_age_seconds{account="a"}': "600x60",
    "gateway_webhooks_oldest_due_seconds": "0x60",
    "gateway_webhook_endpoints_failing": "0x60",
    f'gateway_reply_wait_seconds_count{{{SUBMIT},outcome="replied"}}': "0+60x60",
    f'gateway_reply_wait_seconds_count{{{SUBMIT},outcome="timed_out"}}': "0+1x60",
    'gateway_http_requests_total{view="checkout:pay",tier="held",outcome="answered"}': "0+600x60",
    'gateway_http_requests_total{view="checkout:pay",tier="held",outcome="failed"}': "0+1x60",
    'gateway_limit_refusals_total{limit="waiters"}': "0+1x60",
    "gateway_database_clock_ahead_seconds": "0.1x60",
    "gateway_messages_from_the_future_total": "0x60",
    'gateway_database_pool_waiting{instance="web",database="default"}': "0x60",
    'gateway_event_loop_lag_seconds_bucket{instance="web",le="0.1"}': "0+60x60",
    'gateway_event_loop_lag_seconds_bucket{instance="web",le="+Inf"}': "0+60x60",
}
# The series that each fault changes, and the labels with which its alert fires.
FAULTS: dict[str, tuple[Series, dict[str, str]]] = {
    "GatewayProgramMissing": ({'gateway_program_info{program="risk"}': "1x5 stale"}, {"program": "risk"}),
    "GatewayBrokerAway": ({"gateway_broker_connected": "1x5 0x55"}, {}),
    "GatewayDatabaseAway": (
        {'gateway_outage{of="database",name="default"}': "0x5 1x55"},
        {"of": "database", "name": "default"},
    ),
    "GatewayProviderAway": (
        {'gateway_outage{of="provider",name="pay.example"}': "0x5 1x55"},
        {"of": "provider", "name": "pay.example"},
    ),
    "GatewayProviderSlow": (
        {f'{CALLS}_bucket{{account="a",verb="capture",outcome="pending",le="0.5"}}': "0x60"},
        {"account": "a", "verb": "capture"},
    ),
    "GatewayProviderRefusesUs": (
        {f'{CALLS}_count{{account="a",verb="capture",outcome="not_able"}}': "_x54 1x6"},
        {"account": "a"},
    ),
    "GatewayProviderUnclear": (
        {f'{CALLS}_count{{account="a",verb="inquire",outcome="unknown"}}': "0+30x60"},
        {"account": "a"},
    ),
    "GatewayProviderDeclines": (
        {f'{CALLS}_count{{account="a",verb="authorise",outcome="refused"}}': "0+90x60"},
        {"account": "a"},
    ),
    "GatewayOutboxLate": (
        {'gateway_outbox_oldest_due_seconds{database="default"}': "0+60x60"},
        {"database": "default"},
    ),
    "GatewayOutboxFails": (
        {'gateway_outbox_failing_messages{database="default"}': "0x5 4x55"},
        {"database": "default"},
    ),
    "GatewayEventsLate": ({"gateway_events_oldest_unpublished_seconds": "0+60x60"}, {}),
    "GatewayQueueUnread": (
        {'gateway_queue_readers{queue="checkout.commands.risk"}': "1x5 0x55"},
        {"queue": "checkout.commands.risk"},
    ),
    "GatewayQueueLong": (
        {'gateway_queue_messages{queue="checkout.commands.risk"}': "0+100x60"},
        {"queue": "checkout.commands.risk"},
    ),
    "GatewayMessagesFail": (
        {'gateway_message_seconds_count{service="risk",outcome="again"}': "0+30x60"},
        {"service": "risk"},
    ),
    "GatewayDeadLetters": ({'gateway_waiting_for_staff{what="dead_letters"}': "0x5 1x55"}, {}),
    "GatewayWaitsForStaff": ({'gateway_waiting_for_staff{what="flows"}': "0x5 1x55"}, {"what": "flows"}),
    "GatewayFlowsOverdue": ({"gateway_flows_overdue": "0x5 2x55"}, {}),
    "GatewayBooksDiffer": (
        {'gateway_reconciliation_differences{account="a",kind="captured"}': "_x50 1x10"},
        {"account": "a", "kind": "captured"},
    ),
    "GatewayBooksNotCompared": (
        {'gateway_reconciliation_age_seconds{account="a"}': "9000+60x60"},
        {"account": "a"},
    ),
    "GatewayWebhooksLate": ({"gateway_webhooks_oldest_due_seconds": "0+60x60"}, {}),
    "GatewayWebhooksFail": ({"gateway_webhook_endpoints_failing": "0x5 1x55"}, {}),
    "GatewayAnswersLate": (
        {f'gateway_reply_wait_seconds_count{{{SUBMIT},outcome="timed_out"}}': "0+60x60"},
        {},
    ),
    "GatewayRequestsFail": (
        {'gateway_http_requests_total{view="checkout:pay",tier="held",outcome="unavailable"}': "0+60x60"},
        {},
    ),
    "GatewayLimitRefuses": (
        {'gateway_limit_refusals_total{limit="waiters"}': "0+60x60"},
        {"limit": "waiters"},
    ),
    "GatewayClockWrong": ({"gateway_database_clock_ahead_seconds": "0x5 -40x55"}, {}),
    "GatewayDatabasePoolEmpty": (
        {'gateway_database_pool_waiting{instance="web",database="default"}': "0x5 3x55"},
        {"instance": "web", "database": "default"},
    ),
    "GatewayEventLoopLate": (
        {
            'gateway_event_loop_lag_seconds_bucket{instance="web",le="0.1"}': "0+30x60",
            'gateway_event_loop_lag_seconds_bucket{instance="web",le="0.5"}': "0+60x60",
        },
        {"instance": "web"},
    ),
    "GatewayFiguresMissing": ({'gateway_outbox_due_messages{database="default"}': "3x5 stale"}, {}),
}


def test_promtool_finds_no_mistake_in_the_rules() -> None:
    assert set(FAULTS) == set(ALERTS)
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_program_is_missed() -> None:
    missed = set(re.findall(r'program="(\w+)"', ALERTS["GatewayProgramMissing"]["expr"]))
    assert missed == {"web", "relay", "webhooks", *SERVICES} == set(PROGRAMS)


def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    require(WELL, {}, tmp_path)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_at_its_fault_alone(alert: str, tmp_path: Path) -> None:
    changes, labels = FAULTS[alert]
    firing = {
        "exp_labels": {**labels, **ALERTS[alert]["labels"]},
        "exp_annotations": ALERTS[alert]["annotations"],
    }
    require({**WELL, **changes}, {alert: [firing]}, tmp_path)


def require(series: Series, firing: dict[str, list[Any]], folder: Path) -> None:
    """Let promtool check that these alerts fire after an hour, and no others."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": "60m", "alertname": name, "exp_alerts": firing.get(name, [])} for name in ALERTS
        ],
    }
    file = folder / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )
    tested = promtool("test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_its_paragraph(alert: str) -> None:
    page, _, anchor = ALERTS[alert]["annotations"]["runbook"].partition("#")
    assert (ROOT / page, anchor) == (PAGE, alert.lower())
    assert anchor in anchors(PAGE)
    [_, rest] = PAGE.read_text().split(f"### {alert}\n")
    paragraph = rest.partition("\n#")[0]
    for part in ("**Means.**", "**Look.**", "**Do.**"):
        assert part in paragraph


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=["alerts", "dashboard"])
async def test_every_metric_that_is_named_exists(file: Path) -> None:
    text = await asyncio.to_thread(file.read_text)
    named = set(re.findall(r"\b(?:gateway|process)_[a-z_]+\b(?!=)", text))
    assert len(named) > 20
    assert not named - shown_names()


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["id"] is None
    assert board["schemaVersion"] >= 39
    assert [each["type"] for each in board["templating"]["list"]] == ["datasource"]
    panels = [each for each in board["panels"] if each["type"] != "row"]
    assert len({each["id"] for each in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["expr"] for target in panel["targets"])
