"""Descriptions and examples of the fields of public objects.

They are written in one place, the class of the object. The reference of the API, the OpenAPI document and the
schemas of events are made from them.
"""

from typing import Annotated, Any

import msgspec

PAYMENT = "pay_7f3c1d5e9a2b4c6d8e0f1a2b3c4d5e6f"
ATTEMPT = f"{PAYMENT}-1"
OPERATION = "op_1f0e6a8d2c4b5a69788796a5b4c3d2e1"
EVENT = "evt_0192f0c18a5270008000012345678901"
SAVED_CARD = "card_7b1c0de2f35a4e0f9c8d6b5a41e2d3f0"
LINK = "lnk_5d2e8f1a7b3c4d6e9f0a1b2c3d4e5f60"
ENDPOINT = "whk_3a9c5e7d1f2b4c6d8e0f1a2b3c4d5e6f"
DELIVERY = "dlv_8e1d3c5b7a9f4e2d6c0b1a2f3e4d5c6b"
CURSOR = "q3v7mKx9TzWpL2aB8cDeFg"
TIME = "2026-11-28T09:30:00Z"
LATER = "2026-12-04T09:30:00Z"


def told(description: str, *examples: Any) -> msgspec.Meta:
    """Return the description of a field with its examples.

    A field that holds another object needs no example, because the fields of that object have theirs.
    """
    return msgspec.Meta(description=description, examples=list(examples) or None)


def plain(docstring: str) -> str:
    """Return a docstring as Markdown, with one line for each paragraph."""
    paragraphs = docstring.replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


# Fields with the same meaning in several objects.
Amount = Annotated[
    int, told("The amount in minor units of the currency: 1250 is 12.50 GBP, or 1250 JPY.", 1250)
]
Currency = Annotated[str, told("The ISO 4217 code of the currency.", "GBP")]
MerchantCode = Annotated[str, told("The merchant's code, which never changes.", "shop")]
PaymentId = Annotated[str, told("The id of the payment.", PAYMENT)]
OrderReference = Annotated[str, told("The merchant's own order number.", "A-1001")]
OwnData = Annotated[dict[str, str], told("The merchant's own data: names and values.", {"basket": "77"})]
