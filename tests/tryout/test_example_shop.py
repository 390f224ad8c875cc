"""The example shop beside a demonstration: a merchant's program that knows the API and webhooks only."""

import os
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
import requests

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.management.commands.load_example import EXAMPLE_SHOP
from checkout.tryout.purchase import play
from checkout.tryout.scenarios import SCENARIOS
from scripts.services.process import free_port
from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until
from tests.tryout.running_demo import manage

FOLDER = ROOT / "examples/shop"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def shop(demo, tmp_path_factory):
    """The shop on its own port. Staff have registered its origin."""
    folder, port = tmp_path_factory.mktemp("shop"), free_port()
    url = f"http://localhost:{port}"
    code = (
        "from checkout.payments.models import Merchant\n"
        f"Merchant.objects.filter(code='example').update(return_origins=['{demo.url}', '{url}'])"
    )
    database = {"DATABASE_URL": f"sqlite:///{demo.folder / 'gateway.sqlite3'}", "BROKER_URL": "memory://"}
    assert manage("shell", "--command", code, environment={**os.environ, **database}).returncode == 0
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_API": f"{demo.url}/api/v1",
        "GATEWAY_KEY": TRY_OUT_API_KEY,
        "SHOP_PORT": str(port),
        "SHOP_DATABASE": str(folder / "shop.sqlite3"),
    }
    program = Program(
        "shop", [sys.executable, str(FOLDER / "shop.py")], log=folder / "log", environment=environment
    )
    program.start()
    try:
        program.wait_for_line(f"The shop is at {url}/", seconds=60)
        # The web process may have cached the merchant without the origin for a second.
        wait_until(lambda: order_at(url, "tea").status_code == 303, "a gateway that knows the shop's origin")
        yield SimpleNamespace(url=url, program=program, database=folder / "shop.sqlite3")
    finally:
        program.terminate()


def order_at(url: str, sku: str) -> requests.Response:
    """Order an item at the shop, and return its answer."""
    return requests.post(f"{url}/orders", {"sku": sku}, allow_redirects=False, timeout=20)


def ordered(shop, sku: str = "tea") -> str:
    """Order an item, and return the payment to which the shop sends the browser."""
    answer = order_at(shop.url, sku)
    assert answer.status_code == 303, answer.text
    (reference,) = re.findall(r"/checkout/(pay_[0-9a-f]{32})/$", answer.headers["location"])
    return str(reference)


def order_of(database: Path, payment: str) -> dict[str, object]:
    """Return the shop's order of a payment."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM orders WHERE payment = ?", (payment,)).fetchone())


def replaced(shop, payment: str) -> str:
    """Choose to pay in another way, and return the payment to which the shop sends the browser."""
    answer = requests.post(
        f"{shop.url}/replacements", {"payment": payment}, allow_redirects=False, timeout=20
    )
    assert answer.status_code == 303, answer.text
    (reference,) = re.findall(r"/checkout/(pay_[0-9a-f]{32})/$", answer.headers["location"])
    return str(reference)


def state_at(demo, payment: str) -> str:
    """Return the state of a payment at the gateway."""
    headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}"}
    read = requests.get(f"{demo.url}/api/v1/payments/{payment}", headers=headers, timeout=20)
    return str(read.json()["state"])


def return_address(demo, payment: str) -> requests.Response:
    """Follow the way back to the shop: from the result through the gateway, otherwise from the card form."""
    result = requests.get(f"{demo.url}/checkout/{payment}/result/", timeout=20).text
    (link,) = re.findall(r'href="([^"]*/return(?:/|\?[^"]*))"', result)
    return requests.get(urljoin(demo.url, link), timeout=20)


def test_a_webhook_pays_the_order_of_a_shopper_who_never_comes_back(demo, shop):
    payment = ordered(shop)
    assert play(SCENARIOS["challenge"], demo.url, payment).is_as_expected
    wait_until(lambda: order_of(shop.database, payment)["state"] == "captured", "the webhook")
    assert order_of(shop.database, payment)["shipments"] == 1
    page = return_address(demo, payment)
    assert "<h1>Thank you</h1>" in page.text
    assert order_of(shop.database, payment)["shipments"] == 1, "the return ships nothing again"


def test_a_shopper_whose_card_is_refused_is_led_back_to_the_same_payment(demo, shop):
    payment = ordered(shop, "mug")
    assert play(SCENARIOS["refused"], demo.url, payment).is_as_expected
    page = return_address(demo, payment).text
    assert "<h1>You have not paid yet</h1>" in page
    assert f'<a href="{demo.url}/checkout/{payment}/">Try again</a>' in page
    assert order_of(shop.database, payment)["shipments"] == 0
    assert play(SCENARIOS["frictionless"], demo.url, payment).is_as_expected
    assert "<h1>Thank you</h1>" in return_address(demo, payment).text


def test_a_shopper_who_pays_in_another_way_cannot_pay_twice(demo, shop):
    payment = ordered(shop, "mug")
    assert play(SCENARIOS["refused"], demo.url, payment).is_as_expected
    assert "Pay in another way" in return_address(demo, payment).text
    another = replaced(shop, payment)
    assert another != payment
    assert state_at(demo, payment) == "cancelled"
    assert replaced(shop, payment) == another, "after a double click"
    assert play(SCENARIOS["frictionless"], demo.url, another).is_as_expected
    late = requests.post(f"{shop.url}/replacements", {"payment": payment}, allow_redirects=False, timeout=20)
    assert (late.status_code, "<h1>Thank you</h1>" in late.text) == (200, True), "it is paid"
    assert state_at(demo, another) == "captured"


def test_a_shopper_who_is_just_paying_gets_no_second_payment(demo, shop):
    payment = ordered(shop)
    assert play(SCENARIOS["challenge_abandoned"], demo.url, payment).is_as_expected
    page = requests.post(f"{shop.url}/replacements", {"payment": payment}, allow_redirects=False, timeout=20)
    assert (page.status_code, "<h1>Your payment is being confirmed</h1>" in page.text) == (200, True)
    assert "Pay in another way" not in page.text
    assert order_of(shop.database, payment)["replaced_by"] == ""
    assert requests.post(f"{shop.url}/replacements", {"payment": "pay_1"}, timeout=20).status_code == 404


def test_the_way_back_from_the_card_form_leads_to_the_order(demo, shop):
    payment = ordered(shop)
    form = requests.get(f"{demo.url}/checkout/{payment}/", timeout=20).text
    (link,) = re.findall(r'href="([^"]*/return\?[^"]*)"', form)
    assert "<h1>You have not paid yet</h1>" in requests.get(link, timeout=20).text


def test_during_a_challenge_the_payment_is_being_confirmed(demo, shop):
    payment = ordered(shop)
    assert play(SCENARIOS["challenge_abandoned"], demo.url, payment).is_as_expected
    page = requests.get(f"{shop.url}/return", {"payment": payment}, timeout=20)
    assert "<h1>Your payment is being confirmed</h1>" in page.text


def test_a_repeated_creation_returns_the_payment_as_it_is_now(demo):
    gateway = run_path(str(FOLDER / "gateway.py"))["Gateway"](f"{demo.url}/api/v1", TRY_OUT_API_KEY)
    wanted = {"amount": 1250, "currency": "GBP", "description": "Tea"}
    payment = gateway.create_payment("S-repeated", **wanted)
    assert gateway.close(payment["id"])["state"] == "cancelled"
    again = gateway.create_payment("S-repeated", **wanted)
    assert (again["id"], again["state"]) == (payment["id"], "cancelled")


def test_forged_news_change_nothing(shop):
    payment = ordered(shop)
    before = order_of(shop.database, payment)
    forged = {"webhook-id": "evt_1", "webhook-timestamp": "1795859999", "webhook-signature": "v1,x"}
    assert requests.post(f"{shop.url}/webhooks", b"{}", headers=forged, timeout=20).status_code == 400
    typed = requests.get(f"{shop.url}/return", {"payment": payment, "state": "captured"}, timeout=20)
    assert "Thank you" not in typed.text
    assert requests.get(f"{shop.url}/return?payment=pay_1", timeout=20).status_code == 404
    after = order_of(shop.database, payment)
    assert (after["is_paid"], after["shipments"]) == (before["is_paid"], before["shipments"]) == (0, 0)


@pytest.mark.parametrize("hours", [0, 2])
def test_a_start_that_ends_before_the_secret_is_kept_leaves_one_registration(
    demo, tmp_path, monkeypatch, hours
):
    hooks = f"http://127.0.0.1:{free_port()}/webhooks"
    for name, value in {
        "GATEWAY_API": f"{demo.url}/api/v1",
        "GATEWAY_KEY": TRY_OUT_API_KEY,
        "SHOP_DATABASE": str(tmp_path / "shop.sqlite3"),
        "SHOP_WEBHOOK_URL": hooks,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(FOLDER))
    program = run_path(str(FOLDER / "shop.py"))
    keep = program["orders"].keep_secret

    def keep_until_the_end(name: str, value: str) -> None:
        if name == hooks:
            raise KeyboardInterrupt
        keep(name, value)

    program["orders"].keep_secret = keep_until_the_end
    with pytest.raises(KeyboardInterrupt):
        program["webhook_secret"]()
    program["orders"].keep_secret = keep
    code = (
        "from datetime import timedelta\nfrom django.db.models import F\n"
        "from checkout.api.models import IdempotencyRecord\n"
        f"IdempotencyRecord.objects.update(created_at=F('created_at') - timedelta(hours={hours}))"
    )
    database = {"DATABASE_URL": f"sqlite:///{demo.folder / 'gateway.sqlite3'}", "BROKER_URL": "memory://"}
    assert manage("shell", "--command", code, environment={**os.environ, **database}).returncode == 0
    secret = program["webhook_secret"]()
    assert secret.startswith("whsec_")
    assert program["webhook_secret"]() == secret
    answer = requests.get(
        f"{demo.url}/api/v1/webhook-endpoints",
        headers={"Authorization": f"Bearer {TRY_OUT_API_KEY}"},
        timeout=20,
    )
    assert [each["url"] for each in answer.json()["data"]].count(hooks) == 1, "each event is sent once"


def test_a_registration_that_staff_have_deleted_does_not_stop_the_next_start(demo):
    gateway = run_path(str(FOLDER / "gateway.py"))["Gateway"](f"{demo.url}/api/v1", TRY_OUT_API_KEY)
    hooks = f"http://127.0.0.1:{free_port()}/webhooks"
    registered = gateway.add_webhook(hooks, key="shop-registered-once")
    for _ in range(2):
        gateway.remove_webhook(registered["id"])
    assert gateway.add_webhook(hooks, key="shop-registered-once")["secret"] is None


@pytest.mark.parametrize("sent_at", ["", "soon", "9" * 400, "9" * 5000])
def test_a_time_that_is_none_makes_a_webhook_false_and_no_error(sent_at):
    is_genuine = run_path(str(FOLDER / "gateway.py"))["is_genuine"]
    given = {"webhook-id": "evt_1", "webhook-timestamp": sent_at, "webhook-signature": "v1,x"}
    assert is_genuine(given, b"{}", "whsec_AAAA") is False


def test_an_address_without_a_payment_shows_no_order_whose_payment_is_not_known_yet(tmp_path):
    orders = SimpleNamespace(**run_path(str(FOLDER / "orders.py"))).Orders(str(tmp_path / "shop.sqlite3"))
    orders.add("Tea", 1250, "GBP")
    with pytest.raises(KeyError):
        orders.by("payment", "")


def test_whichever_news_come_second_or_again_change_nothing(tmp_path):
    orders = SimpleNamespace(**run_path(str(FOLDER / "orders.py"))).Orders(str(tmp_path / "shop.sqlite3"))
    order = orders.add("Tea", 1250, "GBP")

    def settled(state: str, version: int, captured: int = 0, **changes: object) -> tuple[str, bool, int]:
        payment = {"id": "pay_1", "order_reference": order.number, "amount": 1250, "currency": "GBP"}
        payment |= {"state": state, "version": version, "next_action": None}
        payment |= {"amounts": {"captured": captured, "refunded": 0, "disputed": 0}, **changes}
        orders.settle(payment)
        now = orders.by("number", order.number)
        return now.state, bool(now.is_paid), now.shipments

    assert settled("processing", 2) == ("processing", False, 0)
    assert settled("captured", 5, 1250, amount=1) == ("processing", False, 0), "that is another payment"
    assert settled("captured", 5, 1250, currency="EUR") == ("processing", False, 0)
    assert settled("capture_pending", 4) == ("capture_pending", False, 0), "it may still be refused"
    assert settled("captured", 5, 1250) == ("captured", True, 1)
    assert settled("captured", 5, 1250) == ("captured", True, 1)
    assert settled("processing", 2) == ("captured", True, 1)
    assert settled("captured", 6, 1250) == ("captured", True, 1)


@pytest.mark.parametrize("state", ["partially_refunded", "refunded", "disputed"])
def test_nobody_pays_again_whose_money_was_given_back_before_the_shop_saw_it(tmp_path, state):
    orders = SimpleNamespace(**run_path(str(FOLDER / "orders.py"))).Orders(str(tmp_path / "shop.sqlite3"))
    number = orders.add("Tea", 1250, "GBP").number
    given_back = "disputed" if state == "disputed" else "refunded"
    payment = {"id": "pay_1", "order_reference": number, "amount": 1250, "currency": "GBP", "state": state}
    payment |= {"version": 7, "is_final": True, "can_retry": False}
    orders.settle(payment | {"amounts": {"captured": 1250, "refunded": 0, "disputed": 0, given_back: 1250}})
    order = orders.by("number", number)
    assert (order.is_paid, order.shipments) == (1, 0)


def test_the_shop_knows_the_gateway_by_http_only():
    sources = "\n".join(path.read_text() for path in FOLDER.glob("*.py"))
    assert not re.search(r"^(?:from|import) (?:checkout|messaging|django|payments_gateway)", sources, re.M)


def test_the_page_of_the_shop_names_what_there_is():
    page = (FOLDER / "README.md").read_text()
    assert f"GATEWAY_KEY={TRY_OUT_API_KEY} " in page
    assert f"<{EXAMPLE_SHOP}/>" in page
    settings = re.compile(r"SHOP_\w+")
    assert set(settings.findall(page)) <= set(settings.findall((FOLDER / "shop.py").read_text()))


def test_a_payment_that_nobody_can_pay_any_more_is_not_being_confirmed(tmp_path):
    """If all attempts at a payment were declined, the payment is not final for a day."""
    orders = SimpleNamespace(**run_path(str(FOLDER / "orders.py"))).Orders(str(tmp_path / "shop.sqlite3"))
    order = orders.add("Tea", 1250, "GBP")
    payment = {"id": "pay_1", "order_reference": order.number, "amount": 1250, "currency": "GBP"}
    payment |= {"state": "declined", "version": 12, "next_action": None}
    orders.settle(payment | {"amounts": {"captured": 0, "refunded": 0, "disputed": 0}})
    now = orders.by("number", order.number)
    assert (now.is_unpaid, now.pay_at, now.is_closed) == (True, "", False)
