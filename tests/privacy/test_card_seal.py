"""The card's second seal: the keys that open it, its binding to an attempt, and its loss without the key."""

import time
from base64 import b64decode, b64encode, urlsafe_b64encode

import pytest
import time_machine
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, strategies as st

from checkout.conf import conf
from checkout.conf.card_keys import CardKey
from checkout.errors import (
    CardKeysMisconfigured,
    CardKeyUnknown,
    CardNotSealed,
    CardSealBroken,
    CardSealExpired,
    CardSealRefused,
)
from checkout.privacy.card_seal import open_card, seal_card

OLD, NEW, FOREIGN = (b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
CARD = "eyJhbGciOiJSU0ExXzUifQ.as-the-browser-encrypted-it"
ATTEMPT = "pay_1-1"


@pytest.fixture(autouse=True)
def _production(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_CARD_KEYS = [OLD]


def parts_of(sealed):
    return sealed.split(".")


def with_other_data(sealed, data):
    return ".".join([*parts_of(sealed)[:3], urlsafe_b64encode(data).decode()])


def data_of(sealed):
    return b64decode(parts_of(sealed)[3], altchars=b"-_")


def test_what_web_seals_the_payments_service_opens():
    sealed = seal_card(CARD, ATTEMPT)
    assert open_card(sealed, ATTEMPT) == CARD
    assert open_card(sealed, ATTEMPT) == CARD, "a redelivered message is opened again"


def test_nothing_of_the_card_shows_in_its_seal_and_no_two_seals_are_the_same():
    first, second = seal_card(CARD, ATTEMPT), seal_card(CARD, ATTEMPT)
    assert CARD[:8] not in first
    assert CARD.encode()[:8] not in data_of(first)
    assert data_of(first)[:12] != data_of(second)[:12], "a nonce must never come twice"


def test_a_service_with_other_keys_cannot_open_it(settings):
    sealed = seal_card(CARD, ATTEMPT)
    settings.CHECKOUT_CARD_KEYS = [FOREIGN]
    with pytest.raises(CardKeyUnknown):
        open_card(sealed, ATTEMPT)


def test_a_service_with_other_keys_cannot_make_one_in_the_name_of_ours(settings):
    settings.CHECKOUT_CARD_KEYS = [FOREIGN]
    forged = parts_of(seal_card(CARD, ATTEMPT))
    settings.CHECKOUT_CARD_KEYS = [OLD]
    forged[1] = conf.card_keys[0].name
    with pytest.raises(CardSealBroken):
        open_card(".".join(forged), ATTEMPT)


@pytest.mark.parametrize("attempt", ["pay_1-2", "pay_2-1", "", "pay_1-1 "])
def test_a_card_that_was_sealed_for_another_attempt_is_refused(attempt):
    with pytest.raises(CardSealBroken):
        open_card(seal_card(CARD, ATTEMPT), attempt)


def test_a_seal_expires():
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as traveller:
        sealed = seal_card(CARD, ATTEMPT)
        traveller.shift(conf.card_seconds - 1)
        assert open_card(sealed, ATTEMPT) == CARD
        traveller.shift(1)
        with pytest.raises(CardSealExpired):
            open_card(sealed, ATTEMPT)


def test_nobody_can_put_the_expiry_off():
    with time_machine.travel("2030-01-01 12:00Z", tick=False) as traveller:
        version, name, expiry, data = parts_of(seal_card(CARD, ATTEMPT))
        traveller.shift(2 * conf.card_seconds)
        with pytest.raises(CardSealBroken):
            open_card(".".join([version, name, str(int(expiry) + 86_400), data]), ATTEMPT)


def test_a_key_that_was_dropped_opens_nothing_any_more(settings):
    settings.CHECKOUT_CARD_KEYS = [NEW, OLD]
    kept = seal_card(CARD, ATTEMPT)
    settings.CHECKOUT_CARD_KEYS = [OLD]
    with pytest.raises(CardKeyUnknown):
        open_card(kept, ATTEMPT)
    with pytest.raises(InvalidTag):
        AESGCM(conf.card_keys[0].secret).decrypt(data_of(kept)[:12], data_of(kept)[12:], None)


def test_keys_are_changed_without_losing_a_card(settings):
    before = seal_card(CARD, ATTEMPT)
    settings.CHECKOUT_CARD_KEYS = [OLD, NEW]  # the payments service learns the new key
    assert open_card(before, ATTEMPT) == CARD
    settings.CHECKOUT_CARD_KEYS = [NEW, OLD]  # then web learns the new key, and seals with it
    after = seal_card(CARD, ATTEMPT)
    settings.CHECKOUT_CARD_KEYS = [OLD, NEW]
    assert [open_card(sealed, ATTEMPT) for sealed in (before, after)] == [CARD, CARD]
    settings.CHECKOUT_CARD_KEYS = [NEW]  # the old key is dropped
    assert open_card(after, ATTEMPT) == CARD
    with pytest.raises(CardKeyUnknown):
        open_card(before, ATTEMPT)


def test_a_seal_of_which_any_byte_was_changed_is_refused():
    sealed = seal_card(CARD, ATTEMPT)
    data = data_of(sealed)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(CardSealBroken):
            open_card(with_other_data(sealed, bytes(changed)), ATTEMPT)
    for place in range(len(sealed) - len(parts_of(sealed)[3])):
        with pytest.raises(CardSealRefused):
            open_card(sealed[:place] + "~" + sealed[place + 1 :], ATTEMPT)


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27, 28])
def test_a_seal_that_was_cut_off_is_refused(length):
    sealed = seal_card(CARD, ATTEMPT)
    with pytest.raises(CardSealBroken):
        open_card(with_other_data(sealed, data_of(sealed)[:length]), ATTEMPT)


@pytest.mark.parametrize("unsealed", [CARD, "", ".", "...", "seal2.a.1.b", "seal1x"])
def test_a_card_without_a_second_seal_is_refused(unsealed):
    """Cards that an attacker inserts have no second seal."""
    with pytest.raises(CardNotSealed):
        open_card(unsealed, ATTEMPT)


@given(rest=st.text(), name=st.sampled_from([CardKey.of(b64decode(OLD)).name, "", "other"]))
def test_whatever_comes_is_refused_and_nothing_else_is_raised(rest, name):
    with pytest.raises(CardSealRefused):
        open_card(f"seal1.{name}.{rest}", ATTEMPT)
    with pytest.raises(CardSealRefused):
        open_card(f"seal1.{name}.99999999999.{rest}", ATTEMPT)


def test_the_format_of_the_seal_is_the_one_in_the_message_contract():
    """A payments service in another language must be able to open the seal."""
    key = CardKey.of(b64decode(OLD))
    head = f"seal1.{key.name}.{int(time.time()) + 60}"
    nonce = bytes(range(12))
    data = nonce + AESGCM(b64decode(OLD)).encrypt(nonce, CARD.encode(), f"{head}.{ATTEMPT}".encode())
    assert key.name == "e4784f6a"
    assert open_card(f"{head}.{urlsafe_b64encode(data).decode()}", ATTEMPT) == CARD


@pytest.mark.parametrize("keys", [[], ["swordfish"], [OLD, "swordfish"], [OLD[:-4]], ["é" * 44], [OLD + OLD]])
def test_production_without_proper_keys_is_told_how_to_make_one_and_shown_none(settings, keys):
    settings.CHECKOUT_CARD_KEYS = keys
    with pytest.raises(CardKeysMisconfigured, match="openssl rand -base64 32") as refused:
        seal_card(CARD, ATTEMPT)
    assert "CHECKOUT_CARD_KEYS" in str(refused.value)
    assert "swordfish" not in str(refused.value)
    assert OLD not in str(refused.value)


def test_a_try_out_derives_a_key_that_all_of_its_processes_share(settings):
    settings.CHECKOUT_TRY_OUT = True
    settings.CHECKOUT_CARD_KEYS = []
    settings.SECRET_KEY = "of one installation"
    sealed = seal_card(CARD, ATTEMPT)
    conf.__dict__.clear()  # as in a new process
    assert open_card(sealed, ATTEMPT) == CARD
    settings.SECRET_KEY = "of another"
    with pytest.raises(CardKeyUnknown):
        open_card(sealed, ATTEMPT)


def test_production_derives_none(settings):
    settings.CHECKOUT_CARD_KEYS = []
    with pytest.raises(CardKeysMisconfigured):
        seal_card(CARD, ATTEMPT)


def test_a_key_is_in_no_representation():
    assert OLD not in repr(conf.card_keys)
    assert repr(b64decode(OLD)) not in repr(conf.card_keys)
