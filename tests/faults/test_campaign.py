"""The fault campaign as a test, in its short form; `make faults` goes on for longer.

On two cores it makes about four payments a second while things break. Two minutes are too few for all faults
and crash points: CAMPAIGN_PAYMENTS=3000 pytest tests/faults takes the time for them, 0 leaves it out.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.injectors.table import BY_THE_SANDBOX, FAULTS, ROLLING_RESTART
from tests.support.program import ROOT

PAYMENTS = os.environ.get("CAMPAIGN_PAYMENTS", "400")
IS_SHORT = "CAMPAIGN_PAYMENTS" not in os.environ
SHORT = ("--at-most", "2")
NUMBERS = {f"F{number}" for number in range(1, 26)}


def test_every_fault_of_the_list_is_in_the_table():
    assert {*(fault.number for fault in FAULTS), ROLLING_RESTART.number, *BY_THE_SANDBOX} == NUMBERS


@pytest.mark.rabbitmq
@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(PAYMENTS == "0", reason="CAMPAIGN_PAYMENTS is 0")
def test_nothing_is_lost_or_done_twice_whatever_breaks(tmp_path):
    """It starts a RabbitMQ and a PostgreSQL of its own, since it kills them."""
    path = tmp_path / "report.json"
    command = [sys.executable, "-m", "tests.faults", "--payments", PAYMENTS, "--json", str(path)]
    command += SHORT if IS_SHORT else ()
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stdout[-20_000:]}\n{run.stderr[-5_000:]}"
    report = json.loads(path.read_text())
    assert report["faults_in_all"] >= 100
    assert IS_SHORT or set(report["faults"]) == NUMBERS
