"""Signatures by Standard Webhooks, verified by its public package and, for v1a, by cryptography."""

import json
import time
from base64 import b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from checkout.webhooks.signing import Keys, headers

BODY = json.dumps({"type": "payment.captured", "order": "1 · ü"}, ensure_ascii=False).encode()


@pytest.fixture
def now() -> int:
    """Return the present time, since a webhook is verified only within five minutes."""
    return int(time.time())


def of_kind(kind: str, signed: dict[str, str]) -> list[bytes]:
    signatures = (each.split(",") for each in signed["webhook-signature"].split(" "))
    return [b64decode(signature) for version, signature in signatures if version == kind]


def test_the_public_package_verifies_a_webhook(now):
    keys = Keys.new()
    signed = headers("evt_1", now, BODY, [keys])
    assert Webhook(keys.secret).verify(BODY, signed) == json.loads(BODY)


def test_a_signature_is_of_one_id_and_one_time(now):
    keys = Keys.new()
    signed = headers("evt_1", now, BODY, [keys])
    for change in ({"webhook-id": "evt_2"}, {"webhook-timestamp": str(now + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(keys.secret).verify(BODY, signed | change)


def test_a_signature_is_of_one_body(now):
    keys = Keys.new()
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.secret).verify(BODY + b" ", headers("evt_1", now, BODY, [keys]))


def test_the_public_key_verifies_v1a(now):
    keys = Keys.new()
    (signature,) = of_kind("v1a", headers("evt_1", now, BODY, [keys]))
    public = Ed25519PublicKey.from_public_bytes(b64decode(keys.public_key.removeprefix("whpk_")))
    public.verify(signature, f"evt_1.{now}.".encode() + BODY)
    with pytest.raises(InvalidSignature):
        public.verify(signature, f"evt_1.{now}.".encode() + BODY + b" ")


def test_during_a_rotation_either_secret_verifies(now):
    new, old = Keys.new(), Keys.new()
    signed = headers("evt_1", now, BODY, [new, old])
    for keys in (new, old):
        Webhook(keys.secret).verify(BODY, signed)
    assert len(of_kind("v1", signed)) == len(of_kind("v1a", signed)) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook(Keys.new().secret).verify(BODY, signed)


def test_keys_are_the_same_after_they_have_been_written_and_read(now):
    keys = Keys.new()
    read = Keys.of(keys.secret, keys.private_text)
    assert (read.secret, read.public_key) == (keys.secret, keys.public_key)
    assert headers("evt_1", now, BODY, [read]) == headers("evt_1", now, BODY, [keys])


def test_keys_do_not_show_themselves():
    keys = Keys.new()
    assert keys.secret not in repr(keys)
    assert str(keys.hmac_key) not in repr(keys)
