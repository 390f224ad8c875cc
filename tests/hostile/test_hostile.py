"""All attacks together for a short time, over HTTP and on the broker, on the whole stack."""

import os
import subprocess
import sys

import pytest

from tests.hostile.run import NAMES
from tests.support.program import ROOT


@pytest.mark.rabbitmq
@pytest.mark.postgresql
@pytest.mark.long
@pytest.mark.timeout(900)
def test_nothing_wrong_is_booked_and_memory_comes_back_under_all_attacks():
    """The run starts its own RabbitMQ and PostgreSQL. Speed is not judged, as that needs a quiet machine."""
    command = [sys.executable, "-m", "tests.hostile", "--seconds", "15", "--together", "--any-speed"]
    command += ["--attacks", ",".join(NAMES)]
    # The run sets Django up itself, once its database exists.
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stdout[-10_000:]}\n{run.stderr[-5_000:]}"
    assert "all together: attackers were answered" in run.stdout
