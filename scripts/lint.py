"""Check style, docstrings, types and migrations. Every check runs; the exit code is 0 if all passed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

CHECKS = (
    ("ruff check", ("ruff", "check", "--quiet", ".")),
    ("ruff format", ("ruff", "format", "--check", "--quiet", ".")),
    ("docstrings", ("scripts.docstrings",)),
    ("mypy", ("mypy",)),
)
MIGRATIONS = ("manage.py", "makemigrations", "--check", "--dry-run")


def main() -> int:
    commands = [*((name, ["-m", *module]) for name, module in CHECKS), ("migrations", list(MIGRATIONS))]
    # The longest check uses only one processor.
    with ThreadPoolExecutor() as threads:
        passed = list(threads.map(check, *zip(*commands, strict=True)))
    return 0 if all(passed) else 1


def check(name: str, arguments: list[str]) -> bool:
    """Run a check, and show its output when it has ended. Return True if it passed."""
    result = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(f"Checked: {name}\n{result.stdout}", end="", flush=True)
    return result.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
