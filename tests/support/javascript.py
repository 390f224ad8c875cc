"""Programs in JavaScript, with their dependencies."""

import shutil
import subprocess
from pathlib import Path

from tests.support.environment import missing


def installed(folder: Path, package: str) -> Path:
    """Return the folder, after installing its dependencies if this package is missing."""
    if not (folder / "node_modules" / package).is_dir():
        npm = shutil.which("npm") or missing("npm: install Debian's package npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"{package}: npm ci failed: {done.stderr[-500:]}")
    return folder
