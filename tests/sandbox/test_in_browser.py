"""The sandbox's pages in a real browser, framed by a shop on another site."""

import json
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.sandbox.merchant import RETURN_URL, challenge_token, device_data_claims, sign
from tests.support.frames import click_in_frame

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 320, "height": 640})
    yield context.new_page()
    context.close()


class Shop:
    """A web server with one page on localhost, since Chromium lets only local pages frame local pages."""

    def __init__(self) -> None:
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(shop.html.encode())

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.html = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_address[1]}/"


@pytest.fixture
def shop():
    shop = Shop()
    thread = threading.Thread(target=shop.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()
    thread.join()


def _frame_of_shop(shop, page, action: str, fields: dict[str, str]):
    """Open a shop's page that posts a form into a frame and keeps the messages that it receives."""
    inputs = "".join(f'<input type="hidden" name="{k}" value="{escape(v)}">' for k, v in fields.items())
    shop.html = f"""<!doctype html><title>Shop</title><script>
        window.received = [];
        addEventListener("message", (event) => window.received.push([event.origin, event.data]));
        </script><iframe name="frame" width="250" height="400"></iframe>
        <form method="post" action="{action}" target="frame">{inputs}</form>
        <script>document.forms[0].submit()</script>"""
    page.goto(shop.url)
    return page.frame_locator("iframe")


def test_device_data_reach_the_page_around_the_frame(sandbox, shop, page):
    fields = {"Bin": "444433", "JWT": sign(device_data_claims())}
    _frame_of_shop(shop, page, f"{sandbox}/worldpay/shopper/3ds/ddc.html", fields)
    page.wait_for_function("window.received.length > 0")
    origin, text = page.evaluate("window.received[0]")
    assert origin == sandbox
    assert json.loads(text)["MessageType"] == "profile.completed"


def test_a_challenge_in_the_smallest_window_shows_every_choice_and_leads_back(merchant, sandbox, shop, page):
    first = merchant.submit("order-1", number="4000000000002503")
    returned: list[str] = []

    def on_return(route):
        returned.append(route.request.post_data)
        route.fulfill(body="<p>Back</p>", content_type="text/html")

    page.route(RETURN_URL, on_return)
    fields = {"JWT": challenge_token(first), "MD": "md"}
    frame = _frame_of_shop(shop, page, f"{sandbox}/worldpay/shopper/3ds/challenge.html", fields)
    frame.get_by_role("button", name="Approve").wait_for()
    window = page.locator("iframe").bounding_box()
    for choice in ("Approve", "Fail", "Cancel"):
        button = frame.get_by_role("button", name=choice).bounding_box()
        assert button["y"] + button["height"] <= window["y"] + window["height"]
        assert button["x"] + button["width"] <= window["x"] + window["width"]
    click_in_frame(frame.get_by_role("button", name="Approve"))
    frame.get_by_text("Back").wait_for()
    assert returned == [f"TransactionId={first.text('transactionId3DS')}&Response=&MD=md"]


def test_a_challenge_works_without_javascript(merchant, shopper, shop, browser):
    forwarded = shopper.start_challenge(merchant.submit("order-1", number="4000000000002503"))
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    shop.html = forwarded.text
    page.route(RETURN_URL, lambda route: route.fulfill(body="<p>Back</p>", content_type="text/html"))
    page.goto(shop.url)
    page.get_by_role("button", name="Continue to your bank").click()
    page.get_by_role("button", name="Fail").click()
    page.get_by_role("button", name="Return to the shop").click()
    page.get_by_role("button", name="Return to the shop").click()
    page.get_by_text("Back").wait_for()
    context.close()
    assert merchant.books("order-1")["challenges"][0]["decision"] == "fail"
