"""The documentation as a site: complete, built with every warning as an error, and without the network."""

import json
import re
import shutil
import subprocess

import pytest

from scripts.documentation.pages import CONFIGURATION, DOCS, LLMS, llms, navigation
from scripts.documentation.site import SITE, SOURCE, copy, inside
from tests.support import environment
from tests.support.program import ROOT

LOADED = re.compile(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?([^\s\">]+)|<link\b[^>]*\bhref=\"?([^\s\">]+)")
IMPORTED = re.compile(r"(?:@import\s+|url\(\s*)[\"']?(https?:)?//")


@pytest.mark.docs
@pytest.mark.slow
def test_it_is_built_without_a_warning_and_loads_nothing_from_elsewhere():
    built = subprocess.run(
        [environment.docs_python(), "-m", "scripts.documentation.site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        loaded = {script or link for script, link in LOADED.findall(page.read_text())}
        assert [each for each in loaded if re.match(r"(https?:)?//", each)] == [], page
    for sheet in SITE.rglob("*.css"):
        assert not IMPORTED.search(sheet.read_text()), sheet
    for page in DOCS.rglob("*.md"):
        assert (SITE / page.relative_to(DOCS)).is_file(), "each page is there as Markdown, too"
    assert (SITE / "llms.txt").read_text() == LLMS.read_text()
    found = json.loads((SITE / "search" / "search_index.json").read_text())["docs"]
    later = {each["location"].partition("#")[0] for each in found if each.get("boost", 1) < 1}
    decisions = {each["location"].partition("#")[0] for each in found if "decisions/" in each["location"]}
    assert later == decisions, "a search lists guides first"
    assert len(decisions) > 50


@pytest.mark.docs
@pytest.mark.slow
def test_the_successor_of_the_tool_builds_it_too(tmp_path):
    shutil.copy(CONFIGURATION, tmp_path)
    copy(tmp_path / SOURCE.relative_to(ROOT))
    zensical = [str(environment.docs_python()), "-m", "zensical", "build", "--strict"]
    built = subprocess.run(zensical, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / SITE.relative_to(ROOT) / "quickstart.html").is_file()


def test_every_page_is_in_the_navigation():
    listed = [page for pages in navigation().values() for page in pages]
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_list_for_programs_is_made_from_the_pages():
    assert LLMS.read_text() == llms(), "run: python -m scripts.documentation.pages"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[the Procfile](../Procfile)", "the Procfile (`Procfile`)"),
        ("[README](../README.md#test-it)", "README (`README.md`)"),
        ("[`checkout/risk/messages.py`](../checkout/risk/messages.py)", "`checkout/risk/messages.py`"),
        ("[schemas/](schemas)", "schemas/ (`docs/schemas`)"),
        ("[keys](api.md#keys)", "[keys](api.md#keys)"),
        ("[here](#here) [RFC](https://rfc.example/1)", "[here](#here) [RFC](https://rfc.example/1)"),
        ("![A page](images/checkout.png)", "![A page](images/checkout.png)"),
        ("```\n[code](../code)\n```", "```\n[code](../code)\n```"),
    ],
)
def test_links_that_leave_the_documentation_become_names(written, shown):
    assert inside(written, DOCS / "page.md") == shown
