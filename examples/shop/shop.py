"""A small shop that is paid through the gateway: ``python shop.py``. README.md tells what it shows."""

import json
import os
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from gateway import Gateway, NotDone, is_genuine
from orders import Order, Orders

PORT = int(os.environ.get("SHOP_PORT", "4243"))
ADDRESS = os.environ.get("SHOP_URL", f"http://localhost:{PORT}")
# The gateway may have to use another address of the shop than shoppers do.
WEBHOOKS = os.environ.get("SHOP_WEBHOOK_URL", f"http://127.0.0.1:{PORT}/webhooks")
GOODS = {"tea": ("Darjeeling tea", 1250, "GBP"), "mug": ("Stoneware mug", 1890, "EUR")}
LONGEST_BODY = 64 * 1024

gateway = Gateway(os.environ["GATEWAY_API"], os.environ["GATEWAY_KEY"])
orders = Orders(os.environ.get("SHOP_DATABASE", "shop.sqlite3"))


def webhook_secret() -> str:
    """Return the secret of our webhooks. The first time, the gateway is told our address.

    The key of that request is kept before it is sent. So if we end before the secret is kept, the next start
    repeats the request, and gets the secret of the same registration.
    """
    name_of_key = f"key of {WEBHOOKS}"
    while not (secret := orders.secret(WEBHOOKS)):
        if not (key := orders.secret(name_of_key)):
            key = f"shop-{os.urandom(8).hex()}"
            orders.keep_secret(name_of_key, key)
        registered = gateway.add_webhook(WEBHOOKS, key)
        if registered["secret"] is None:
            # The gateway shows it for an hour. A registration whose secret is lost is of no use.
            gateway.remove_webhook(registered["id"])
            orders.keep_secret(name_of_key, "")
        else:
            orders.keep_secret(WEBHOOKS, registered["secret"])
    return secret


class Shop(BaseHTTPRequestHandler):
    """The pages of the shop, and the receiver of webhooks."""

    secret = ""
    timeout = 20  # seconds for a client that sends nothing

    def do_GET(self) -> None:
        """Show the shelf, or the order to which the gateway leads the shopper back."""
        url = urlsplit(self.path)
        if url.path == "/":
            self.page(200, "Shop", "".join(shelf(sku) for sku in GOODS))
        elif url.path == "/return":
            self.shopper_returns(parse_qs(url.query).get("payment", [""])[0])
        else:
            self.page(404, "Not here", "")

    def do_POST(self) -> None:
        """Take an order, or a webhook."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > len(str(LONGEST_BODY)) or int(length) > LONGEST_BODY:
            self.page(413, "Too long", "")
            return
        body = self.rfile.read(int(length))
        if self.path == "/webhooks":
            self.webhook(body)
        elif self.path == "/orders":
            self.shopper_orders(parse_qs(body.decode("ascii", "replace")).get("sku", [""])[0])
        elif self.path == "/replacements":
            self.shopper_pays_otherwise(parse_qs(body.decode("ascii", "replace")).get("payment", [""])[0])
        else:
            self.page(404, "Not here", "")

    def shopper_orders(self, sku: str) -> None:
        """Keep the order, and send the shopper to its payment."""
        if sku not in GOODS:
            self.page(400, "We do not sell this", "")
            return
        self.to_payment(orders.add(*GOODS[sku]))

    def shopper_pays_otherwise(self, reference: str) -> None:
        """Replace an order by one with another payment, unless its own may have been paid, or may still be.

        It could still be paid from the gateway's page in another tab, so it is cancelled first.
        """
        try:
            order = orders.by("payment", reference)
            if not order.is_closed:
                orders.settle(gateway.close(reference))
                order = orders.by("payment", reference)
        except KeyError:
            self.page(404, "Not one of our orders", "")
        except NotDone as error:
            self.log_error("%s", error)
            self.page(503, "Please try again", "")
        else:
            if order.is_closed:
                self.to_payment(orders.replace(order))
            else:
                self.show(order)

    def to_payment(self, order: Order) -> None:
        """Create the payment of an order, or find the one that it has, and send the shopper there."""
        try:
            payment = gateway.create_payment(
                order.number,
                amount=order.amount,
                currency=order.currency,
                description=order.title,
                return_url=f"{ADDRESS}/return",
                cancel_url=f"{ADDRESS}/return",
            )
        except NotDone as error:
            self.log_error("%s", error)
            self.page(503, "Please try again", "Nothing has been paid.")
            return
        orders.settle(payment)
        order = orders.by("number", order.number)
        if not order.pay_at:
            self.show(order)  # it was paid, or is being paid, since its payment was created
            return
        self.send_response(303)
        self.send_header("Location", order.pay_at)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def shopper_returns(self, reference: str) -> None:
        """Ask the gateway for the payment: the address, which anybody may type, tells only which."""
        try:
            orders.by("payment", reference)
            orders.settle(gateway.payment(reference))
        except KeyError:
            self.page(404, "Not one of our orders", "")
            return
        except NotDone as error:
            # The webhook will come.
            self.log_error("%s", error)
        self.show(orders.by("payment", reference))

    def webhook(self, body: bytes) -> None:
        """Settle the order of a genuine webhook about a payment. Others are taken in silence."""
        if not is_genuine(self.headers, body, self.secret):
            self.page(400, "Not genuine", "")
            return
        event = json.loads(body)
        if event["type"].startswith("payment."):
            orders.settle(event["data"]["object"])
        self.send_response(204)
        self.end_headers()

    def show(self, order: Order) -> None:
        """Answer with the page of an order."""
        about = f"<p>{escape(order.title)}, order {order.number}: {order.state}</p>"
        self.page(200, heading(order), about + choices(order))

    def page(self, status: int, title: str, content: str) -> None:
        """Answer with a page."""
        text = f"<!doctype html><title>{title}</title><h1>{title}</h1>{content}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def shelf(sku: str) -> str:
    """Return the form with which one of the goods is bought."""
    title, amount, currency = GOODS[sku]
    return (
        f'<form method="post" action="/orders"><input type="hidden" name="sku" value="{sku}">'
        f"<button>{title}, {amount // 100}.{amount % 100:02} {currency}</button></form>"
    )


def heading(order: Order) -> str:
    """Return what the shopper is told. Not knowing is never told as a failure."""
    if order.is_paid:
        return "Thank you"
    if not order.is_unpaid:
        return "Your payment is being confirmed"
    return "You have not paid yet" if order.pay_at else "Choose another way to pay"


def choices(order: Order) -> str:
    """Return what the shopper can do about an order that was not paid."""
    again = f'<p><a href="{escape(order.pay_at)}">Try again</a></p>' if order.pay_at else ""
    anew = (
        '<form method="post" action="/replacements"><button>Pay in another way</button>'
        f'<input type="hidden" name="payment" value="{order.payment}"></form>'
    )
    return again + anew if order.is_unpaid else ""


def main() -> None:
    """Serve until stopped. The socket is open before the gateway hears of it, so that no webhook is lost."""
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Shop)
    Shop.secret = webhook_secret()
    print(f"The shop is at {ADDRESS}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
