"""The fault campaign as a test of a few minutes. `make faults` runs for longer.

It makes some 200 payments, with half of the kinds of faults. `make faults` makes 3,000, with all kinds and
every crash point. CAMPAIGN_PAYMENTS sets the number, without a time limit; 0 skips the test.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.injectors.table import (
    BY_THE_SANDBOX,
    FAULTS,
    FAULTS_OF_A_CLUSTER,
    FAULTS_OF_A_STANDBY,
    ROLLING_RESTART,
)
from tests.support.program import ROOT

PAYMENTS = os.environ.get("CAMPAIGN_PAYMENTS", "400")
IS_BOUNDED = "CAMPAIGN_PAYMENTS" not in os.environ
# With fewer shoppers at once, the last ones leave sooner, and so do those who never pay and those whose
# outcome the provider does not report until staff look. A fault of so short a campaign takes at most half a
# minute.
BOUNDS = ("--at-most", "1", "--shoppers", "40", "--abandoned-after", "50", "--inquiries", "10", "--forked")
LONGEST_SECONDS = 900 if IS_BOUNDED else 3500
NUMBERS = {*(f"F{number}" for number in range(1, 26)), "F31"}
NUMBERS_OF_A_CLUSTER = {"F26", "F27", "F28", "F29", "F32"}
NUMBERS_OF_A_STANDBY = {"F30"}


def campaign(test: Callable[[Path], None]) -> Callable[[Path], None]:
    """Mark a test that runs a campaign."""
    marks = (
        pytest.mark.rabbitmq,
        pytest.mark.postgresql,
        pytest.mark.slow,
        pytest.mark.timeout(3600),
        pytest.mark.skipif(PAYMENTS == "0", reason="CAMPAIGN_PAYMENTS is 0"),
    )
    for mark in marks:
        test = mark(test)
    return test


def test_every_fault_of_the_list_is_in_the_table():
    assert {*(fault.number for fault in FAULTS), ROLLING_RESTART.number, *BY_THE_SANDBOX} == NUMBERS
    assert {fault.number for fault in FAULTS_OF_A_CLUSTER} == NUMBERS_OF_A_CLUSTER
    assert {fault.number for fault in FAULTS_OF_A_STANDBY} == NUMBERS_OF_A_STANDBY


@campaign
def test_nothing_is_lost_or_done_twice_whatever_breaks(tmp_path):
    """The campaign kills its servers, so it starts a RabbitMQ and a PostgreSQL of its own."""
    assert_survived(tmp_path / "report.json", NUMBERS)


@pytest.mark.long
@campaign
def test_nothing_is_lost_or_done_twice_whatever_breaks_on_clusters(tmp_path):
    numbers = NUMBERS | NUMBERS_OF_A_CLUSTER | NUMBERS_OF_A_STANDBY
    assert_survived(tmp_path / "report.json", numbers, "--cluster", "--standby")


def assert_survived(path: Path, numbers: set[str], *options: str) -> None:
    """Run a campaign. It must find no violation and, unless it is bounded, have every fault."""
    command = [sys.executable, "-m", "tests.faults", "--payments", PAYMENTS, "--json", str(path), *options]
    command += BOUNDS if IS_BOUNDED else ()
    # The campaign makes broker users before there is a database, and sets Django up once it exists.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        # A campaign that hangs is asked to end, so that it stops its servers and its progress can be read.
        patience = threading.Timer(LONGEST_SECONDS, running.terminate)
        patience.start()
        output, progress = running.communicate()
        patience.cancel()
    assert running.returncode == 0, f"{output[-20_000:]}\n{progress[-5_000:]}"
    report = json.loads(path.read_text())
    assert report["faults_in_all"] >= (20 if IS_BOUNDED else 40)
    if not IS_BOUNDED:
        assert set(report["faults"]) == numbers
        assert report["crash_points_missed"] == []
