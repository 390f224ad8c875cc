"""The page about security names a test for each defence, and its totals are correct."""

import re

import pytest

from tests.support.program import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
DEFENCES = PAGE.partition("\n## Defences")[2].partition("\n## ")[0]
CHAPTERS = PAGE.partition("\n## OWASP ASVS")[2]
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
NUMBER = re.compile(r"\b(\d{1,2}\.\d{1,2}\.\d{1,2})\b")
# Chapters that do not apply at all need not list every requirement.
WITHOUT = ("V10", "V17")


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of all tables, without the head rows."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {number for number, line in enumerate(lines) if set(line) <= set("|-: ")}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for number, line in enumerate(lines)
        if not {number, number + 1} & rules
    ]


def test_every_test_that_is_named_exists():
    named = TEST.findall(PAGE)
    assert len(named) > 50
    for path, name in named:
        source = ROOT / path
        assert source.is_file(), path
        assert not name or f"def {name}(" in source.read_text(), f"{path}::{name}"


def test_every_defence_has_a_test():
    rows = rows_of(DEFENCES)
    assert len(rows) > 40
    for stops, _where, tests, *_points in rows:
        assert any(name for _, name in TEST.findall(tests)), stops


@pytest.mark.parametrize("row", rows_of(CHAPTERS), ids=lambda row: row[0].partition(" ")[0])
def test_the_points_of_a_chapter_are_as_many_as_are_counted(row):
    name, _met, not_met, not_applicable, which = row
    chapter = name.partition(" ")[0]
    counted = int(not_met) + int(not_applicable)
    points = NUMBER.findall(which)
    if chapter not in WITHOUT:
        assert len(set(points)) == len(points) == counted
    assert all(point.startswith(f"{chapter[1:]}.") for point in points)
