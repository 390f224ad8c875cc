"""Texts in XML, in any form that somebody may have written."""

from typing import Any
from xml.sax.saxutils import escape

from hypothesis import strategies as st

# Marks that a scrubber of text could take for the beginning of a secret, besides letters of any kind.
_MARKS = st.sampled_from(
    [
        'pan="',
        "token='",
        'password: "',
        "cvc=",
        "Authorization:",
        "eyJ",
        "://a:b@",
        "<cvc>",
        "</token>",
        "'",
        '"',
    ]
)


def escaped(text: str) -> str:
    """Return the text as it is written in an element or attribute."""
    return escape(text, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def xml_texts(marks: st.SearchStrategy[str] = _MARKS) -> Any:
    """Return a strategy of texts that XML can contain, with many of the marks."""
    letters = st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"])
    return st.lists(marks | st.text(letters, max_size=8), max_size=8).map("".join)
