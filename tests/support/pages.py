"""Code in pages of the documentation, for the tests that run it."""

import re
from pathlib import Path

from tests.support.program import ROOT


def text_of(path: str) -> str:
    """Return the text of a page, such as `docs/api.md`."""
    return (ROOT / path).read_text()


def section_of(page: str, heading: str) -> str:
    """Return the section under this heading of the second level, up to the next one."""
    [_, text] = re.split(rf"^## {re.escape(heading)}$", page, flags=re.MULTILINE)
    return str(text.partition("\n## ")[0])


def blocks_of(page: str | Path, language: str = r"\w*") -> list[str]:
    """Return the fenced code blocks of a text or a file, in this language or in any."""
    text = page if isinstance(page, str) else page.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block_of(page: str, *words: str, language: str = r"\w*", opening: str = "") -> str:
    """Return the only code block that begins with ``opening`` and contains all of these words."""
    [found] = [
        block
        for block in blocks_of(page, language)
        if block.startswith(opening) and all(word in block for word in words)
    ]
    return found
