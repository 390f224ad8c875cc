"""The simulation, in its own processes because it replaces clocks, randomness and the event loop."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.mutants import MUTANTS

# The first of the schedules that `.ci/run` runs after the tests. docs/findings.md reports runs of many more.
SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "20"))
# Each mutant is found within this many schedules.
SCHEDULES_WITH_MUTANT = 300
SECONDS = 600

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


def simulate(
    *arguments: str, module: str = "tests.simulation", hash_seed: str = "random", own_apps: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment | {"PYTHONHASHSEED": hash_seed, "CHECKOUT_OWN_APPS": own_apps},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_no_schedule_violates_anything() -> None:
    run = simulate("--schedules", str(SCHEDULES), "--processes", "1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 violations" in run.stdout


@pytest.mark.at_scale
def test_no_schedule_with_steps_of_ones_own_violates_anything() -> None:
    run = simulate("--schedules", str(SCHEDULES), "--processes", "1", own_apps="tests.support.loyalty")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 violations" in run.stdout


def test_a_seed_replays_to_the_last_event() -> None:
    replays = [simulate("--replay", "7", hash_seed=hash_seed) for hash_seed in ("1", "2")]
    digests = [re.findall(r"^digest (\w{64})$", replay.stdout, re.MULTILINE) for replay in replays]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 1
    assert replays[0].stdout == replays[1].stdout


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_is_caught(mutant: str) -> None:
    run = simulate(
        "--schedules", str(SCHEDULES_WITH_MUTANT), "--processes", "1", "--mutant", mutant, "--first"
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert re.search(r"^seed \d+: I\d+: ", run.stdout, re.MULTILINE)


@pytest.mark.long
def test_every_blemish_is_found() -> None:
    run = simulate(module="tests.simulation.blemishes")
    assert run.returncode == 0, run.stdout + run.stderr
