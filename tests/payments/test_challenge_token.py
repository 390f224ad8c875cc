"""Tokens of challenges: one for each challenge, which cannot be forged without our key."""

import re
from dataclasses import dataclass

from checkout.payments.challenge_token import hash_of, token_for, tokens_for


@dataclass
class Attempt:
    order_code: str = "pay_1-1"
    challenge_count: int = 1


def test_a_token_fits_into_a_path():
    assert re.fullmatch(r"[\w-]{43}", token_for(Attempt()))


def test_every_challenge_of_every_attempt_has_its_own():
    tokens = {token_for(Attempt(code, count)) for code in ("a", "b") for count in (1, 2)}
    assert len(tokens) == 4


def test_an_earlier_challenges_token_is_known_when_there_is_a_later_one():
    assert tokens_for(Attempt(challenge_count=2), 1) == tokens_for(Attempt(challenge_count=1))


def test_a_token_depends_on_the_secret_key(settings):
    before = token_for(Attempt())
    settings.SECRET_KEY = "another key"
    assert token_for(Attempt()) != before


def test_what_is_stored_is_not_the_token():
    token = token_for(Attempt())
    assert hash_of(token) != token
    assert hash_of(token) == hash_of(token_for(Attempt()))


def test_tokens_of_before_a_change_of_the_key_are_known_as_long_as_it_is_kept(settings):
    before = token_for(Attempt())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
    assert tokens_for(Attempt()) == [token_for(Attempt()), before]
    settings.SECRET_KEY_FALLBACKS = []
    assert before not in tokens_for(Attempt())
