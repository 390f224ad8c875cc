"""The two wheels, built and installed away from the checkout, work as the checkout does."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.services.process import free_port
from tests.messaging.test_readme import does_what_it_says
from tests.support.program import ROOT

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

# pip and uv make copies of these files, or find them beside the package.
UV = Path(sys.executable).with_name("uv")
BARE = {"PATH": "/usr/bin:/bin"}


def done(*command: str | Path, folder: Path, environment: Mapping[str, str] = BARE) -> str:
    ended = subprocess.run(
        list(command), cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=280
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "messaging", ROOT):
        done(
            UV,
            "build",
            "--wheel",
            "--no-build-isolation",
            "--out-dir",
            folder,
            folder=project,
            environment=os.environ,
        )
    return folder


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory) -> Path:
    """Return a folder into which both wheels are unpacked, without the packages that they need."""
    folder = tmp_path_factory.mktemp("installed")
    done(
        UV,
        "pip",
        "install",
        "--offline",
        "--no-deps",
        "--target",
        folder,
        *wheels.glob("*.whl"),
        folder=folder,
        environment=os.environ,
    )
    return folder


def purchase(*command: str | Path, folder: Path, path: str = "") -> None:
    ports = {"WEB_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    shown = done(
        *command, "run_demo", "--once", folder=folder, environment={**BARE, **ports, "PYTHONPATH": path}
    )
    assert "End: captured (as expected)." in shown
    assert (folder / ".local").is_dir(), "its data is in the working directory"


def test_the_installed_gateway_sells_something_through_a_challenge(installed, tmp_path):
    purchase(sys.executable, "-m", "payments_gateway", folder=tmp_path, path=str(installed))
    assert not (installed / ".local").exists()


def test_the_installed_gateway_has_every_file_of_its_packages(installed):
    tracked = done("git", "ls-files", "checkout", "payments_gateway", "sandbox", "messaging", folder=ROOT)
    kept = {
        each
        for each in tracked.splitlines()
        if each != "messaging/pyproject.toml" and not each.endswith(".md")
    }
    assert {each for each in kept if not (installed / each).is_file()} == set()
    templates = done("git", "ls-files", "templates", folder=ROOT).splitlines()
    assert all((installed / "payments_gateway" / each).is_file() for each in templates)


def test_the_installed_messaging_runs_the_example_of_its_readme(installed, tmp_path):
    does_what_it_says(tmp_path, "memory://", package=installed)


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """Return the folder of an environment without packages."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    done(sys.executable, "-m", "venv", folder, folder=ROOT)
    return folder


@pytest.mark.long
def test_in_an_empty_environment_messaging_brings_what_it_needs(empty, wheels, tmp_path):
    [wheel] = wheels.glob("django_rabbit_rpc-*.whl")
    done(empty / "bin" / "pip", "install", "--quiet", wheel, folder=tmp_path, environment=os.environ)
    does_what_it_says(tmp_path, "memory://", package=None, python=str(empty / "bin" / "python"))


@pytest.mark.long
def test_in_an_empty_environment_the_gateway_brings_what_it_needs(empty, wheels, tmp_path):
    pip = (empty / "bin" / "pip", "install", "--quiet", "--find-links", wheels)
    done(*pip, "payments-gateway", folder=tmp_path, environment=os.environ)
    purchase(empty / "bin" / "payments-gateway", folder=tmp_path)
