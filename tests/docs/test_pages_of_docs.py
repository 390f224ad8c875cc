"""Links of the documentation lead somewhere, and the files that it names exist."""

import re
from pathlib import Path

import pytest

from tests.support.program import ROOT

TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "messaging/README.md")
PAGES = [
    *(ROOT / name for name in TOP),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FOLDERS = (
    "checkout|messaging|payments_gateway|sandbox|tests|scripts|benchmarks|docs|deployment|templates|examples"
)
FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]+\.\w+)(?:::[\w.\[\]-]+)?`")
# In the diagrams of a page, file names have no backticks.
DRAWN = re.compile(rf"[→⇒←(] ?((?:{FOLDERS})/[\w./-]+\.py)\b")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# Written by `make bench`.
MADE = {"benchmarks/results.json"}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{page.name} leads to {target}"
        if anchor and to.suffix == ".md":
            assert anchor in anchors(to), f"{page.name} leads to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page):
    if page.name == "CHANGELOG.md" or page.parent.name == "decisions":
        return  # history
    text = page.read_text()
    named = {*FILE.findall(text), *DRAWN.findall(text)} - MADE
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
