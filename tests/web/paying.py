"""A shopper's browser on the pages of one payment."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.asgi import Answer, AsgiClient

FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def fields_of(page: Answer) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return dict(FIELD.findall(page.text))


@dataclass
class Checkout:
    client: AsgiClient
    reference: str
    mounted_at: str = "/"

    def path(self, page: str = "") -> str:
        return f"{self.mounted_at}checkout/{self.reference}/{page}"

    async def get(self, page: str = "", **options: Any) -> Answer:
        return await self.client.get(self.path(page), **options)

    async def filled_form(self, card: str, **changes: str) -> dict[str, str]:
        """Return the form's fields as the page's script fills them."""
        page = await self.get()
        assert page.status == 200, page.text
        told = {"browser_language": "en-GB", "browser_colour_depth": "30", "browser_time_zone": "-60"}
        return {**fields_of(page), "encrypted_card": card, **told, **changes}

    async def pay(self, card: str, **changes: str) -> Answer:
        return await self.client.post(self.path("pay/"), await self.filled_form(card, **changes))

    async def return_path(self) -> str:
        """Return the path on which the shopper returns from the payment's challenge."""
        page = await self.get("challenge/")
        address = fields_of(page)["ReturnUrl"]
        return urlsplit(address).path
