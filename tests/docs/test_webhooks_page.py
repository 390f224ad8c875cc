"""The page about webhooks: its code runs, and its tables agree with the code."""

import ast
import json
import re
import subprocess
import time
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode

import pytest
from django.test import RequestFactory
from standardwebhooks.webhooks import WebhookVerificationError

from checkout.payments.objects import PaymentStatus
from checkout.payments.objects.payment import FINAL, FINAL_WITHOUT_A_REST
from checkout.webhooks import schedule
from checkout.webhooks.actions import create_endpoint
from checkout.webhooks.models import DeliveryAttempt, WebhookEndpoint
from checkout.webhooks.returns import signed_return
from checkout.webhooks.sending import claims, client
from checkout.webhooks.signing import Keys, headers
from tests.support.pages import block_of, text_of
from tests.support.program import ROOT

PAGE = text_of("docs/webhooks.md")
BODY = json.dumps({"type": "payment.captured", "name": "ü"}, ensure_ascii=False).encode()
PAY_AT = "https://pay.example/checkout/pay_1/"
UNITS = {"s": 1, "min": 60, "h": 3600}


def code(language: str, *words: str) -> str:
    """Return the code block of the page in this language that contains all of these words."""
    return block_of(PAGE, *words, language=language)


def run(source: str, **names: object) -> SimpleNamespace:
    exec(compile(source, "docs/webhooks.md", "exec"), names)  # noqa: S102
    return SimpleNamespace(**names)


def signed(keys: Keys, age: int = 0) -> dict[str, str]:
    return headers("evt_1", int(time.time()) - age, BODY, [Keys.new(), keys])


def test_the_python_verifies():
    verify, keys = run(code("python", "def verify")).verify, Keys.new()
    assert verify(BODY, signed(keys), keys.secret) == json.loads(BODY)
    for body, given in ((BODY + b" ", signed(keys)), (BODY, signed(Keys.new())), (BODY, signed(keys, 400))):
        with pytest.raises(WebhookVerificationError):
            verify(body, given, keys.secret)


def test_the_python_for_the_public_key_verifies():
    is_genuine, keys = run(code("python", "def is_genuine")).is_genuine, Keys.new()
    assert is_genuine(BODY, signed(keys), keys.public_key)
    assert not is_genuine(BODY + b" ", signed(keys), keys.public_key)
    assert not is_genuine(BODY, signed(Keys.new()), keys.public_key)
    # Django and Flask write the names of headers with capitals, and anybody may leave headers out.
    assert is_genuine(BODY, {name.title(): value for name, value in signed(keys).items()}, keys.public_key)
    assert not is_genuine(BODY, {}, keys.public_key)
    assert not is_genuine(BODY, signed(keys) | {"webhook-signature": "v1a,ü v1a,x v1a"}, keys.public_key)


@pytest.mark.django_db
def test_the_python_for_the_return_verifies():
    created = create_endpoint("shop", url="https://shop.example/hooks")
    result: dict[str, str | int] = {
        "payment": "pay_1",
        "order_reference": "W 1&ü",
        "state": "captured",
        "amount": 1250,
    }
    returned, query = run(code("python", "def returned")).returned, signed_return("shop", result)
    given = {"payment": "pay_1", **dict(parse_qsl(urlencode(query)))}
    assert returned(given, created.secret) == {"type": "checkout.return", **result}
    refunded = query["result"].replace("captured", "refunded")
    for changed in ({"payment": "pay_2"}, {"result": refunded}, {"timestamp": "1"}):
        with pytest.raises(WebhookVerificationError):
            returned(given | changed, created.secret)
    with pytest.raises(WebhookVerificationError):
        returned(given, Keys.new().secret)
    WebhookEndpoint.objects.update(state="disabled")
    assert signed_return("shop", result) == {}


@pytest.mark.node
def test_the_javascript_verifies(node, tmp_path):
    (tmp_path / "verify.mjs").write_text(code("javascript", "export function verify"))
    (tmp_path / "try.mjs").write_text(
        'import { verify } from "./verify.mjs";\n'
        "const [body, headers, secret] = JSON.parse(process.argv[2]);\n"
        "try { console.log(JSON.stringify(verify(Buffer.from(body), headers, secret))); }\n"
        "catch (error) { console.log(error.message); }\n"
    )

    def verified(body: bytes, given: dict[str, str], secret: str) -> str:
        arguments = [node, "try.mjs", json.dumps([body.decode(), given, secret])]
        told = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    keys = Keys.new()
    assert json.loads(verified(BODY, signed(keys), keys.secret)) == json.loads(BODY)
    assert verified(BODY + b" ", signed(keys), keys.secret) == "no valid signature"
    assert verified(BODY, signed(Keys.new()), keys.secret) == "no valid signature"
    assert verified(BODY, signed(keys, 400), keys.secret) == "too old, or too new"
    assert verified(BODY, signed(keys) | {"webhook-timestamp": "soon"}, keys.secret) == "too old, or too new"
    assert verified(BODY, {}, keys.secret) == "not a webhook"


def test_the_view_of_django_keeps_genuine_webhooks_only(settings):
    keys, kept = Keys.new(), list[object]()
    settings.WEBHOOK_SECRET = keys.secret
    view = run(code("python", "django"), keep=kept.append).webhook

    def post(given: dict[str, str]) -> int:
        request = RequestFactory().post("/webhooks", BODY, content_type="application/json", headers=given)
        return int(view(request).status_code)

    assert post(signed(keys)) == 204
    assert post(signed(Keys.new())) == 400
    assert kept == [json.loads(BODY)]


def test_the_view_of_flask_is_python_that_reads_raw_bytes():
    """Flask is not among the packages of this project."""
    source = code("python", "flask")
    ast.parse(source)
    assert "request.get_data()" in source


@pytest.mark.node
def test_the_handler_of_express_is_javascript_that_reads_raw_bytes(node, tmp_path):
    """Express is not among the packages of this project."""
    source = code("javascript", "express")
    assert "express.raw(" in source
    (tmp_path / "app.mjs").write_text(source)
    subprocess.run([node, "--check", "app.mjs"], cwd=tmp_path, check=True)


def test_the_code_that_compares_sequences_applies_the_latest_event_once():
    apply, order = run(code("python", "def apply")).apply, dict[str, object]()

    def event(sequence: int, state: str, type: str = "payment.x") -> dict[str, object]:
        return {"type": type, "sequence": sequence, "data": {"object": {"state": state}}}

    assert apply(order, event(3, "captured"))
    assert not apply(order, event(2, "authorised"))
    assert not apply(order, event(3, "captured"))
    assert not apply(order, event(4, "succeeded", "refund.succeeded"))
    assert apply(order, event(5, "refunded"))
    assert order == {"sequence": 5, "state": "refunded"}


def test_return_and_webhook_settle_the_order_once_in_either_order():
    settled = run(code("python", "def settle"))
    assert set(settled.UNPAID) <= set(PaymentStatus)

    order: dict[str, object] = {}
    assert settled.settle(order, payment("processing", 1)) == "being confirmed"
    for state in ("authorised", "capture_pending", "unknown"):
        assert settled.settle({}, payment(state, 2)) == "being confirmed"
    assert settled.settle(order, payment("captured", 3, captured=1250, is_final=True)) == "thank you"
    assert settled.settle(order, payment("processing", 1)) == "thank you"
    assert order == {"version": 3, "pay_at": "", "paid": True, "ship": True}


@pytest.mark.parametrize("state", ["open", "declined"])
def test_a_shopper_who_may_still_pay_is_led_back_to_the_same_payment(state):
    """A second payment could be paid in addition to the first one, which its pages still offer."""
    settle, order = run(code("python", "def settle")).settle, dict[str, object]()
    assert settle(order, payment(state, 2, pay_at=PAY_AT)) == "try again"
    assert order["pay_at"] == PAY_AT
    assert settle(order, payment("processing", 3)) == "being confirmed"
    assert order["pay_at"] == ""
    assert settle(order, payment(state, 2, pay_at=PAY_AT)) == "being confirmed", "that is older"


@pytest.mark.parametrize("state", ["open", "declined", "expired", "cancelled", "voided"])
def test_a_payment_that_nobody_can_pay_any_more_is_not_being_confirmed(state):
    """If all attempts at a payment were declined, the payment is not final for a day."""
    page = run(code("python", "def settle")).settle({}, payment(state, 2, is_final=state in FINAL))
    assert page == "choose another way to pay"


def test_during_a_challenge_the_payment_is_being_confirmed_although_it_has_a_next_action():
    page = run(code("python", "def settle")).settle({}, payment("action_required", 2, pay_at=PAY_AT))
    assert page == "being confirmed"


@pytest.mark.parametrize(
    ("state", "is_final"),
    [
        *((state, state in FINAL) for state in PaymentStatus),
        *((state, True) for state in FINAL_WITHOUT_A_REST),
    ],
)
def test_nobody_pays_again_of_whom_money_was_taken(state, is_final):
    settle = run(code("python", "def settle")).settle
    page = settle({}, payment(state, 5, captured=1250, is_final=is_final))
    assert page == ("being confirmed" if state == "unknown" else "thank you")


@pytest.mark.parametrize(
    ("state", "amounts", "is_shipped"),
    [
        ("captured", {"captured": 1250}, True),
        ("partially_captured", {"captured": 1000}, False),
        ("partially_refunded", {"captured": 1250, "refunded": 250}, False),
        ("refunded", {"captured": 1250, "refunded": 1250}, False),
        ("disputed", {"captured": 1250, "disputed": 1250}, False),
    ],
)
def test_an_order_is_paid_by_what_was_taken_and_shipped_for_what_was_kept(state, amounts, is_shipped):
    settle, order = run(code("python", "def settle")).settle, dict[str, object]()
    assert settle(order, payment(state, 5, is_final=True, **amounts)) == "thank you"
    assert order == {"version": 5, "pay_at": "", "paid": True, "ship": is_shipped}


def payment(state: str, version: int, *, is_final: bool = False, pay_at: str = "", **amounts: int):
    """Return the parts of a payment of 12.50 that the page's code reads."""
    sums = {"captured": 0, "refunded": 0, "disputed": 0, **amounts}
    following = {"type": "redirect", "url": pay_at} if pay_at else None
    told = {"is_final": is_final, "can_retry": state == "declined" and bool(pay_at), "next_action": following}
    return {"state": state, "version": version, "amount": 1250, "amounts": sums, **told}


def seconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * UNITS[unit]


def test_the_schedule_is_that_of_the_code():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, schedule.MOST_TRIES + 1))
    assert [seconds(pause) for _, pause in rows[:-1]] == list(schedule.PAUSES)
    assert rows[-1][1] == "given up"
    assert schedule.JITTER == 0.1


def test_the_limits_are_those_of_the_code():
    def hours(duration: timedelta) -> str:
        return f"{duration / timedelta(hours=1):.0f} h"

    for text in (
        "answers 429, 502 or 504 | nothing is sent to it for "
        f"{schedule.FIRST_THROTTLE_SECONDS:.0f} s, and twice as long each further time, up to "
        f"{schedule.LONGEST_THROTTLE_SECONDS / 60:.0f} min",
        f"at most for {schedule.LONGEST_RETRY_AFTER_SECONDS / 3600:.0f} h",
        f"failed {schedule.FAILURES_TO_OPEN} times in a row",
        f"after {schedule.FIRST_OPEN_SECONDS:.0f} s, and twice as long each further time, up to "
        f"{schedule.LONGEST_OPEN_SECONDS / 60:.0f} min",
        f"failed for {hours(schedule.WARN_AFTER)} without",
        f"failed for {hours(schedule.DISABLE_AFTER)}, and was warned "
        f"{hours(schedule.DISABLE_AFTER_WARNING)} ago",
        f"within {client.ATTEMPT_SECONDS:.0f} seconds",
        f"at most {client.MAX_RESPONSE_BYTES // 1024} kB",
        f"first {DeliveryAttempt.EXCERPT} characters",
    ):
        assert text in PAGE, text
    assert {429, 502, 504} == schedule.THROTTLING
    assert claims.LEASE_SECONDS == 60


def test_every_error_of_the_log_is_explained():
    sources = [(ROOT / f"checkout/webhooks/sending/{name}.py").read_text() for name in ("client", "claims")]
    used = set(re.findall(r'error="(\w+)"', sources[0]))
    used |= set(re.findall(r'"(secret_unreadable|no_secret|no_such_event)"', sources[1]))
    table = PAGE.partition("| error in the log |")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == used
    assert len(used) == 11


@pytest.mark.parametrize("page", ["docs/webhooks.md", "docs/messages.md"])
def test_a_reader_of_events_learns_that_long_ones_have_empty_fields(page):
    """An event of a payment with much metadata has no metadata, and names the field."""
    assert "`data.left_out`" in text_of(page)
