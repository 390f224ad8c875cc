"""`manage.py try_purchase` as a program against a running gateway: its exit code shows the result."""

import subprocess
import sys

import pytest

from checkout.tryout.scenarios import SCENARIOS
from scripts.services.process import free_port
from tests.support.program import ROOT

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]


def try_purchase(stack, *arguments):
    return subprocess.run(
        [sys.executable, "manage.py", "try_purchase", *arguments],
        cwd=ROOT,
        env=stack.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_every_scenario_ends_as_it_says(shared_stack, scenario):
    tried = try_purchase(shared_stack, "--scenario", scenario.name, "--url", shared_stack.web_url)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert f"End: {scenario.expected} (as expected)" in tried.stdout


def test_a_gateway_that_is_not_there_is_named_in_one_line(shared_stack):
    url = f"http://localhost:{free_port()}"
    tried = try_purchase(shared_stack, "--url", url)
    assert tried.returncode == 2
    assert tried.stdout == ""
    (line,) = tried.stderr.splitlines()
    assert "The gateway does not answer" in line
    assert url in line
