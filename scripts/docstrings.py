"""Check how docstrings open: with an imperative, or with a noun phrase that names the thing."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A docstring that opens with one of these words asks a question instead of naming the object or its effect.
RIDDLE = re.compile(r"(?:Wh(?:at|en|ere|ether|ich|o|om|ose|y)(?:ever)?|How(?:ever)?|Nobody)\b")
ADVICE = 'Open with an imperative ("Return", "Wait until") or with a noun phrase ("A reply to a command.").'


def main() -> int:
    found = [
        fault for path in sorted(sources(ROOT)) for fault in faults(path.relative_to(ROOT), path.read_text())
    ]
    if found:
        print(*found, ADVICE, sep="\n")
    return 1 if found else 0


def sources(root: Path) -> Iterator[Path]:
    """Yield the repository's Python files, except those in hidden folders and in `node_modules`."""
    yield from root.glob("*.py")
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            yield from (path for path in folder.rglob("*.py") if "node_modules" not in path.parts)


def faults(path: Path, source: str) -> Iterator[str]:
    """Yield a line for each docstring that opens with a question word, or with "Nobody".

    Every string that is a statement by itself counts, so that descriptions of attributes are checked as well.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if opening := RIDDLE.match(text.lstrip()):
                first_line = text.strip().splitlines()[0]
                yield f'{path}:{node.lineno}: a docstring opens with "{opening[0]}": {first_line}'


if __name__ == "__main__":
    sys.exit(main())
