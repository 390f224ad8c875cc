"""The output of sub-commands: at most 80 columns wide, or one JSON object."""

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

WIDTH = 80


class Output(Protocol):
    """A stream that Django's commands write lines to."""

    def write(self, text: str) -> Any: ...

    def flush(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the installation. ``advice`` is the action to take, and is empty if none is needed."""

    area: str
    text: str
    advice: str = ""

    @property
    def is_ok(self) -> bool:
        """True if no action is needed."""
        return not self.advice


def write_findings(out: Output, findings: Sequence[Finding], *, as_json: bool) -> int:
    """Write the findings. Return the exit code: 0 if none needs an action, otherwise 1."""
    wrong = [finding for finding in findings if not finding.is_ok]
    if as_json:
        rows = [{**asdict(finding), "ok": finding.is_ok} for finding in findings]
        write_json(out, {"ok": not wrong, "findings": rows})
        return 1 if wrong else 0
    for finding in findings:
        word = "ok" if finding.is_ok else "WRONG"
        write_wrapped(out, f"{word:<5}  {finding.area:<9}  ", finding.text)
        if finding.advice:
            write_wrapped(out, f"{'':<16}→ ", finding.advice)
    out.write(f"\n{len(wrong)} of {len(findings)} need attention." if wrong else "\nAll is well.")
    return 1 if wrong else 0


def write_wrapped(out: Output, head: str, text: str) -> None:
    """Write a text after a head. Indent further lines to the beginning of the text, and break no word."""
    lines = textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines or [head.rstrip()]:
        out.write(line)


def write_json(out: Output, value: Any) -> None:
    """Write one JSON object."""
    out.write(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def write_table(out: Output, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write columns as wide as their longest cell. The last column is cut, so that each line fits."""
    every = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(head) - 1)]
    for row in every:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, row[-1]]).rstrip()
        out.write(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…")
