"""A CAPTCHA for tests."""

import asyncio

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString


class Sum:
    """A CAPTCHA that a merchant might write: a sum, which needs no JavaScript."""

    def render(self, request: HttpRequest) -> SafeString:
        return format_html('<label>{} <input name="sum" inputmode="numeric"></label>', "What is 2 + 5?")

    async def check(self, request: HttpRequest) -> bool:
        answer = request.POST.get("sum", "")
        if answer == "never":
            await asyncio.Event().wait()
        return int(answer) == 7


class Blocking(Sum):
    """A CAPTCHA whose answers are checked by a function that is not asynchronous."""

    def check(self, request: HttpRequest) -> bool:  # type: ignore[override]
        return True


# The value of ``CHECKOUT_CAPTCHA``: the path of the class.
SUM = f"{__name__}.{Sum.__name__}"
