"""Unreadable or forged notifications: they are stored for staff, and have no other effect."""

import pytest

from tests.flows.stack.shopping import rows
from tests.support.stack import NOTIFICATIONS

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


def assert_kept_for_staff(quiet, path, body):
    with quiet.unchanged(
        but_for=["payments_providernotification"], alarm="notification needs attention"
    ) as wire:
        answer = wire.request("POST", path, body=body, headers=[("Content-Type", "text/xml")])
    assert (answer.status, answer.text) == (200, "[OK]")
    [(state, reason, text)] = rows(
        quiet.stack, "SELECT state, reason, body FROM payments_providernotification ORDER BY id DESC LIMIT 1"
    )
    assert state == "unreadable"
    assert reason
    assert "root:" not in text


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_notification_that_cannot_be_read_is_kept_for_staff_and_acknowledged(quiet, body):
    assert_kept_for_staff(quiet, NOTIFICATIONS, body)


def test_a_notification_that_is_too_large_to_be_read_is_so_too(quiet):
    assert_kept_for_staff(quiet, NOTIFICATIONS, b"<" * 65_537)


def test_a_hint_that_cannot_be_read_is_so_too(quiet):
    assert_kept_for_staff(quiet, "/notifications/sandbox/", b"from anybody")


def test_a_wrong_secret_is_written_down_nowhere(quiet):
    secret = "not-the-secret-of-the-account"
    web = quiet.stack.programs["web"]
    with quiet.unchanged() as wire:
        for path in (f"/notifications/sandbox/{secret}/", f"/notifications/sandbox/{secret}"):
            answer = wire.request("POST", path, body=f"{START}{END}".encode())
            answer.assert_clear(404, as_json=True)
            assert secret not in answer.text
    assert secret not in web.text()
    assert "/notifications/sandbox/[secret]" in web.text()


@pytest.mark.parametrize("account", ["nobody", "x" * 5000, "%00", "sandbox%00", "%FF", "..%2fsandbox"])
def test_an_account_that_is_not_there(quiet, account):
    with quiet.unchanged() as wire:
        answer = wire.request("POST", f"/notifications/{account}/", body=f"{START}{END}".encode())
    answer.assert_clear(404, as_json=True)


def test_a_notification_that_is_larger_than_any_request_may_be(quiet):
    with quiet.unchanged() as wire:
        answer = wire.request("POST", NOTIFICATIONS, body=b"<" * 300_000)
    answer.assert_clear(413, as_json=True)
