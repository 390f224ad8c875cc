"""The tests that the documents name as proofs of their promises exist."""

import re

from tests.support.mutants import MUTANTS
from tests.support.program import ROOT

TABLE = (ROOT / "docs/reliability.md").read_text().partition("## The promises")[2].partition("\n## ")[0]


def test_every_promise_has_tests_and_all_of_them_exist():
    rows = [line for line in TABLE.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row)
        assert named, row
        for path in named:
            assert (ROOT / path).is_file(), path


def test_every_mutant_stands_beside_the_promise_that_it_breaks():
    assert set(re.findall(r"`([a-z_]+)`", TABLE)) == set(MUTANTS)
