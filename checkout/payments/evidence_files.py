"""Files with which a dispute is answered. Their content alone decides their type, not their name.

A file is PDF, PNG or JPEG. It leaves the gateway as a download only, and never as a page of our origin.
"""

import re
from dataclasses import dataclass

_CONTENTS = (
    ("application/pdf", "pdf", b"%PDF-", b"%%EOF"),
    ("image/png", "png", b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    ("image/jpeg", "jpg", b"\xff\xd8\xff", b"\xff\xd9"),
)
ENDINGS = {media_type: ending for media_type, ending, _begin, _end in _CONTENTS}
# Writers of PDF may add some bytes after its last line.
_TAIL_BYTES = 1_024
LONGEST_NAME = 100


class NotEvidence(ValueError):
    """A file that is not accepted. The text says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a file's content."""

    media_type: str
    ending: str


def kind_of(content: bytes, largest: int) -> Kind:
    """Return the type of a whole PDF, PNG or JPEG of at most ``largest`` bytes. Raises ``NotEvidence``."""
    if len(content) > largest:
        raise NotEvidence(f"The file may have at most {largest // 1000} kB.")
    for media_type, ending, begin, end in _CONTENTS:
        if content.startswith(begin) and end in content[-_TAIL_BYTES:]:
            return Kind(media_type, ending)
    raise NotEvidence("The file is not a whole PDF, PNG or JPEG.")


def plain_name(name: str) -> str:
    """Return the last part of a file's name, without characters that have a special meaning elsewhere."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w .()-]", "_", last).strip(" .")[:LONGEST_NAME] or "file"
