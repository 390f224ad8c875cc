"""An operator's own apps are added by configuration: their services, their steps, and the rights of both."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.program import ROOT, run
from tests.tryout.running_demo import RunningDemo

# Nearly each test starts a program of the product.
pytestmark = pytest.mark.slow
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
    return run([sys.executable, "manage.py", *arguments], environment)


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
    # The definitions would remove the rights of a step at which purchases still are.
    for command in (("run_service", "checkout"), ("broker_users", "--vhost", "here")):
        refused = manage(*command, apps="broken", path=tmp_path)
        assert refused.returncode == 1
        assert fault in refused.stderr.splitlines()[-1]


def an_app(folder: Path, name: str, **modules: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    for module, text in modules.items():
        (folder / name / f"{module}.py").write_text(text)


A_SERVICE = "from checkout.service import Service\nservice = Service({name!r}{more})\n"
A_FOREIGN_STEP = BROKEN.replace('["sometimes"]', "[Success.DONE]")
A_TABLE = "from django.db import models\n\n\nclass Gift(models.Model):\n    pass\n"


@pytest.mark.parametrize(
    ("modules", "fault"),
    [
        ({"service": "services = []"}, "gifts.service has no service: it needs a line such as service = "),
        ({"service": A_SERVICE.format(name="checkout", more="")}, "gifts.service is called 'checkout'"),
        ({"service": "import nonsense_4711"}, "gifts.service cannot be imported: No module named"),
        ({"models": A_TABLE}, "gifts has tables and no migrations: run manage.py makemigrations gifts."),
        ({"purchase_steps": "STEPS = None"}, "gifts.purchase_steps has no STEPS that are a list of OwnStep"),
    ],
    ids=["none", "taken", "broken", "table", "steps"],
)
def test_an_app_that_cannot_be_used_is_named_by_the_check(
    tmp_path: Path, modules: dict[str, str], fault: str
):
    an_app(tmp_path, "gifts", **modules)
    checked = manage("check", apps="gifts", path=tmp_path)
    assert checked.returncode == 1
    assert f"(checkout.E021) CHECKOUT_OWN_APPS: {fault}" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_a_service_that_cannot_be_run_is_told_when_it_is_to_run_and_stops_no_other(tmp_path: Path):
    an_app(tmp_path, "gifts", service="services = []")
    refused = manage("run_service", "gifts", apps="gifts", path=tmp_path)
    assert refused.stderr.startswith("CommandError: gifts.service has no service"), refused.stderr
    other = manage("run_service", "nothing", "ledger", apps=LOYALTY)
    assert "There is no service nothing" in other.stderr


def test_the_doctor_tells_to_start_a_service_in_another_language_as_what_it_is(tmp_path: Path):
    an_app(tmp_path, "foreign", purchase_steps=A_FOREIGN_STEP)
    code = (
        "from checkout.management.gateway.expected import expected_queues\n"
        "print(*(each.command for each in expected_queues()), sep='|')"
    )
    printed = manage("shell", "-v", "0", "-c", code, apps="foreign", path=tmp_path)
    assert "your service loyalty" in printed.stdout.strip().split("|"), printed.stderr


def test_two_services_have_two_names(tmp_path: Path):
    for name in ("gifts", "cards"):
        an_app(tmp_path, name, service=A_SERVICE.format(name="gifts", more=""))
    refused = manage("run_service", "--all", apps="gifts,cards", path=tmp_path)
    assert "Two services of your own are called 'gifts'." in refused.stderr


def test_a_service_without_steps_has_a_user_too_and_may_listen(tmp_path: Path):
    listener = A_SERVICE.format(name="gifts", more=', events=("payment.captured.*",)')
    an_app(tmp_path, "gifts", service=listener)
    printed = manage("broker_users", "--vhost", "here", apps="gifts", path=tmp_path)
    assert printed.returncode == 0, printed.stderr
    definitions = json.loads(printed.stdout)
    [rights] = (each for each in definitions["permissions"] if each["user"] == "checkout.gifts")
    assert "events" in rights["read"]


def test_an_app_that_is_not_there_is_told_at_the_start():
    refused = manage("check", apps="nowhere")
    assert refused.returncode == 1
    assert "CHECKOUT_OWN_APPS names nowhere, and there is no such package" in refused.stderr


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
