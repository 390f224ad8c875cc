"""Notifications that no provider has sent: refused in a way that makes an honest sender try again."""

import pytest

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

DOCTYPE = (
    '<!DOCTYPE paymentService PUBLIC "-//Worldpay//DTD Worldpay PaymentService v1//EN" '
    '"http://dtd.worldpay.com/paymentService_v1.dtd">'
)
START, END = '<paymentService version="1.4" merchantCode="EXAMPLE"><notify>', "</notify></paymentService>"
LAUGHS = "".join(
    f'<!ENTITY l{number} "{10 * f"&l{number - 1};"}">' if number else '<!ENTITY l0 "ha">'
    for number in range(10)
)

MALFORMED = {
    "empty": b"",
    "no XML": b"hello",
    "JSON": b'{"orderCode": "1"}',
    "cut off": f"{DOCTYPE}{START}<orderStatusEvent".encode(),
    "another document": b"<html><body/></html>",
    "nothing in it": f"{START}{END}".encode(),
    "not UTF-8": b'<?xml version="1.0" encoding="UTF-8"?>' + START.encode() + b"\xff\xfe" + END.encode(),
    "unknown encoding": b'<?xml version="1.0" encoding="nonsense"?>' + START.encode() + END.encode(),
    "NUL": START.encode() + b"\0" + END.encode(),
    "billion laughs": f"<!DOCTYPE paymentService [{LAUGHS}]>{START}&l9;{END}".encode(),
    "quadratic": (
        f'<!DOCTYPE paymentService [<!ENTITY a "{20_000 * "a"}">]>{START}{5_000 * "&a;"}{END}'.encode()
    ),
    "a file of ours": (
        f'<!DOCTYPE paymentService [<!ENTITY f SYSTEM "file:///etc/passwd">]>{START}&f;{END}'.encode()
    ),
    "an address of ours": (
        f'<!DOCTYPE paymentService SYSTEM "http://127.0.0.1:9/x.dtd" [<!ENTITY % p SYSTEM '
        f'"http://127.0.0.1:9/p">%p;]>{START}{END}'.encode()
    ),
    "deep": (10_000 * "<a>").encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_notification_that_cannot_be_read_is_not_acknowledged(quiet, body):
    with quiet.unchanged() as wire:
        answer = wire.request(
            "POST", "/notifications/sandbox/", body=body, headers=[("Content-Type", "text/xml")]
        )
    answer.assert_clear(400, as_json=True)
    assert "[OK]" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("account", ["nobody", "x" * 5000, "%00", "sandbox%00", "%FF", "..%2fsandbox"])
def test_an_account_that_is_not_there(quiet, account):
    with quiet.unchanged() as wire:
        answer = wire.request("POST", f"/notifications/{account}/", body=f"{START}{END}".encode())
    answer.assert_clear(404, as_json=True)


def test_a_notification_that_is_too_large(quiet):
    with quiet.unchanged() as wire:
        answer = wire.request("POST", "/notifications/sandbox/", body=b"<" * 65_537)
    answer.assert_clear(413, as_json=True)
