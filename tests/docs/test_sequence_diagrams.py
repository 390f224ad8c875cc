"""Sequence diagrams are drawn from text, and agree with the gateway."""

import re
from xml.etree import ElementTree

import pytest

from checkout.payments.event_feed import EVENT_TYPES
from checkout.tryout.scenarios import SCENARIOS
from scripts.documentation.sequence import Unreadable, descriptions, drawing
from tests.support.program import ROOT

PAGE = (ROOT / "docs/three-d-secure.md").read_text()
SVG = "{http://www.w3.org/2000/svg}"
HEAD = "A title\n= browser, gateway: Gateway (web)\n"


@pytest.mark.parametrize("description", descriptions(), ids=lambda path: path.stem)
def test_a_diagram_is_drawn_from_its_text_and_shown(description):
    text = description.read_text()
    drawn = description.with_suffix(".svg").read_text()
    assert drawn == drawing(text), "run: python -m scripts.documentation.sequence"
    assert f"(images/{description.stem}.svg)" in PAGE
    events = re.findall(r"\b(?:payment|attempt)\.[a-z_]+\b", text)
    assert set(events) <= set(EVENT_TYPES)


def test_the_scenarios_that_the_page_names_exist():
    named = set(re.findall(r"--scenario (\w+)", PAGE))
    assert named
    assert named <= set(SCENARIOS)


def test_parties_arrows_answers_notes_and_pauses_are_drawn():
    image = ElementTree.fromstring(  # noqa: S314  our own text
        drawing(HEAD + "browser -> gateway: a < b\ngateway --> browser: c\n... later\ngateway: held\n")
    )
    texts = [element.text for element in image.iter(f"{SVG}text")]
    assert texts == ["A title", "Browser", "Gateway (web)", "a < b", "c", "… later …", "held"]
    lines = [str(each.get("d")) for each in image.iter(f"{SVG}path") if each.get("marker-end")]
    starts_and_ends = [tuple(map(int, re.fullmatch(r"M(\d+) \d+H(\d+)", line).groups())) for line in lines]
    (there, back) = starts_and_ends
    assert there[0] < there[1]
    assert back[0] > back[1]


@pytest.mark.parametrize("line", ["browser -> nobody: x", "nobody: x", "browser gateway"])
def test_what_cannot_be_drawn_is_refused(line):
    with pytest.raises(Unreadable):
        drawing(HEAD + line)
