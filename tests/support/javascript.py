"""The risk service in JavaScript, with its dependencies."""

import shutil
import subprocess
from pathlib import Path

from tests.support.environment import missing
from tests.support.program import ROOT

FOLDER = ROOT / "tests" / "contracts" / "node_risk_service"


def installed_service() -> Path:
    """Return the service's folder, after installing its dependencies if they are missing."""
    if not (FOLDER / "node_modules" / "amqplib").is_dir():
        npm = shutil.which("npm") or missing("npm: install Debian's package npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
        if installed.returncode:
            missing(f"amqplib: npm ci failed: {installed.stderr[-500:]}")
    return FOLDER
