"""The look of a merchant on shoppers' pages: a readable colour, its links, and its contact."""

import re
from functools import partial

import pytest

from checkout.colours import DARK, LEAST_CONTRAST, LIGHT, contrast, readable_on, style_of
from checkout.payments.models import Appearance, Payment, ProviderAccount
from messaging.concurrency.database import in_thread

COLOURS = ["#000000", "#ffffff", "#0b5d4e", "#ffd600", "#ff0000", "#808080", "#00e5ff", "#1a2220", "#7c4dff"]


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_can_be_read_on_light_and_dark_paper_and_below_the_text_of_a_button(colour):
    for paper in (LIGHT, DARK):
        assert contrast(readable_on(paper, colour), paper) >= LEAST_CONTRAST
    buttons = re.findall("--accent:(#[0-9a-f]{6});--on-accent:(#[0-9a-f]{6})", style_of(colour))
    assert len(buttons) == 2
    assert all(contrast(*button) >= LEAST_CONTRAST for button in buttons)


def test_a_colour_that_can_be_read_stays_as_it_is():
    assert readable_on(LIGHT, "#0b5d4e") == "#0b5d4e"


@pytest.mark.parametrize(
    ("state", "page"), [("open", ""), ("processing", "status/"), ("captured", "result/")]
)
async def test_each_page_has_the_colour_the_links_and_the_contact_of_its_merchant(
    shop, checkout, state, page
):
    look = {
        "colour": "#7c2d12",
        "support_email": "help@shop.example",
        "support_phone": "+44 20 7946 0000",
        "terms_url": "https://shop.example/terms",
        "privacy_url": "https://shop.example/privacy",
    }
    await in_thread(partial(Appearance.objects.create, merchant=shop, **look))
    await in_thread(partial(Payment.objects.update, state=state))
    answer = await checkout.get(page)
    [(nonce, style)] = re.findall('<style nonce="([^"]+)">(.*?)</style>', answer.text)
    assert "--accent:#7c2d12" in style
    assert f"style-src 'self' 'nonce-{nonce}'" in answer.headers["content-security-policy"]
    for address in (
        "mailto:help@shop.example",
        "tel:+442079460000",
        "https://shop.example/terms",
        "https://shop.example/privacy",
    ):
        assert f'href="{address}"' in answer.text


async def test_without_an_appearance_pages_have_our_own_colour(shop, checkout):
    answer = await checkout.get()
    assert "<style" not in answer.text
    assert "style-src 'self';" in answer.headers["content-security-policy"]


async def test_the_form_names_the_brands_that_the_account_accepts(shop, checkout):
    await in_thread(partial(ProviderAccount.objects.update, accepted_brands=["visa", "amex"]))
    page = (await checkout.get()).text
    assert 'Accepted: <bdi translate="no">Visa, American Express</bdi>' in page
    assert 'data-accepted="Visa|American Express"' in page


async def test_the_form_of_an_account_that_accepts_all_names_no_brand(shop, checkout):
    assert "Accepted:" not in (await checkout.get()).text
