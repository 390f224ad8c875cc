"""A service that the command writes passes lint and its own tests at once, and takes part in purchases."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from scripts.docstrings import faults
from tests.support.program import ROOT
from tests.tryout.running_demo import RunningDemo

# Most tests start a program.
pytestmark = pytest.mark.slow


def run(
    *command: str, folder: Path, within: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE")
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=within,
        env={**inherited, "PYTHONPATH": f"{folder}:{ROOT}", "CHECKOUT_OWN_APPS": "gift_wrap", **environment},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like the gateway's own, in which the command has written a service."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in ("checkout", "messaging"):
        (folder / package).symlink_to(ROOT / package)
    call_command("startservice", "gift_wrap", "--into", str(folder))
    return folder


@pytest.mark.parametrize(
    "checker",
    [
        ("check", "--no-cache"),
        ("format", "--no-cache", "--check"),
    ],
    ids=lambda checker: checker[0],
)
def test_it_is_lint_clean(folder: Path, checker: tuple[str, ...]):
    done = run("-m", "ruff", *checker, "gift_wrap", folder=folder, within=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_docstrings_of_a_new_service_open_as_they_should(folder: Path):
    files = sorted((folder / "gift_wrap").rglob("*.py"))
    assert not [fault for path in files for fault in faults(path, path.read_text())]


def test_the_types_of_a_new_service_are_right(folder: Path):
    """The cache is that of our own check, which has read the gateway's modules before in `make test`."""
    done = run(
        "-m",
        "mypy",
        "--config-file",
        "pyproject.toml",
        str(folder / "gift_wrap"),
        folder=folder,
        MYPYPATH=f"{folder}",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_a_new_service_has_a_migration(folder: Path):
    done = run("manage.py", "makemigrations", "gift_wrap", "--check", "--dry-run", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_the_setting_it_is_a_service_with_a_right_to_be_asked(folder: Path):
    checked = run("manage.py", "check", folder=folder)
    assert checked.returncode == 0, checked.stderr
    users = run("manage.py", "broker_users", "--vhost", "here", folder=folder)
    assert '"user": "checkout.gift_wrap"' in users.stdout


def test_the_readme_of_a_new_service_tells_what_is_left(folder: Path):
    readme = (folder / "gift_wrap" / "README.md").read_text()
    assert "CHECKOUT_OWN_APPS=gift_wrap" in readme
    assert "run_service gift_wrap" in readme


def test_the_tests_of_a_new_service_pass_with_the_command_of_its_readme_as_it_must_be_typed(folder: Path):
    readme = (folder / "gift_wrap" / "README.md").read_text()
    command = re.search(r"`(.*-m pytest .*)`", readme)
    assert command is not None, readme
    done = subprocess.run(
        ["/bin/sh", "-c", command[1].replace(".venv/bin/python", sys.executable)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.timeout(250)
def test_it_takes_part_in_a_purchase(folder: Path, tmp_path: Path):
    demo = RunningDemo(tmp_path)
    demo.environment |= {"CHECKOUT_OWN_APPS": "gift_wrap", "PYTHONPATH": f"{folder}:{ROOT}"}
    ended = demo.run("--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "gift_wrap.begin" in ended.stdout


def test_nothing_is_overwritten(folder: Path):
    with pytest.raises(CommandError, match="exists already"):
        call_command("startservice", "gift_wrap", "--into", str(folder))


@pytest.mark.parametrize("name", ["orders", "json", "Gifts", "class", "x", "a-b"])
def test_a_name_must_be_free_and_fit(tmp_path: Path, name: str):
    with pytest.raises(CommandError, match=r"is taken|is no name"):
        call_command("startservice", name, "--into", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("startservice", "gift_wrap", "--into", str(file))
