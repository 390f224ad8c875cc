"""The card encryption script, run by Node and opened by the sandbox's own key."""

import json
import subprocess

import pytest

from sandbox.bank.cards import CardKey
from sandbox.home import STATIC

pytestmark = pytest.mark.node

CARD = {
    "cardHolderName": "Zoë Łęcka",
    "cardNumber": "4444333322221111",
    "cvc": "123",
    "expiryMonth": "01",
    "expiryYear": "2039",
}
PROGRAM = """
require(process.argv[1]);
const [key, card] = JSON.parse(process.argv[2]);
Worldpay.setPublicKey(key);
let codes = null;
const sealed = Worldpay.encrypt(card, (found) => { codes = found; });
console.log(JSON.stringify({ sealed, codes }));
"""


def _run(node: str, key: str, card: dict[str, str]) -> dict[str, str | list[int] | None]:
    script = str(STATIC / "worldpay-cse.js")
    arguments = [node, "-e", PROGRAM, script, json.dumps([key, card])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=30)
    return json.loads(done.stdout)


@pytest.mark.parametrize("cvc", ["", "123", "1234"])
@pytest.mark.parametrize("name_length", [1, 15, 34])
def test_what_the_script_seals_the_sandbox_opens(node, key_file, cvc, name_length):
    holder = ("Zoë Łęcka " * 4)[:name_length].strip()
    key = CardKey(key_file)
    result = _run(node, key.public, {**CARD, "cvc": cvc, "cardHolderName": holder})
    card = key.open(str(result["sealed"]))
    assert (card.number, card.holder, card.has_cvc) == ("4444333322221111", holder, bool(cvc))
    assert (card.expiry_month, card.expiry_year) == (1, 2039)
    assert result["codes"] is None


def test_the_same_card_is_never_sealed_twice_alike(node, key_file):
    key = CardKey(key_file).public
    assert _run(node, key, CARD)["sealed"] != _run(node, key, CARD)["sealed"]


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"cardNumber": ""}, [101]),
        ({"cardNumber": "4444 3333 2222 1111"}, [102]),
        ({"cardNumber": "4444333322221112"}, [103]),
        ({"cvc": "12"}, [201]),
        ({"expiryMonth": ""}, [301]),
        ({"expiryMonth": "1"}, [302]),
        ({"expiryMonth": "13"}, [303]),
        ({"expiryYear": ""}, [304]),
        ({"expiryYear": "39"}, [305]),
        ({"expiryYear": "2020"}, [306]),
        ({"cardHolderName": " "}, [401]),
        ({"cardHolderName": "x" * 35}, [402]),
        (
            {"cardNumber": "", "cvc": "x", "cardHolderName": "", "expiryMonth": "", "expiryYear": ""},
            [101, 201, 401, 301, 304],
        ),
    ],
)
def test_faulty_cards_are_refused_with_the_providers_codes(node, key_file, change, codes):
    result = _run(node, CardKey(key_file).public, {**CARD, **change})
    assert result == {"sealed": None, "codes": codes}


@pytest.mark.parametrize("key", ["", "1#10001", "1#10001#xyz", "1#2#3#4"])
def test_a_malformed_public_key_is_an_error(node, key):
    with pytest.raises(subprocess.CalledProcessError) as failure:
        _run(node, key, CARD)
    assert "Malformed public key" in failure.value.stderr
