"""A Worldpay whose answers a test writes: XML over HTTP, so that the real adapter is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree

from checkout.payments.models import Merchant, ProviderAccount
from tests.payments.providers.worldpay_messages import (
    PROLOGUE,
    acknowledged,
    amount,
    balance,
    order_status,
    payment,
)
from tests.support.posts import answered

ACCOUNT, MERCHANT_CODE = "worldpay", "TEAPOTS"
CREDENTIALS = {
    "user": MERCHANT_CODE,
    "password": "a-password",
    "mac_key": "a-mac-key-for-device-data-and-challenges",
    "issuer": "an-issuer",
    "organisational_unit": "a-unit",
}
_MODIFICATIONS = {"capture": "captureReceived", "cancel": "cancelReceived", "refund": "refundReceived"}


@dataclass
class ScriptedWorldpay:
    """The provider of one test. ``asked`` has the kinds of requests, in their order.

    Every order is authorised. Every modification is accepted, or answered with the error ``denies``.
    Inquiries show ``last_event``, with the amount ``minor`` and ``balances``.
    """

    url: str = ""
    currency: str = "EUR"
    authorised_as: str = "AUTHORISED"
    last_event: str = "AUTHORISED"
    minor: int = 1250
    balances: str = ""
    denies: bytes = b""
    asked: list[str] = field(default_factory=list)

    def has(self, *, held: int, captured: int) -> None:
        """Let inquiries report these balances, in minor units."""
        self.balances = "".join(
            balance(account, minor, self.currency)
            for account, minor in (("IN_PROCESS_AUTHORISED", held), ("IN_PROCESS_CAPTURED", captured))
        )

    def answer(self, body: bytes) -> bytes:
        """Return the reply to one request."""
        request = ElementTree.fromstring(body)  # noqa: S314 - what our own adapter has written
        order = request.find(".//*[@orderCode]")
        code = order.get("orderCode", "") if order is not None else ""
        kind = self._kind(request)
        self.asked.append(kind)
        if kind in _MODIFICATIONS and self.denies:
            return self.denies
        if kind in _MODIFICATIONS:
            return acknowledged(_MODIFICATIONS[kind], order_code=code)
        event = self.authorised_as if kind == "order" else self.last_event
        extra = "" if kind == "order" else self.balances
        return order_status(payment(event, extra, money=amount(self.minor, self.currency)), code)

    @staticmethod
    def _kind(request: ElementTree.Element) -> str:
        for kind in (*_MODIFICATIONS, "inquiry"):
            if request.find(f".//{kind}") is not None:
                return kind
        return "order"

    def tells(self, code: str, event: str, minor: int, journal: str = "") -> bytes:
        """Return a notification."""
        said = payment(event, money=amount(minor, self.currency)) + journal
        return (
            f'{PROLOGUE}<paymentService version="1.4" merchantCode="{MERCHANT_CODE}"><notify>'
            f'<orderStatusEvent orderCode="{code}">{said}</orderStatusEvent></notify></paymentService>'
        ).encode()


@contextmanager
def running() -> Iterator[ScriptedWorldpay]:
    """Serve a scripted provider on loopback within the block."""
    provider = ScriptedWorldpay()
    with answered(lambda body, _: (200, provider.answer(body)), content_type="text/xml") as url:
        provider.url = f"{url}/paymentService.jsp"
        yield provider


def account_of(merchant: Merchant, provider: ScriptedWorldpay) -> ProviderAccount:
    """Let a merchant pay with the scripted provider alone."""
    merchant.provider_accounts.all().delete()
    return ProviderAccount.objects.create(
        merchant=merchant,
        code=ACCOUNT,
        provider="worldpay_wpg",
        merchant_code=MERCHANT_CODE,
        endpoint=provider.url,
    )
