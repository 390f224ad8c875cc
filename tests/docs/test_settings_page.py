"""The page of settings lists all settings, and no others."""

import re

from scripts.settings_page import PAGE, page
from tests.support.program import ROOT


def test_the_page_is_made_from_the_declarations():
    assert PAGE.read_text() == page(), "run: python -m scripts.settings_page"


def test_every_setting_says_what_it_means():
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert all(len(row[2]) > 10 for row in rows)


def test_pages_name_no_environment_variable_that_is_not_in_the_list():
    listed = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", page()))
    pages = [*ROOT.joinpath("docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    prefixed = r"\b(?:CHECKOUT|MESSAGING|SERVING)_[A-Z0-9_]+"
    unknown = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        for name in re.findall(prefixed, page.read_text())
        if name not in listed
    }
    assert not unknown
