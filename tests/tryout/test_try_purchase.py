"""The scripted shopper as a command."""

import json
import os
import re

import pytest

from checkout.tryout.scenarios import SCENARIOS
from tests.tryout.running_demo import manage

ENVIRONMENT = {**os.environ, "BROKER_URL": "memory://"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_for_machines_there_is_one_json_object_with_both_sides(demo):
    ended = demo.try_purchase("--json", "--scenario", "refused", database=demo.folder / "gateway.sqlite3")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["scenario"], told["expected"], told["end"], told["ok"]) == (
        "refused",
        "refused",
        "refused",
        True,
    )
    assert re.fullmatch("pay_[0-9a-f]{32}", told["payment"])
    assert 0 < told["duration_ms"] < 60_000
    assert {hop["kind"] for hop in told["hops"]} >= {
        "browser",
        "fact",
        "saga step",
        "message",
        "provider call",
    }
    assert all(hop["at_ms"] >= 0 for hop in told["hops"])


def test_without_the_gateways_database_the_browsers_side_is_shown_and_it_says_so(demo, tmp_path):
    ended = demo.try_purchase("--scenario", "refused", database=tmp_path / "none.sqlite3")
    assert ended.returncode == 0, ended.stderr
    assert "which DATABASE_URL does not name" in ended.stdout
    assert "saga step" not in ended.stdout
    assert "End: refused (as expected)." in ended.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scenario", "nope"], "There is no scenario 'nope'. Known: frictionless, challenge,"),
        (["--url", "http://localhost:1"], "The gateway does not answer: http://localhost:1 does not answer"),
    ],
)
def test_what_cannot_be_played_is_one_clear_line_and_exit_code_2(options, message):
    ended = manage("try_purchase", *options, environment=ENVIRONMENT)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"CommandError: {message}")
    assert ended.stderr.count("\n") == 1


def test_the_scenarios_can_be_listed():
    listed = manage("try_purchase", "--list", environment=ENVIRONMENT).stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[s.name, s.expected] for s in SCENARIOS.values()]
