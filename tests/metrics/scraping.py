"""Metrics of a process, read as Prometheus reads them, and the alerts that they cause."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from checkout.conf import conf
from tests.metrics.promtool import RULES, promtool

Samples = Mapping[str, float]
FAILED = re.compile(r"alertname: (\w+), time")


async def scraped() -> Samples:
    """Return the samples of the process at the first of its ports, by their names with labels."""
    return await asyncio.to_thread(samples_at, f"http://127.0.0.1:{conf.metrics_ports}/metrics")


def samples_at(address: str) -> Samples:
    """Return the samples at an address, by their names with labels in the order of the alphabet."""
    text = requests.get(address, timeout=20).text
    return {
        series_of(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def series_of(name: str, labels: Mapping[str, str]) -> str:
    """Return the name of a series."""
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name


def alerts_of(before: Samples, after: Samples, folder: Path) -> set[str]:
    """Return the alerts that fire if the changes between two scrapes go on for an hour.

    A number that only grows has grown by the same amount each minute; any other one stays as it is.
    """
    series = []
    for name, value in after.items():
        grows = name.partition("{")[0].endswith(("_total", "_bucket", "_count", "_sum"))
        values = f"0+{max(0.0, value - before.get(name, 0.0)):f}x60" if grows else f"{value:f}x60"
        series.append({"series": name, "values": values})
    alerts = [
        rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    test = {
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [{"eval_time": "60m", "alertname": each, "exp_alerts": []} for each in alerts],
    }
    file = folder / "alerts.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )
    tested = promtool("test", "rules", str(file))
    told = tested.stdout + tested.stderr
    assert not tested.returncode or FAILED.search(told), told
    return set(FAILED.findall(told))
