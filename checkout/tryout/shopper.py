"""A scripted shopper, who makes a purchase with a browser. Each step returns the next page."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from checkout.references import form_of
from checkout.tryout.browser import Browser, Page
from checkout.tryout.card import PUBLIC_KEY, Card
from checkout.tryout.documents import Form, UnexpectedPage

REFERENCE = re.compile(rf"/checkout/({form_of('pay')})/")
END_SECONDS = 20.0
"""The longest wait for the final state after the last step, as captures are booked and notified later."""
POLL_SECONDS = 0.25
MAX_FORWARDS = 12

BROWSER_FIELDS = {
    "browser_language": "en-GB",
    "browser_colour_depth": "24",
    "browser_screen_height": "1080",
    "browser_screen_width": "1920",
    "browser_time_zone": "0",
    "browser_javascript_enabled": "true",
}


@dataclass
class Shopper:
    """One shopper, who buys one item with one card from the example shop at ``url``.

    If ``reference`` is given, the shopper comes from another shop to pay that payment.
    """

    browser: Browser
    url: str
    card: Card
    reference: str = ""
    """The payment's reference: given, or set when the shop has sent the shopper to the checkout."""

    def order(self) -> Page:
        """Choose the first item of the shop, or open the payment. Return the checkout page."""
        if self.reference:
            return self.resume()
        shop = self.browser.open(f"{self.url}/")
        form = next((form for form in shop.document.forms if form.method == "POST"), None)
        if form is None:
            raise UnexpectedPage(f"{shop.url} answered {shop.status} with nothing to buy.")
        page = self.browser.submit(shop, form, press=form.buttons[0] if form.buttons else None)
        found = REFERENCE.search(page.url)
        if found is None:
            raise UnexpectedPage(f"The shop led to {page.url} ({page.status}) and not to a checkout.")
        self.reference = found[1]
        return page

    def fill_in(self, checkout: Page, *, with_device_data: bool = True) -> tuple[Form, dict[str, str]]:
        """Do the work of the page's scripts: send device data, and encrypt the card.

        Return form and values.
        """
        form = checkout.form(to="/pay/")
        values = {name: value for name, value in BROWSER_FIELDS.items() if name in form.fields}
        if with_device_data:
            values["device_data_reference"] = self._device_data(checkout)
        values["encrypted_card"] = self.card.sealed(self._public_key(checkout))
        return form, values

    def pay(self, checkout: Page, *, with_device_data: bool = True) -> Page:
        """Pay. Return the issuer's page if there is a challenge, otherwise the result page."""
        form, values = self.fill_in(checkout, with_device_data=with_device_data)
        return self.follow(self.browser.submit(checkout, form, values))

    def pay_twice_at_once(self, checkout: Page) -> list[Page]:
        """Press Pay again before the first answer arrives. Return both resulting pages."""
        form, values = self.fill_in(checkout)
        with ThreadPoolExecutor(2) as clicks:
            answers = [clicks.submit(self.browser.submit, checkout, form, values) for _ in range(2)]
            return [self.follow(answer.result()) for answer in answers]

    def decide(self, challenge: Page, choice: str) -> Page:
        """Approve, fail or cancel the challenge at the issuer. Return the next page of the gateway."""
        return self.follow(self.browser.submit(challenge, acs_form(challenge), press=("choice", choice)))

    def decide_and_return_twice(self, challenge: Page, choice: str) -> list[Page]:
        """Decide, and submit the form that leads back to the gateway twice. Return the page after each."""
        page = self.browser.submit(challenge, acs_form(challenge), press=("choice", choice))
        while (form := only_way_on(page)) and not self._is_ours(form.action):
            page = self.browser.submit(page, form)
        form = page.form(to="/challenge/return/")
        return [self.follow(self.browser.submit(page, form)) for _ in range(2)]

    def resume(self) -> Page:
        """Open the payment's page again later. Return the page for the payment's state."""
        return self.follow(self.browser.open(f"{self.url}/checkout/{self.reference}/"))

    def follow(self, page: Page) -> Page:
        """Follow pages that continue without the shopper: forms that scripts submit, and the status page."""
        for _ in range(MAX_FORWARDS):
            if page.url.endswith("/status/"):
                page = self.browser.open(urljoin(page.url, self._wait_for_next()))
            elif form := only_way_on(page):
                page = self.browser.submit(page, form)
            else:
                return page
        raise UnexpectedPage(f"{page.url}: the pages lead on without an end.")

    def end(self, expected: str) -> str:
        """Wait for a limited time until the payment's state is ``expected``. Return the state.

        The wait also ends if the payment has reached another final state.
        """
        deadline = time.monotonic() + END_SECONDS
        while True:
            status = self.status()
            is_over = bool(status.get("is_final")) and not status.get("is_paid")
            if status["state"] == expected or is_over or time.monotonic() > deadline:
                return str(status["state"])
            time.sleep(POLL_SECONDS)

    def status(self) -> dict[str, Any]:
        """Return the content of ``status.json``. Raises ``UnexpectedPage`` for any other answer."""
        url = f"{self.url}/checkout/{self.reference}/status.json"
        page = self.browser.open(url, accept="application/json")
        try:
            status: dict[str, Any] = json.loads(page.text)
        except ValueError as error:
            raise UnexpectedPage(f"{url} answered {page.status} without JSON.") from error
        if "state" not in status:
            raise UnexpectedPage(f"{url} answered {page.status} without a state.")
        return status

    def _wait_for_next(self) -> str:
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if where := self.status().get("next"):
                return str(where)
            time.sleep(POLL_SECONDS)
        raise UnexpectedPage(f"The status page did not lead on within {END_SECONDS:g} s.")

    def _device_data(self, checkout: Page) -> str:
        """Post the provider's hidden form with the card's first digits. Return the session id."""
        form = checkout.form(to="/ddc")
        form.fields["Bin"] = self.card.number[:6]
        answer = self.browser.submit(checkout, form)
        try:
            return str(json.loads(answer.document.data["message"])["SessionId"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedPage(
                f"The device data page answered {answer.status} without a session id."
            ) from error

    def _public_key(self, checkout: Page) -> str:
        """Return the public key, from the page or from the provider's script."""
        scripts = (self.browser.open(url).text for url in checkout.document.scripts if not self._is_ours(url))
        for text in (*checkout.document.data.values(), *scripts):
            if found := PUBLIC_KEY.search(text):
                return found[0]
        raise UnexpectedPage(f"{checkout.url} has no key for encrypting the card.")

    def _is_ours(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self.url).netloc


def only_way_on(page: Page) -> Form | None:
    """Return the page's only form if it has no field to fill in, so that a script submits it."""
    forms = page.document.forms
    return forms[0] if len(forms) == 1 and not forms[0].is_for_people else None


def acs_form(page: Page) -> Form:
    """Return the form of the issuer's challenge. Raises ``UnexpectedPage`` on any other page."""
    for form in page.document.forms:
        if any(name == "choice" for name, _value in form.buttons):
            return form
    raise UnexpectedPage(f"{page.url} ({page.status}) is not the issuer's challenge.")
