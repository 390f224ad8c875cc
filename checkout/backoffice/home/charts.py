"""Charts that the server draws as SVG: a row of bars, and bars in the lines of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

# Coordinates within a chart, which the page stretches to its room.
HEIGHT, STEP, GAP = 1_000, 100, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a chart: its label, its number, and what the table says beside the number."""

    label: str
    value: int
    details: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A row of bars over time. ``says`` is its result in a sentence."""

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
        """The place and the size of each bar. A value that is not zero can be seen, however small it is."""
        places = []
        for number, bar in enumerate(self.bars):
            height = max(15, bar.value * HEIGHT // self.most) if bar.value else 0
            place = {"x": number * STEP + GAP // 2, "y": HEIGHT - height, "height": height}
            places.append({**place, "width": STEP - GAP, "bar": bar})
        return places


@dataclass(frozen=True, slots=True)
class Shares:
    """Numbers, each with its share of ``of``, drawn as bars in the lines of a table."""

    title: str
    bars: Sequence[Bar]
    of: int
    if_empty: str
    note: str = ""

    @property
    def lines(self) -> list[tuple[Bar, int, str]]:
        """The bars, each with the length of the bar in percent, and its share in words."""
        return [(bar, round(100 * bar.value / self.of), percent(bar.value, self.of)) for bar in self.bars]


def percent(part: int, whole: int) -> str:
    """Return a share in percent; empty if the whole is zero. Only a complete share is shown as 100 %."""
    if not whole:
        return ""
    share = f"{100 * part / whole:.1f}"
    if part < whole and share == "100.0":
        share = "99.9"
    return f"{share.removesuffix('.0')} %"
