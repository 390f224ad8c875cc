"""A service that the command writes passes lint and its own tests at once, and takes part in purchases."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.support.program import ROOT


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE")
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": f"{folder}:{ROOT}", "CHECKOUT_OWN_APPS": "gift_wrap", **environment},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    call_command("startservice", "gift_wrap", "--into", str(folder))
    return folder


def test_its_own_tests_pass(folder: Path):
    tests = run("-m", "pytest", "-q", "-c", "pyproject.toml", str(folder / "gift_wrap"), folder=folder)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "3 passed" in tests.stdout


@pytest.mark.parametrize(
    "checker",
    [
        ("ruff", "check", "--config", "pyproject.toml"),
        ("ruff", "format", "--check", "--config", "pyproject.toml"),
        ("scripts.docstrings",),
    ],
    ids=lambda checker: " ".join(checker[:2]),
)
def test_it_is_lint_clean(folder: Path, checker: tuple[str, ...]):
    done = run("-m", *checker, str(folder / "gift_wrap"), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_its_types_are_right(folder: Path):
    done = run("-m", "mypy", "--config-file", "pyproject.toml", "-p", "gift_wrap", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_table_has_its_migration(folder: Path):
    done = run("manage.py", "makemigrations", "gift_wrap", "--check", "--dry-run", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_the_setting_it_is_a_service_with_a_right_to_be_asked(folder: Path):
    checked = run("manage.py", "check", folder=folder)
    assert checked.returncode == 0, checked.stderr
    users = run("manage.py", "broker_users", "--vhost", "here", folder=folder)
    assert '"user": "checkout.gift_wrap"' in users.stdout


def test_its_readme_tells_what_is_left(folder: Path):
    readme = (folder / "gift_wrap" / "README.md").read_text()
    assert "CHECKOUT_OWN_APPS=gift_wrap" in readme
    assert "run_service gift_wrap" in readme


def test_nothing_is_overwritten(folder: Path):
    with pytest.raises(CommandError, match="exists already"):
        call_command("startservice", "gift_wrap", "--into", str(folder))


@pytest.mark.parametrize("name", ["orders", "json", "Gifts", "class", "x", "a-b"])
def test_a_name_must_be_free_and_fit(tmp_path: Path, name: str):
    with pytest.raises(CommandError, match=r"is taken|is no name"):
        call_command("startservice", name, "--into", str(tmp_path))
    assert not list(tmp_path.iterdir())
