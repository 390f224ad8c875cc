"""Check style, docstrings, types and migrations. Every check runs; the exit code is 0 if all passed."""

import subprocess
import sys

CHECKS = (
    ("ruff check", ("ruff", "check", "--quiet", ".")),
    ("ruff format", ("ruff", "format", "--check", "--quiet", ".")),
    ("docstrings", ("scripts.docstrings",)),
    ("mypy", ("mypy",)),
)
MIGRATIONS = ("manage.py", "makemigrations", "--check", "--dry-run")


def main() -> int:
    passed = [check(name, ["-m", *module]) for name, module in CHECKS]
    passed.append(check("migrations", list(MIGRATIONS)))
    return 0 if all(passed) else 1


def check(name: str, arguments: list[str]) -> bool:
    print(f"Checking: {name}", flush=True)
    return subprocess.run([sys.executable, *arguments], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
