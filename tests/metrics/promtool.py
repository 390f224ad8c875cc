"""Prometheus's own program for rules, with which the alerts are tested."""

import shutil
import subprocess

from tests.support.environment import missing
from tests.support.program import ROOT

RULES = ROOT / "deployment" / "prometheus" / "alerts.yml"


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the program. Skip the test if it is missing, or fail it in CI."""
    program = shutil.which("promtool") or missing("promtool: install Debian's package promtool")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
