"""The services and programs that tests use. If one is missing, its tests are skipped, or fail in CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.program import ROOT

IN_CI = os.environ.get("CI") == "true"
BROKER_URL = os.environ.get("BROKER_URL", "")
DATABASE_URL = os.environ.get("DATABASE_URL", "")
# A program that runs `rabbitmqctl` for the broker of BROKER_URL.
RABBITMQ_CONTROL = os.environ.get("RABBITMQ_CONTROL", "rabbitmqctl")
# The first one draws no windows, which take four fifths of the processor time of a small page.
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Worldpay publishes it, and we may not distribute it.
DTD_NAME = "paymentService_v1.dtd"
DTD_REQUIRED = os.environ.get("WPG_DTD_REQUIRED") == "1"


def missing(what: str) -> NoReturn:
    """Skip the test because something is missing. In CI, where everything must be present, fail it."""
    if IN_CI:
        pytest.fail(f"missing in CI: {what}")
    pytest.skip(f"missing: {what}")


def broker_url() -> str:
    """Return the address of a RabbitMQ broker to test on."""
    if not BROKER_URL.startswith("amqp"):
        missing("RabbitMQ: run with `python -m scripts.with_services`, or set BROKER_URL")
    return BROKER_URL


def database_url() -> str:
    """Return the address of a PostgreSQL database whose user may create others."""
    if not DATABASE_URL.startswith("postgres"):
        missing("PostgreSQL: run with `python -m scripts.with_services`, or set DATABASE_URL")
    return DATABASE_URL


def chromium_path() -> str:
    """Return the path of Chromium or Google Chrome."""
    for name in (os.environ.get("CHROMIUM", ""), *CHROMIUM_NAMES):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    missing("Chromium: install Debian's package chromium-headless-shell, or set CHROMIUM")


def firefox_path() -> str:
    """Return the path of Firefox."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        missing("Firefox: install Debian's package firefox-esr")
    return path


def display_path() -> str:
    """Return the path of Xvfb, a display without a screen, for WebKit. WebKit's driver has to exist, too."""
    path = shutil.which("Xvfb")
    if path is None or shutil.which("WebKitWebDriver") is None:
        missing("WebKit on a display: install Debian's packages webkit2gtk-driver and xvfb")
    return path


def dtd_path() -> Path:
    """Return the path of Worldpay's DTD, named by WPG_DTD, or in a folder beside the repository.

    Unlike other programs and files, it may be missing in CI unless WPG_DTD_REQUIRED=1, because not everybody
    may copy it there.
    """
    named = os.environ.get("WPG_DTD")
    candidates = [Path(named)] if named else sorted(ROOT.parent.glob(f"*/worldpay/{DTD_NAME}"))
    for path in candidates:
        if path.is_file():
            return path
    if DTD_REQUIRED:
        pytest.fail(f"missing: Worldpay's {DTD_NAME}, which WPG_DTD_REQUIRED asks for")
    pytest.skip(f"missing: Worldpay's {DTD_NAME}; WPG_DTD names a copy")


def nginx_path() -> str:
    """Return the path of nginx, which Debian installs in /usr/sbin, a folder in the PATH of root only."""
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
    if path is None:
        missing("nginx: install Debian's package nginx")
    return path


def docs_python() -> Path:
    """Return the Python of the environment in which the documentation is built."""
    path = ROOT / ".venv-docs/bin/python"
    if not path.is_file():
        missing(".venv-docs: run make docs-build")
    return path


def clients_python() -> Path:
    """Return the Python of the environment with the libraries that drive other browsers."""
    path = ROOT / ".venv-clients/bin/python"
    if not path.is_file():
        missing(".venv-clients: run make test-long, which installs it")
    return path


def node_path() -> str:
    """Return the path of Node.js."""
    path = shutil.which("node")
    if path is None:
        missing("Node.js: install Debian's packages nodejs and npm")
    return path
