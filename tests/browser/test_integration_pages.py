"""The pages about merchants' programs, and the pages that their links lead to, narrow and wide."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looking import TOO_FAINT, TOO_SMALL, UNNAMED
from tests.browser.test_back_office import at_work
from tests.browser.test_back_office_layout import BROKEN, OVERLAPS, STICKS_OUT
from tests.support.stack import Stack

# The first test starts a whole stack.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

MAKE_ROWS = """
from datetime import timedelta
from django.utils import timezone
from checkout.api.access.keys import make_key
from checkout.payments import actions
from checkout.payments.actions import links
from checkout.money import Money
from checkout.payments.models import Event
from checkout.webhooks import actions as webhooks
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from tests.backoffice import rows

name, now = "%(name)s", timezone.now()
merchant = rows.account().merchant
merchant.return_origins.append("https://shop.example")  # the example shop uses the others
merchant.save()
key, _ = make_key(merchant, name=f"Till {name}", networks=["2001:db8:1234::/48", "192.0.2.0/24"], by="ann")
endpoint = webhooks.create_endpoint(
    merchant.code, f"https://shop.example/webhooks/{'payments/' * 8}{name}", contact_email="dev@shop.example"
).endpoint
payment = actions.create_payment(
    merchant, order_reference=f"ORDER-{name}", amount=Money(1250, "GBP"), lines=[], description="Tea",
    cancel_url="https://shop.example/basket", shopper_email=f"mary.{name}@shop.example", metadata={"a": "b"},
)
event = Event.objects.get(payment=payment)
delivery = Delivery.objects.create(
    endpoint=endpoint, event=event.reference, event_type=event.type, payment=payment.reference, tries=2,
    last_result="503", next_try_at=now + timedelta(minutes=5),
)
for status, error in ((503, ""), (None, "timed_out")):
    DeliveryAttempt.objects.create(
        delivery=delivery, at=now, url=endpoint.url, status=status, error=error, duration_ms=15000,
        detail="there was no complete response within 15 s", response="<html>Service Unavailable</html>" * 9,
    )
WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
    failures=12, failing_since=now - timedelta(hours=30), warned_at=now,
    paused_until=now + timedelta(minutes=9),
)
link = links.create_link(
    merchant, order_reference=f"INV-{name}", amount=Money(4900, "EUR"), description="Invoice of November"
)
closed = links.create_link(
    merchant, order_reference=f"OLD-{name}", amount=Money(4900, "EUR"), description="Invoice of November"
)
links.disable_link(merchant, closed.reference)
print("KEYS", key.pk, endpoint.pk, payment.pk, event.pk, delivery.pk, link.pk, payment.reference, link.token,
      closed.token)
"""


@pytest.fixture(scope="module")
def pages(shared_stack: Stack) -> dict[str, str]:
    """Create rows, and return the paths of pages by a name for each."""
    printed = shared_stack.manage("shell", "--command", MAKE_ROWS % {"name": uuid4().hex[:12]})
    key, endpoint, payment, event, delivery, link, reference, token, closed = printed.rpartition("KEYS")[
        2
    ].split()
    return {
        "key": f"/admin/api/apikey/{key}/change/",
        "new key": "/admin/api/apikey/add/",
        "rotation of a key": f"/admin/api/apikey/{key}/rotate/",
        "endpoint": f"/admin/webhooks/webhookendpoint/{endpoint}/change/",
        "new secret of an endpoint": f"/admin/webhooks/webhookendpoint/{endpoint}/rotate/",
        "new endpoint": "/admin/webhooks/webhookendpoint/add/",
        "payment": f"/admin/payments/payment/{payment}/change/",
        "event": f"/admin/payments/event/{event}/change/",
        "events of a payment": f"/admin/payments/event/?q={reference}",
        "delivery": f"/admin/webhooks/delivery/{delivery}/change/",
        "sending again": f"/admin/webhooks/delivery/{delivery}/resend/",
        "link": f"/admin/payments/paymentlink/{link}/change/",
        "disabling a link": f"/admin/payments/paymentlink/{link}/disable/",
        "shopper's link": f"/pay/{token}/",
        "closed link": f"/pay/{closed}/",
        "card form": f"/checkout/{reference}/",
    }


def faults_of(page: Page, width: int) -> list[object]:
    """Return elements that overlap, are cut off, scroll sideways, or cannot be read, hit or told apart."""
    found: list[object] = []
    if (whole := page.evaluate("document.documentElement.scrollWidth")) > width:
        found.append(f"scrolls sideways: {whole}")
    if page.evaluate(OVERLAPS):
        found.append("buttons overlap")
    for script in (STICKS_OUT, BROKEN, TOO_FAINT, TOO_SMALL, UNNAMED):
        found += page.evaluate(script)
    return found


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_page_scrolls_sideways_and_nothing_overlaps(
    browser: Browser, shared_stack: Stack, pages: dict[str, str], width: int
) -> None:
    folder = os.environ.get("SCREENSHOTS", "")
    faults: dict[str, object] = {}
    with at_work(browser, shared_stack, viewport={"width": width, "height": 800}) as page:
        for name, path in pages.items():
            response = page.goto(path)
            assert response is not None
            assert response.status == (410 if name == "closed link" else 200), name
            if folder:
                file = f"{name.replace(' ', '-').replace(chr(39), '')}-{width}.png"
                page.screenshot(path=Path(folder) / file, full_page=True)
            if found := faults_of(page, width):
                faults[name] = found
        page.goto(pages["new secret of an endpoint"])
        if (sure := page.get_by_label("Replace it again")).count():
            sure.check()
        page.get_by_role("button", name="Make a new secret").click()
        page.get_by_role("heading", name="Secret of the endpoint").wait_for()
        if found := faults_of(page, width):
            faults["the new secret"] = found
    assert faults == {}
