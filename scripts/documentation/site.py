"""Build the site of ``mkdocs.yml``: ``python -m scripts.documentation.site``.

It runs in the environment ``.venv-docs``, which no other program needs.

Links from ``docs/`` to code have no target in the site, so it is built from a copy that names the files
instead.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.documentation.pages import DOCS, ROOT, configuration

SOURCE, SITE = (ROOT / configuration()[name] for name in ("docs_dir", "site_dir"))
# Readers search for how something is done, and seldom for why it was once decided.
LATER_IN_SEARCH = "---\nsearch:\n  boost: 0.1\n---\n"
BLOCK = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def build() -> int:
    """Copy, build with every warning as an error, and put the Markdown of each page beside its HTML."""
    copy(SOURCE)
    # Not --quiet, which hides warnings from --strict, so that no error would be found.
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    # The notice is about the next release of the tool, not about this site.
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    code = subprocess.run(mkdocs, cwd=ROOT, env=environment, check=False).returncode
    if code == 0:
        for page in SOURCE.rglob("*.md"):
            shutil.copy(page, SITE / page.relative_to(SOURCE))
        print(f"The site is in {SITE.relative_to(ROOT)}/")
    return code


def copy(to: Path) -> None:
    """Copy ``docs/`` to a folder and replace links that leave it. Decisions rank lowest in a search."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(DOCS, to)
    for page in to.rglob("*.md"):
        text = inside(page.read_text(), DOCS / page.relative_to(to))
        page.write_text(LATER_IN_SEARCH + text if page.is_relative_to(to / "decisions") else text)


def inside(text: str, page: Path) -> str:
    """Return the text of a page. Links to files or folders that are no pages become names."""
    parts = BLOCK.split(text)
    return "".join(part if part.startswith("```") else _without(part, page.parent) for part in parts)


def _without(text: str, folder: Path) -> str:
    def replaced(link: re.Match[str]) -> str:
        label, target = link[1], link[2].partition("#")[0]
        to = (folder / target).resolve()
        if not target or ":" in target or (to.is_relative_to(DOCS) and not to.is_dir()):
            return link[0]
        name = str(to.relative_to(ROOT))
        return label if label.strip("`").rstrip("/") == name else f"{label} (`{name}`)"

    return LINK.sub(replaced, text)


if __name__ == "__main__":
    sys.exit(build())
