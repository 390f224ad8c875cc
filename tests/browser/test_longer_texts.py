"""Pages in a language with longer texts, in a narrow window: nothing is cut, and nothing sticks out."""

import re
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from playwright.sync_api import Browser, Page

from checkout.payments.models import Merchant, Payment
from tests.flows.conftest import payment, shop
from tests.support.asgi import AsgiClient
from tests.support.program import ROOT
from tests.support.pseudo_language import in_place_of

__all__ = ["payment", "shop"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STYLES = ROOT / "checkout" / "web" / "static" / "checkout"
CUT = """() => [...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && !each.matches(".only-heard, .skip, input"))
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
  .map((each) => each.outerHTML.slice(0, 80))"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 800}, java_script_enabled=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("direction", ["de", "ar"])
@pytest.mark.parametrize(
    ("state", "path"),
    [
        ("open", ""),
        ("refused", "result/"),
        ("captured", "result/"),
        ("confirming", "status/"),
        ("open", "nothing/"),
    ],
)
def test_longer_texts_fit_into_a_narrow_window(
    shop: Merchant, payment: Payment, page: Page, direction: str, state: str, path: str
) -> None:
    Payment.objects.update(state=state)
    with in_place_of(direction):
        address = f"/checkout/{payment.reference}/{path}"
        answer = async_to_sync(AsgiClient().get)(address, headers={"Accept-Language": direction})
    html = re.sub("<script.*?</script>|<link[^>]*>", "", answer.text, flags=re.DOTALL)
    style = "".join((STYLES / name).read_text() for name in ("tokens.css", "checkout.css"))
    page.set_content(f"{html}<style>{style}</style>")
    page.evaluate("document.querySelectorAll('[hidden]').forEach((each) => each.hidden = false)")
    assert "⟦" in page.inner_text("h1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(CUT) == []
