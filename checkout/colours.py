"""A merchant's colour, changed until it has enough contrast with the background (WCAG 2)."""

from functools import lru_cache

# The backgrounds of pages in light and dark mode, as in tokens.css.
LIGHT, DARK = "#ffffff", "#1a2220"
WHITE, BLACK = "#ffffff", "#000000"
LEAST_CONTRAST = 4.5
_STEPS = 20


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in bytes.fromhex(colour[1:]))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def readable_on(paper: str, colour: str) -> str:
    """Return the colour, made darker or lighter only as much as readable text on ``paper`` needs."""
    away = BLACK if contrast(paper, BLACK) > contrast(paper, WHITE) else WHITE
    steps = (_mixed(colour, away, step / _STEPS) for step in range(_STEPS + 1))
    return next((each for each in steps if contrast(each, paper) >= LEAST_CONTRAST), away)


def _mixed(one: str, other: str, share: float) -> str:
    parts = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in parts).hex()


@lru_cache(maxsize=1000)
def style_of(colour: str) -> str:
    """Return the style sheet that sets the colour of a page; "" without a colour."""
    if not colour:
        return ""
    light, dark = (_values(readable_on(paper, colour)) for paper in (LIGHT, DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _values(accent: str) -> str:
    text = max((WHITE, BLACK), key=lambda each: contrast(each, accent))
    return f"--accent:{accent};--on-accent:{text}"
