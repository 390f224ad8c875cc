"""A merchant and a shopper over plain HTTP, written from the protocol and not from the sandbox's code."""

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4
from xml.etree.ElementTree import Element

import requests
from defusedxml.ElementTree import fromstring
from joserfc import jwe, jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.util import urlsafe_b64encode

HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<!DOCTYPE paymentService PUBLIC "-//WorldPay//DTD WorldPay PaymentService v1//EN"'
    ' "http://dtd.worldpay.com/paymentService_v1.dtd">'
)
# A session's id is a name token; an order's code need not be one.
NO_TOKEN = re.compile(r"&\w+;|[^\w.:-]")
EMAIL = "<shopperEmailAddress>shopper@example.com</shopperEmailAddress>"
RETURN_URL = "http://localhost:8000/checkout/P1/challenge/return/token/"


@dataclass
class Reply:
    response: requests.Response
    root: Element = field(init=False)

    def __post_init__(self) -> None:
        assert self.response.headers["content-type"].startswith("text/xml"), self.response.text
        self.root = fromstring(self.response.content)

    def text(self, tag: str) -> str | None:
        return self.root.findtext(f".//{tag}")

    def attribute(self, tag: str, name: str) -> str | None:
        found = self.root.find(f".//{tag}")
        return None if found is None else found.get(name)

    @property
    def error(self) -> tuple[str | None, str | None]:
        return self.attribute("error", "code"), self.text("error")


@dataclass
class Merchant:
    """A merchant that stores every exchange, so that tests can check them by the DTD."""

    url: str
    exchanges: list[tuple[str, bytes]] = field(default_factory=list)
    patience_seconds: float = 20

    def post(self, inner: str, *, headers: dict[str, str] | None = None, auth: Any = None) -> Reply:
        body = (
            f'{HEADER}<paymentService version="1.4" merchantCode="SANDBOXMERCHANT">{inner}</paymentService>'
        )
        response = self.post_raw(body.encode(), headers=headers, auth=auth)
        self.exchanges.append((body, response.content))
        return Reply(response)

    def post_raw(self, body: bytes, *, headers: dict[str, str] | None = None, auth: Any = None):
        return requests.post(
            f"{self.url}/worldpay/jsp/merchant/xml/paymentService.jsp",
            data=body,
            headers={"Content-Type": "text/xml", **(headers or {})},
            auth=auth or ("SANDBOXMERCHANT", "sandbox-password"),
            timeout=self.patience_seconds,
        )

    def seal(self, holder: str, number: str, year: str = "2039") -> str:
        key = requests.get(f"{self.url}/worldpay/cse/public-key.txt", timeout=20).text
        sequence, exponent, modulus = key.split("#")
        numbers = {
            name: urlsafe_b64encode(bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0"))).decode()
            for name, digits in (("e", exponent), ("n", modulus))
        }
        card = {
            "cardHolderName": holder,
            "cardNumber": number,
            "cvc": "123",
            "expiryMonth": "01",
            "expiryYear": year,
        }
        return jwe.encrypt_compact(
            {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": sequence},
            json.dumps(card).encode(),
            RSAKey.import_key({"kty": "RSA", **numbers}),
            algorithms=["RSA-OAEP-256", "A256GCM"],
        )

    def submit(
        self,
        order_code: str,
        holder: str = "A. Shopper",
        number: str = "4444333322221111",
        *,
        amount: int = 1050,
        currency: str = "GBP",
        exponent: int = 2,
        three_ds: bool = True,
        instrument: str | None = None,
        preference: str = "noPreference",
        capture_delay: str = "DEFAULT",
        action: str = "AUTHORISE",
        **options: Any,
    ) -> Reply:
        three_ds_data = f'<additional3DSData dfReferenceId="0_device" challengePreference="{preference}"/>'
        instrument = instrument or (
            f"<CSE-DATA><encryptedData>{self.seal(holder, number)}</encryptedData></CSE-DATA>"
        )
        browser = (
            "<browser><acceptHeader>text/html</acceptHeader><userAgentHeader>Test</userAgentHeader></browser>"
        )
        return self.post(
            f'<submit><order orderCode="{order_code}" captureDelay="{capture_delay}">'
            "<description>A teapot</description>"
            f'<amount value="{amount}" currencyCode="{currency}" exponent="{exponent}"/>'
            f'<paymentDetails action="{action}">{instrument}'
            f'<session shopperIPAddress="127.0.0.1" id="S-{NO_TOKEN.sub("", order_code)}"/>'
            f"</paymentDetails><shopper>{EMAIL}{browser}</shopper>"
            + (three_ds_data if three_ds else "")
            + "</order></submit>",
            **options,
        )

    def save_card(self, order_code: str, holder: str = "A. Shopper", year: str = "2039") -> Reply:
        sealed = self.seal(holder, "4444333322221111", year)
        card = f"<CSE-DATA><encryptedData>{sealed}</encryptedData></CSE-DATA>"
        return self.post(
            f'<submit><order orderCode="{order_code}"><description>A teapot</description>{money(1050)}'
            f'<paymentDetails>{card}<storedCredentials usage="FIRST"/></paymentDetails><shopper>'
            f"{EMAIL}<authenticatedShopperID>cus_1</authenticatedShopperID></shopper><createToken/></order></submit>"
        )

    def charge_card(self, order_code: str, token: str) -> Reply:
        instrument = f"<TOKEN-SSL><paymentTokenID>{token}</paymentTokenID></TOKEN-SSL>"
        return self.post(
            f'<submit><order orderCode="{order_code}"><description>A teapot</description>{money(1050)}'
            f"<paymentDetails>{instrument}</paymentDetails><shopper>{EMAIL}"
            "<authenticatedShopperID>cus_1</authenticatedShopperID></shopper></order></submit>"
        )

    def complete(
        self, order_code: str, machine: str, *, session_id: str | None = None, **headers: str
    ) -> Reply:
        return self.post(
            f'<submit><order orderCode="{order_code}">'
            "<info3DSecure><completedAuthentication/></info3DSecure>"
            f'<session id="{session_id or "S-" + order_code}"/></order></submit>',
            headers=headers or {"Cookie": machine},
        )

    def modify(self, order_code: str, inner: str, **options: Any) -> Reply:
        return self.post(
            f'<modify><orderModification orderCode="{order_code}">{inner}</orderModification></modify>',
            **options,
        )

    def capture(self, order_code: str, amount: int, **options: Any) -> Reply:
        return self.modify(
            order_code, f'<capture reference="c-{amount}">{money(amount)}</capture>', **options
        )

    def refund(self, order_code: str, amount: int, **options: Any) -> Reply:
        return self.modify(order_code, f'<refund reference="r-{amount}">{money(amount)}</refund>', **options)

    def cancel(self, order_code: str) -> Reply:
        return self.modify(order_code, "<cancel/>")

    def inquire(self, order_code: str) -> Reply:
        return self.post(f'<inquiry><orderInquiry orderCode="{order_code}"/></inquiry>')

    def list(self, since: datetime, until: datetime) -> Reply:
        dates = "".join(
            f"<{tag}>{moment:<date dayOfMonth='%d' month='%m' year='%Y' hour='%H' minute='%M'/>}</{tag}>"
            for tag, moment in (("fromDate", since), ("untilDate", until))
        )
        return self.post(f"<inquiry><orderInquiry><dateSearch>{dates}</dateSearch></orderInquiry></inquiry>")

    def books(self, order_code: str) -> dict[str, Any]:
        orders = self.statement(order=order_code)["orders"]
        return dict(orders[0]) if orders else {}

    def statement(self, **query: str | float) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/books.json", query, timeout=20)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@dataclass
class Shopper:
    """A browser without JavaScript, which reads and posts forms."""

    url: str

    def start_challenge(self, reply: Reply, merchant_data: str = "md value+1/=") -> requests.Response:
        return self.post("/worldpay/shopper/3ds/challenge.html", JWT=challenge_token(reply), MD=merchant_data)

    def reach_issuer(self, reply: Reply) -> dict[str, str]:
        """Return the hidden fields of the issuer's form."""
        forwarded = self.start_challenge(reply)
        page = requests.post(form_action(forwarded), hidden_fields(forwarded), timeout=20)
        assert "Confirm your payment" in page.text
        return hidden_fields(page)

    def choose(self, reply: Reply, choice: str) -> requests.Response:
        """Complete the challenge. Return the page whose form leads back to the merchant."""
        fields = self.reach_issuer(reply)
        answer = self.post("/acs/challenge/decision/", **fields, choice=choice)
        return requests.post(form_action(answer), hidden_fields(answer), timeout=20)

    def post(self, path: str, **fields: str) -> requests.Response:
        return requests.post(f"{self.url}{path}", fields, timeout=20)


def turn(url: str, **setting: object) -> dict[str, Any]:
    """Change settings on the scenarios page and return the page's listing."""
    answer = requests.post(f"{url}/scenarios/", json=setting, timeout=20)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def money(amount: int, currency: str = "GBP") -> str:
    return f'<amount value="{amount}" currencyCode="{currency}" exponent="2"/>'


def machine_cookie(reply: Reply) -> str:
    """Return the cookies of a reply, as the next message must send them."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in reply.response.cookies)


def sign(claims: dict[str, Any], key: str = "sandbox-mac-key-for-device-data-and-challenges") -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))


def device_data_claims() -> dict[str, Any]:
    return {
        "jti": str(uuid4()),
        "iat": int(time.time()),
        "iss": "sandbox-issuer",
        "OrgUnitId": "sandbox-unit",
    }


def challenge_claims(reply: Reply) -> dict[str, Any]:
    return {
        **device_data_claims(),
        "ReturnUrl": RETURN_URL,
        "ObjectifyPayload": True,
        "Payload": {
            "ACSUrl": reply.text("acsURL"),
            "Payload": reply.text("payload"),
            "TransactionId": reply.text("transactionId3DS"),
        },
    }


def challenge_token(reply: Reply) -> str:
    return sign(challenge_claims(reply))


def hidden_fields(page: requests.Response) -> dict[str, str]:
    assert page.status_code == 200, page.text
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text))


def form_action(page: requests.Response) -> str:
    found = re.search(r'<form id="forward" method="post" action="([^"]*)">', page.text)
    assert found, page.text
    return found[1]
