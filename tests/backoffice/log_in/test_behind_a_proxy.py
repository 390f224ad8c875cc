"""The client's address is taken from a trusted proxy's header only."""

import asyncio

import pytest
import requests
from axes.models import AccessAttempt
from django.contrib.auth.models import User

from messaging.concurrency.database import in_thread
from payments_gateway.asgi import application
from tests.backoffice.log_in.conftest import LOG_IN, PASSWORD
from tests.support.serving import serving


def guess(address: tuple[str, int], shopper: str) -> int:
    """Try a password through a proxy on this machine that serves ``shopper``; return the answer's status."""
    url = f"http://localhost:{address[1]}{LOG_IN}"
    with requests.Session() as browser:
        browser.headers["X-Forwarded-For"] = shopper
        page = browser.get(url, timeout=30)
        form = {
            "username": "ada",
            "password": "guess",
            "csrfmiddlewaretoken": page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0],
        }
        return browser.post(url, form, headers={"Referer": url}, timeout=30).status_code


@pytest.mark.parametrize(
    ("trusted", "counted"),
    [("127.0.0.1", {"203.0.113.8", "203.0.113.9"}), ("192.0.2.1", {"127.0.0.1"})],
)
async def test_behind_a_proxy_that_is_not_named_everybody_has_its_address(transactional_db, trusted, counted):
    await in_thread(User.objects.create_superuser, "ada", password=PASSWORD)
    async with serving(application, forwarded_allow_ips=trusted) as (_, address):
        for shopper in ("203.0.113.8", "203.0.113.9"):
            assert await asyncio.to_thread(guess, address, shopper) == 200
    attempts = await in_thread(lambda: list(AccessAttempt.objects.all()))
    assert {attempt.ip_address for attempt in attempts} == counted
