"""Clients generated from the OpenAPI document, in Python and TypeScript: they compile strictly, and pay."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from checkout.conf.api import TRY_OUT_API_KEY
from scripts.openapi import PAGE
from tests.flows.stack.shopping import shopper_at
from tests.support import environment
from tests.support.javascript import installed
from tests.support.program import Program
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.long,
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.timeout(600),
]

HERE = Path(__file__).parent
PACKAGE = "payments_gateway_client"


def test_a_generated_client_in_python_is_strictly_typed_and_pays(shared_stack: Stack, tmp_path: Path) -> None:
    python = environment.clients_python()
    folder = copied("python", tmp_path)
    generator = str(python.parent / "openapi-python-client")
    options = ["--path", str(PAGE), "--config", "config.yaml", "--meta", "none", "--output-path", PACKAGE]
    ran(folder, [generator, "generate", "--fail-on-warning", *options])
    ran(folder, [str(python), "-m", "mypy", PACKAGE, "pay.py"])
    assert_pays(shared_stack, [str(python), str(folder / "pay.py")], folder, order="generated-python")


@pytest.mark.node
def test_a_generated_client_in_typescript_is_strictly_typed_and_pays(
    shared_stack: Stack, tmp_path: Path
) -> None:
    packages = installed(HERE / "typescript", "openapi-typescript") / "node_modules"
    folder = copied("typescript", tmp_path)
    (folder / "node_modules").symlink_to(packages)
    node = environment.node_path()
    generator = str(packages / "openapi-typescript" / "bin" / "cli.js")
    ran(folder, [node, generator, str(PAGE), "--output", "schema.d.ts"])
    ran(folder, [node, str(packages / "typescript" / "bin" / "tsc"), "--project", "tsconfig.json"])
    assert_pays(shared_stack, [node, str(folder / "built" / "pay.js")], folder, order="generated-typescript")


def copied(language: str, folder: Path) -> Path:
    """Return a copy of the program and its settings, beside which the client is generated."""
    ignored = shutil.ignore_patterns("node_modules")
    return Path(shutil.copytree(HERE / language, folder / language, ignore=ignored))


def ran(folder: Path, command: Sequence[str]) -> None:
    """Run a tool in the folder; its exit code must be 0."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def assert_pays(stack: Stack, command: Sequence[str], folder: Path, *, order: str) -> None:
    """Run the program, pay its payment as a shopper does, and compare its output."""
    told: Mapping[str, str] = {
        "API": stack.web_url,
        "KEY": TRY_OUT_API_KEY,
        "ORDER": order,
        "PATH": os.environ["PATH"],
    }
    program = Program(order, command, log=folder / "log", environment=told)
    program.start()
    try:
        program.wait_for_line("/checkout/", seconds=60)
        _, reference, address = program.text().split()
        shopper = shopper_at(stack)
        shopper.reference = reference
        shopper.pay(shopper.browser.open(address))
        assert program.wait(seconds=180) == 0, program.text()
    finally:
        program.kill()
    _, *lines = program.text().splitlines()
    assert lines == ["captured 1250", "refund 250", "404 payment_not_found"]
