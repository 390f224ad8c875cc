"""The fault campaign as a test, for a machine that has the quarter of an hour: `make faults` says more.

On two cores it makes one to three payments a second while things break, so it is run by whoever asks for it:
CAMPAIGN_PAYMENTS=1000 pytest tests/faults.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.injectors.table import BY_THE_SANDBOX, FAULTS, ROLLING_RESTART
from tests.support.program import ROOT

PAYMENTS = os.environ.get("CAMPAIGN_PAYMENTS", "")
NUMBERS = {f"F{number}" for number in range(1, 26)}


def test_every_fault_of_the_list_is_in_the_table():
    assert {*(fault.number for fault in FAULTS), ROLLING_RESTART.number, *BY_THE_SANDBOX} == NUMBERS


@pytest.mark.rabbitmq
@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not PAYMENTS, reason="CAMPAIGN_PAYMENTS does not say how many")
def test_nothing_is_lost_or_done_twice_whatever_breaks(tmp_path):
    """It starts a RabbitMQ and a PostgreSQL of its own, since it kills them."""
    path = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.faults", "--payments", PAYMENTS, "--json", str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stdout[-20_000:]}\n{run.stderr[-5_000:]}"
    report = json.loads(path.read_text())
    assert report["faults_in_all"] >= 100
    assert set(report["faults"]) == NUMBERS
