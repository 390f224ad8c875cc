"""A proof can be made by the description in docs/messages.md alone, and its example is correct."""

import base64
import hmac
import re
from hashlib import sha256

from django.test import override_settings
from msgspec.structs import replace

from messaging.access.proofs import SALT, is_proven, prove
from messaging.envelope import PROOF, Envelope
from tests.support.program import ROOT

SECTION = (ROOT / "docs" / "messages.md").read_text().partition("## The proof\n")[2].partition("\n## ")[0]
EXAMPLE = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", SECTION, re.MULTILINE))
NAMES = ("`message_id`", "`type`", "`correlation_id`", "`reply_to`", "`subject`", "`deadline`", "body")
PARTS = tuple(EXAMPLE[name] for name in NAMES)


def asked(**others: str) -> Envelope:
    message_id, type, correlation_id, reply_to, subject, deadline, body = PARTS
    fields = {"message_id": message_id, "type": type, "correlation_id": correlation_id, "reply_to": reply_to}
    headers = {"subject": subject, "deadline": int(deadline)}
    return Envelope(body=body.encode(), headers=headers, **(fields | others))


def content_of(*parts: str) -> str:
    """Return the result of the steps 1 and 2 of the description."""
    return ":".join(sha256(part.encode()).hexdigest() for part in parts)


def proof_of(content: str) -> str:
    """Return the result of the steps 3 and 4 of the description."""
    key = sha256(f"messaging.access.proofssigner{EXAMPLE['`SECRET_KEY`']}".encode()).digest()
    assert key.hex() == EXAMPLE["key, in hexadecimal digits"]
    digest = hmac.new(key, content.encode(), sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_another_program_can_make_the_proof_of_the_example():
    content = content_of(*PARTS)
    assert len(content) == 454
    assert content.startswith(EXAMPLE["content, its first 64 digits"])
    assert content.endswith(EXAMPLE["content, its last 64 digits"])
    assert proof_of(content) == EXAMPLE["`proof`"]
    assert len(EXAMPLE["`proof`"]) == 43


def test_the_example_is_the_proof_that_our_programs_make_and_accept():
    with override_settings(SECRET_KEY=EXAMPLE["`SECRET_KEY`"], SECRET_KEY_FALLBACKS=[]):
        assert prove(asked()).headers[PROOF] == EXAMPLE["`proof`"]
        message_id, type, *_, body = PARTS
        unanswered = proof_of(content_of(message_id, type, "", "", "", "", body))
        absent = asked(correlation_id="", reply_to="")
        assert is_proven(replace(absent, headers={PROOF: unanswered}))


def test_the_description_names_the_salt():
    assert f"SHA-256(`{SALT}` + `signer` + `SECRET_KEY`)" in SECTION
