"""A proof shows that a program with the secret key has written exactly this message."""

from typing import Any

import pytest
from django.test import override_settings
from msgspec.structs import replace

from messaging.access.proofs import is_proven, prove
from messaging.envelope import PROOF, Envelope

ASKED = prove(
    Envelope(
        type="greet",
        body=b'{"name": "you"}',
        correlation_id="7",
        reply_to="a.replies.b",
        headers={"subject": "a greeting", "deadline": 7},
    )
)


def test_a_proof_belongs_to_its_message():
    assert is_proven(ASKED)
    assert not is_proven(replace(ASKED, headers={}))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "insult"},
        {"body": b'{"name": "me"}'},
        {"correlation_id": "8"},
        {"message_id": "another"},
        {"reply_to": "a.replies.c"},
        {"type": "greet:", "correlation_id": ""},
        pytest.param({"headers": {**ASKED.headers, "subject": "another"}}, id="subject"),
        pytest.param({"headers": {**ASKED.headers, "deadline": 8}}, id="deadline"),
        pytest.param(
            {"headers": {name: value for name, value in ASKED.headers.items() if name != "deadline"}},
            id="no deadline",
        ),
    ],
    ids=str,
)
def test_a_proof_proves_no_other_message(change: dict[str, Any]):
    assert not is_proven(replace(ASKED, **change))


@pytest.mark.parametrize(
    "proof",
    ["", "x", True, 7, "\N{SNOWMAN}", pytest.param(f"{ASKED.headers[PROOF]}:", id="longer")],
)
def test_something_else_is_no_proof(proof: str | int | bool):
    assert not is_proven(replace(ASKED, headers={**ASKED.headers, PROOF: proof}))


def test_another_key_proves_nothing_and_an_earlier_one_still_does(settings):
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[]):
        assert not is_proven(ASKED)
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert is_proven(ASKED)


KEYS = {"old": "the old key of the installation", "new": "the new key of the installation"}


@pytest.mark.parametrize(("writer", "reader"), [("old", "new"), ("new", "old")])
def test_while_a_key_is_replaced_processes_believe_those_of_the_other_key_if_they_know_it(
    writer: str, reader: str
):
    """In the first round the new key is a fallback, in the second the old one is."""
    with override_settings(SECRET_KEY=KEYS[writer], SECRET_KEY_FALLBACKS=[KEYS[reader]]):
        asked = prove(replace(ASKED, headers={}))
    with override_settings(SECRET_KEY=KEYS[reader], SECRET_KEY_FALLBACKS=[KEYS[writer]]):
        assert is_proven(asked)
    with override_settings(SECRET_KEY=KEYS[reader], SECRET_KEY_FALLBACKS=[]):
        assert not is_proven(asked)


def test_a_message_that_is_caused_does_not_inherit_the_proof():
    assert PROOF not in ASKED.travelling_headers()
