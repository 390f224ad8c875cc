"""Apps of one's own are added by configuration: their services, their steps, and the rights of both."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.program import ROOT
from tests.tryout.running_demo import RunningDemo

LOYALTY = "tests.support.loyalty"
BROKEN = """
from checkout.messages import Success
from checkout.own.step import OwnStep, Place
from tests.support.loyalty.messages import AwardPoints

STEPS = [OwnStep(name="award", place=Place.AFTER_CAPTURE, asks=AwardPoints, goes_on=["sometimes"])]
"""


def manage(*arguments: str, apps: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        "CHECKOUT_OWN_APPS": apps,
        "PYTHONPATH": str(path),
        "BROKER_URL": "amqp://checkout.checkout@127.0.0.1:1/",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_step_brings_a_user_for_its_service_and_the_right_to_ask_it():
    printed = manage("broker_users", "--vhost", "here", apps=LOYALTY)
    assert printed.returncode == 0, printed.stderr
    definitions = json.loads(printed.stdout)
    assert "checkout.loyalty" in {right["user"] for right in definitions["permissions"]}
    [asked] = (
        right["write"]
        for right in definitions["topic_permissions"]
        if (right["user"], right["exchange"]) == ("checkout.checkout", "checkout.commands")
    )
    assert "loyalty" in asked


def test_the_service_is_one_that_can_be_run():
    refused = manage("run_service", "nothing", apps=LOYALTY)
    assert "notifications, loyalty; or --all" in refused.stderr


def test_a_step_that_cannot_be_taken_is_reported_by_a_check_and_stops_the_orchestrator(tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "purchase_steps.py").write_text(BROKEN)
    checked = manage("check", apps="broken", path=tmp_path)
    fault = "Step 'award': AwardPoints never answers sometimes."
    assert checked.returncode == 1
    assert f"(checkout.E021) CHECKOUT_OWN_APPS: {fault}" in checked.stderr
    refused = manage("run_service", "checkout", apps="broken", path=tmp_path)
    assert refused.returncode == 1
    assert fault in refused.stderr.splitlines()[-1]


def test_an_app_that_is_not_there_is_told_at_the_start():
    refused = manage("check", apps="nowhere")
    assert refused.returncode == 1
    assert "CHECKOUT_OWN_APPS names nowhere, and there is no such package" in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_purchase_takes_the_steps(tmp_path: Path):
    demo = RunningDemo(tmp_path)
    demo.environment["CHECKOUT_OWN_APPS"] = LOYALTY
    ended = demo.run("--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "loyalty.hold" in ended.stdout
    with closing(sqlite3.connect(demo.folder / "gateway.sqlite3")) as database:
        rows = database.execute("SELECT is_held, holds, is_awarded, awards FROM loyalty_points").fetchall()
    assert rows == [(1, 1, 1, 1)]
