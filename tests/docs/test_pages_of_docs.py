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
CODE_SUFFIXES = {".py", ".html", ".txt", ".mjs", ".js", ".conf", ".service", ".toml", ".sh"}
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# A page that the code names, in a message, a template or a comment.
NAMED = re.compile(r"\bdocs/([\w/-]+\.md)(?:#([\w-]+))?")
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


def test_every_page_that_code_names_exists_with_its_section():
    named = {
        (path.relative_to(ROOT), page, anchor)
        for folder in FOLDERS.split("|")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in CODE_SUFFIXES and "node_modules" not in path.parts
        for page, anchor in NAMED.findall(path.read_text())
    }
    assert len(named) > 50
    wrong = [
        each
        for each in named
        if not (to := ROOT / "docs" / each[1]).exists() or (each[2] and each[2] not in anchors(to))
    ]
    assert not wrong
