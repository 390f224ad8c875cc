"""Language, title and headings of every page of a purchase, which a screen reader reads first."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flows.shopper import CHALLENGED, Shopper

pytestmark = pytest.mark.browser

HEADINGS = "[...document.querySelectorAll('h1, h2, h3')].map((heading) => Number(heading.tagName[1]))"


def title_of(page: Page) -> str:
    """Return the page's title, after checking its language and the order of its headings."""
    expect(page.locator("html")).to_have_attribute("lang", re.compile("^en"))
    levels = page.evaluate(HEADINGS)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(next_one - level <= 1 for level, next_one in pairwise(levels))
    expect(page.get_by_role("main")).to_have_count(1)
    return page.title()


def test_every_page_of_a_purchase_says_what_it_is(framed_shopper: Shopper) -> None:
    page = framed_shopper.page
    page.goto(f"{framed_shopper.stack.web_url}/")
    titles = [title_of(page)]
    framed_shopper.order()
    titles.append(title_of(page))
    # Live regions must exist before their text: one that is added with its text is often not read out.
    expect(page.get_by_role("status")).to_have_count(1)
    framed_shopper.pay(CHALLENGED)
    frame = page.frame_locator('iframe[name="challenge"]')
    expect(frame.get_by_role("button", name="Approve")).to_be_visible()
    titles.append(title_of(page))
    expect(page.locator("iframe")).to_have_attribute("title", re.compile("bank"))
    framed_shopper.decide("Fail", frame)
    framed_shopper.is_told_not_paid("")
    titles.append(title_of(page))
    page.get_by_role("link", name="Go back to Example Shop without paying").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Buy something")
    page.get_by_role("link", name="Canvas bag").or_(
        page.get_by_role("link", name="Darjeeling tea")
    ).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your order")
    titles.append(title_of(page))
    assert all(titles)
    assert len(set(titles)) == len(titles)
