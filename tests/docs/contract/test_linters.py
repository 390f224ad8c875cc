"""Linters of the OpenAPI and AsyncAPI documents, each without a warning."""

import subprocess
from pathlib import Path

import pytest

from scripts.asyncapi import DOCS
from tests.support.javascript import installed

pytestmark = [pytest.mark.node, pytest.mark.slow]
FOLDER = Path(__file__).parent / "linters"
OPENAPI, ASYNCAPI = str(DOCS / "openapi.yaml"), str(DOCS / "asyncapi.yaml")


@pytest.fixture(scope="module")
def linters(node: str) -> Path:
    return installed(FOLDER, "@redocly/cli") / "node_modules" / ".bin"


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI])
def test_spectral_has_nothing_to_say(node: str, linters: Path, document: str) -> None:
    options = ["--fail-severity", "warn", "--display-only-failures"]
    told = output_of(node, str(linters / "spectral"), "lint", document, *options)
    assert "No results with a severity of 'warn' or higher found!" in told


def test_redocly_has_nothing_to_say(node: str, linters: Path) -> None:
    told = output_of(node, str(linters / "redocly"), "lint", OPENAPI)
    assert "Your API description is valid" in told
    assert "warning" not in told.replace("Deprecation warning: Node.js", "")


def test_the_parser_of_asyncapi_has_nothing_to_say(node: str, linters: Path) -> None:
    assert output_of(node, "parse.mjs", ASYNCAPI) == ""


def test_a_document_with_a_fault_is_noticed(node: str, linters: Path, tmp_path: Path) -> None:
    faulty = tmp_path / "openapi.yaml"
    faulty.write_text(Path(OPENAPI).read_text().replace("operationId: createPayment", "x-id: createPayment"))
    for linter, options in (("spectral", ["--fail-severity", "warn"]), ("redocly", [])):
        done = ran(node, str(linters / linter), "lint", str(faulty), *options)
        assert "operation" in done.stdout + done.stderr
        assert "warning" in done.stdout + done.stderr


def output_of(*command: str) -> str:
    done = ran(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def ran(*command: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    return subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
