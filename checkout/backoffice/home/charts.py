"""Charts that the server draws as SVG: bar charts, and bars within the rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

# The size of the chart's coordinate system, which the page scales to its width.
HEIGHT, STEP, GAP = 1_000, 100, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a chart: its label, its number, and the text that the table shows for the number."""

    label: str
    value: int
    details: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart over time. ``says`` states its result in a sentence."""

    title: str
    says: str
    bars: Sequence[Bar]
    headers: Sequence[str]

    @property
    def most(self) -> int:
        """The largest value."""
        return max((bar.value for bar in self.bars), default=0)

    @property
    def view_box(self) -> str:
        return f"0 0 {max(1, len(self.bars)) * STEP} {HEIGHT}"

    @property
    def drawn(self) -> list[dict[str, object]]:
        """The position and the size of each bar.

        A value that is not zero has a visible bar, however small it is.
        """
        places = []
        for number, bar in enumerate(self.bars):
            height = max(15, bar.value * HEIGHT // self.most) if bar.value else 0
            place = {"x": number * STEP + GAP // 2, "y": HEIGHT - height, "height": height}
            places.append({**place, "width": STEP - GAP, "bar": bar})
        return places


@dataclass(frozen=True, slots=True)
class Shares:
    """Numbers and their shares of ``of``, drawn as bars within the rows of a table."""

    title: str
    bars: Sequence[Bar]
    of: int
    if_empty: str
    note: str = ""

    @property
    def lines(self) -> list[tuple[Bar, int, str]]:
        """The rows, each with the length of its bar in percent, and its share in words."""
        return [(bar, round(100 * bar.value / self.of), percent(bar.value, self.of)) for bar in self.bars]


def percent(part: int, whole: int) -> str:
    """Return a share in percent; empty if the whole is zero. Only the whole is shown as 100 %."""
    if not whole:
        return ""
    share = f"{100 * part / whole:.1f}"
    if part < whole and share == "100.0":
        share = "99.9"
    return f"{share.removesuffix('.0')} %"
