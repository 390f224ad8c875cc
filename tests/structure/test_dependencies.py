"""Pinned packages: each is installed only if it has the recorded hash."""

import re

import pytest

from tests.support.program import ROOT

REQUIREMENTS = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-docs.txt",
    "requirements-otel.txt",
    "benchmarks/requirements.txt",
    "tests/browser/engines/program/requirements.txt",
]
PINNED = re.compile(r"[\w.\[\]-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_package_is_pinned_with_its_hash(name):
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    packages = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(packages) > 10
    assert [package for package in packages if not PINNED.fullmatch(package)] == []
