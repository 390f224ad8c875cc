"""The pages in the order of ``mkdocs.yml``, and ``docs/llms.txt``, a list of them for language models.

``python -m scripts.documentation.pages`` writes it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
CONFIGURATION = ROOT / "mkdocs.yml"
LLMS = DOCS / "llms.txt"
# The first page of this section lists the others.
COLLECTED = "Decisions"
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
SENTENCE = re.compile(r".*?\.(?=\s|$)", re.DOTALL)


def navigation() -> dict[str, list[str]]:
    """Return the pages of each section, in the order in which to read them."""
    nav: list[dict[str, list[str]]] = configuration()["nav"]
    return {name: pages for section in nav for name, pages in section.items()}


def configuration() -> dict[str, Any]:
    """Return the content of ``mkdocs.yml``."""
    loaded: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    return loaded


def llms() -> str:
    """Return the text of ``llms.txt``, in the form of llmstxt.org."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    _title, summary = _head(DOCS / "index.md")
    yield f"# {configuration()['site_name']}"
    yield f"\n> {summary}"
    for section, pages in navigation().items():
        yield f"\n## {section}\n"
        for page in pages[:1] if section == COLLECTED else pages:
            title, begins = _head(DOCS / page)
            yield f"- [{title}]({page}): {begins}" if begins else f"- [{title}]({page})"
    yield "\n## For programs\n"
    yield "- [OpenAPI](openapi.yaml): the REST API"
    yield "- [AsyncAPI](asyncapi.yaml): the messages, events included"


def _head(page: Path) -> tuple[str, str]:
    """Return the title of a page and its first sentence without links; "" if there is none."""
    title, _, rest = CODE.sub("", page.read_text()).partition("\n")
    first = rest.partition("\n#")[0].strip().partition("\n\n")[0]
    if first.startswith("|"):
        first = ""
    sentence = SENTENCE.match(first)
    text = LINK.sub(r"\1", sentence[0] if sentence else first)
    return title.removeprefix("# "), " ".join(text.split()).removesuffix(":")


if __name__ == "__main__":
    LLMS.write_text(llms())
