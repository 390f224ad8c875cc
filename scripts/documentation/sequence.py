"""Draw the sequence diagrams of ``docs/images/``: ``python -m scripts.documentation.sequence``.

Each ``.svg`` is drawn from the ``.txt`` beside it. The first line is the title, and the others are::

    = browser, gateway: Gateway, shop      the parties from left to right, with their names
    browser -> gateway: POST pay/          an arrow
    gateway --> browser: 303               an answer
    gateway: it is held, without a thread  a note beside a party
    ... seconds later                      some time
"""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
COLUMN, MARGIN, HEAD, ROW, FOOT = 210, 100, 92, 40, 20
ARROW = re.compile(r"(\w+) (-->|->) (\w+): (.+)")
NOTE = re.compile(r"(\w+): (.+)")
PAUSE = re.compile(r"\.\.\. (.+)")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2430;text-anchor:middle}"
    ".title{font-size:16px;font-weight:600}.party{font-weight:600}.small{font-style:italic;fill:#55606e}"
    ".box{fill:#e8edf7;stroke:#3f51b5}.life{stroke:#a8b2c1;stroke-dasharray:3 4}"
    ".note{fill:#fff6da;stroke:#d8b64c}.line{stroke:#1c2430;stroke-width:1.4}.answer{stroke-dasharray:6 4}"
)
# Lines of the parties must not cross an arrow's text, so the text has a background.
BEHIND = ' paint-order="stroke" stroke="#fff" stroke-width="3"'


class Unreadable(ValueError):
    """The description cannot be drawn; the text names the line."""


@dataclass(frozen=True, slots=True)
class Parties:
    """The parties of a diagram, from left to right, by their names in the description."""

    names: dict[str, str]

    def x(self, name: str) -> int:
        """Return the horizontal position of a party. Raises ``Unreadable`` for an unknown one."""
        if name not in self.names:
            raise Unreadable(f"no party {name}")
        return MARGIN + list(self.names).index(name) * COLUMN

    @property
    def width(self) -> int:
        """The width of the diagram."""
        return 2 * MARGIN + (len(self.names) - 1) * COLUMN


def drawing(description: str) -> str:
    """Return the SVG of a description. Raises ``Unreadable``."""
    title, parties_line, *lines = [line.strip() for line in description.splitlines() if line.strip()]
    if not parties_line.startswith("= "):
        raise Unreadable(parties_line)
    parties = Parties(dict(_party(each) for each in parties_line[2:].split(", ")))
    height = HEAD + len(lines) * ROW + FOOT
    told = ". ".join([title, *(line.lstrip(". ") for line in lines)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {parties.width} {height}" '
        f'width="{parties.width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc><style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#1c2430"/></marker></defs>',
        f'<rect width="{parties.width}" height="{height}" fill="#fff"/>',
        _text(parties.width // 2, 24, title, "title"),
    ]
    for name, shown in parties.names.items():
        x = parties.x(name)
        parts.append(f'<path class="life" d="M{x} {HEAD - 20}V{height - 8}"/>')
        parts.append(f'<rect class="box" x="{x - 82}" y="{HEAD - 50}" width="164" height="30" rx="4"/>')
        parts.append(_text(x, HEAD - 30, shown, "party"))
    parts += [_row(line, HEAD + number * ROW + 26, parties) for number, line in enumerate(lines)]
    return "\n".join([*parts, "</svg>", ""])


def _party(text: str) -> tuple[str, str]:
    name, _, shown = text.partition(": ")
    return name, shown or name.capitalize()


def _row(line: str, y: int, parties: Parties) -> str:
    if found := ARROW.fullmatch(line):
        start, kind, end, text = found.groups()
        x, to = parties.x(start), parties.x(end)
        tip = to - 4 if to > x else to + 4
        style = "line answer" if kind == "-->" else "line"
        arrow = f'<path class="{style}" d="M{x} {y}H{tip}" marker-end="url(#tip)"/>'
        return f"{arrow}\n{_text((x + to) // 2, y - 8, text, behind=BEHIND)}"
    if found := PAUSE.fullmatch(line):
        return _text(parties.width // 2, y - 4, f"… {found[1]} …", "small", behind=BEHIND)
    if found := NOTE.fullmatch(line):
        x, text = parties.x(found[1]), found[2]
        half = min(len(text) * 7 // 2 + 10, parties.width // 2 - 4)
        # A note at the edge of the diagram is moved inwards.
        middle = max(half + 4, min(x, parties.width - half - 4))
        box = f'<rect class="note" x="{middle - half}" y="{y - 22}" width="{2 * half}" height="26" rx="3"/>'
        return f"{box}\n{_text(middle, y - 4, text)}"
    raise Unreadable(line)


def _text(x: int, y: int, text: str, style: str = "", behind: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{kind}{behind}>{escape(text)}</text>'


def descriptions() -> list[Path]:
    """Return the files from which diagrams are drawn."""
    return sorted(IMAGES.glob("*.txt"))


if __name__ == "__main__":
    for description in descriptions():
        description.with_suffix(".svg").write_text(drawing(description.read_text()))
