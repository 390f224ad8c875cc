"""CSV without texts that a spreadsheet would run as formulas.

A cell that begins with one of ``_FORMULA`` gets an apostrophe before it (OWASP, "CSV Injection"). All cells
are quoted, because a separator within a text would begin another cell. Numbers are not changed.
"""

from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """Return the text in a form that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_line(cells: Iterable[object]) -> str:
    """Return a line of CSV with its line end."""
    safe = (safe_cell(cell) if isinstance(cell, str) else str(cell) for cell in cells)
    quoted = (cell.replace('"', '""') for cell in safe)
    return ",".join(f'"{cell}"' for cell in quoted) + "\r\n"
