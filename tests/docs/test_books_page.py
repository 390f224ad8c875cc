"""The page about the comparison's tables has the same rows as the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/books.md"
ROOM = ROOT / "checkout/payments/books"
ROW = r"[A-Z]\d+[a-z]?"


def test_each_row_that_a_verdict_names_is_on_the_page():
    page = set(re.findall(ROW, PAGE.read_text()))
    named = {row for file in ROOM.glob("*.py") for row in re.findall(rf'"({ROW})"', file.read_text())}
    assert len(named) > 30
    assert not named - page


def test_each_module_of_the_room_is_on_the_page():
    text = PAGE.read_text().replace("compare_*.py", "compare_")
    modules = [file.name for file in ROOM.glob("[a-z]*.py")]
    assert not [name for name in modules if name not in text and not name.startswith("compare_")]
