"""The bodies and queries of requests. ``checkout.payments.actions`` checks their meaning, for all callers."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from checkout.api.requests.fields import (
    Choice,
    CommaSeparated,
    CurrencyCode,
    Flag,
    Metadata,
    MetadataChange,
    MinorUnits,
    NameAndValue,
    Parts,
    Pattern,
    QueryFlag,
    QueryTime,
    QueryWhole,
    Strict,
    Text,
    Time,
    Whole,
)
from checkout.described import CURSOR, LATER, PAYMENT, SAVED_CARD, TIME
from checkout.payments.objects import OperationKind, OperationState, PaymentStatus
from checkout.payments.providers.saved_cards import MerchantInitiated
from checkout.references import form_of

MOST = 9_999_999_999
MOST_LINES = 500


CUSTOMER_REFERENCE = (
    "Your own id of the customer, but not a name or an e-mail address. With it, the customer can save the "
    "card on the checkout page."
)
WITH_PAYMENT = (
    "Its origin must be registered with the merchant. The gateway adds the query parameter `payment` with "
    "the payment's id. It does not add the payment's state: read the payment."
)
RETURN = f"The address of the link on the page with the result. {WITH_PAYMENT}"
CANCEL = f"The address of the link with which a shopper leaves the card form without paying. {WITH_PAYMENT}"
LOCALE = (
    "The language of the shopper's pages and receipt, and of their sums and dates: a tag like de or de-CH. "
    "The pages have Arabic, Dutch, English, French, German, Italian, Polish, Portuguese, Spanish and Welsh. "
    "Without a locale, or for another language, the shopper's browser chooses."
)
CAPTURES = (
    "If false, capture the payment yourself. An authorisation that is not captured is voided after 6 days, "
    "unless the gateway is configured otherwise."
)
METADATA = "Your own data: at most 50 names of 40 characters each, with texts of 500 characters."
DESCRIPTION = "What is paid for, as the shopper reads it."
AMOUNT = "The amount in minor units of `currency`: 1250 is 12.50 EUR, or 1250 JPY."
CURRENCY = "The ISO 4217 code of the currency, in capitals."
CUSTOMER = "customer-7"


def _amount() -> MinorUnits:
    return MinorUnits(min_value=1, max_value=MOST, help_text=AMOUNT, example=1250)


def _currency() -> CurrencyCode:
    return CurrencyCode(min_length=3, max_length=3, help_text=CURRENCY, example="GBP")


def _optional(most: int, told: str, example: str) -> Text:
    """Return a field for an optional text. A blank text is the same as none."""
    return Text(
        required=False, allow_blank=True, max_length=most, default="", help_text=told, example=example
    )


class LineInput(Strict):
    """A line of the order."""

    sku = Text(max_length=50, help_text="Your name of the goods, as in the gateway's stock.", example="tea")
    quantity = Whole(min_value=1, max_value=1_000_000, help_text="The number of pieces.", example=2)


class CreatePayment(Strict):
    """The payment of an order."""

    order_reference = Text(
        max_length=100, help_text="The order's number, unique for the merchant.", example="A-1001"
    )
    amount = _amount()
    currency = _currency()
    description = Text(max_length=50, help_text=DESCRIPTION, example="Tea")
    customer_email = _optional(254, "The address to which the receipt is sent.", "shopper@example.com")
    lines: Any = Parts(
        child=LineInput(),
        required=False,
        max_length=MOST_LINES,
        default=list,
        help_text="The items to reserve in the gateway's stock. If an item is out of stock, the attempt is "
        "declined with `out_of_stock`.",
        example=[],
    )
    return_url = _optional(500, RETURN, "https://shop.example/thanks")
    cancel_url = _optional(500, CANCEL, "https://shop.example/basket")
    locale = _optional(35, LOCALE, "en-GB")
    metadata = Metadata(required=False, default=dict, help_text=METADATA, example={"basket": "77"})
    expires_at = Time(
        required=False,
        allow_null=True,
        default=None,
        help_text="The time after which no attempt may start. Without it, an unpaid payment expires some "
        "time after it was last touched: read `effective_expires_at`.",
        example=LATER,
    )
    captures_automatically = Flag(required=False, default=True, help_text=CAPTURES, example=True)
    customer_reference = _optional(64, CUSTOMER_REFERENCE, CUSTOMER)
    saved_card = Text(
        required=False,
        max_length=37,
        validators=[
            RegexValidator(
                rf"^{form_of('card')}\Z",
                "This is not the id of a saved card: card_ and 32 hexadecimal digits.",
            )
        ],
        help_text="Charge this saved card at once. This requires `merchant_initiated` and the scope "
        "`saved_cards:charge`.",
        example=SAVED_CARD,
    )
    merchant_initiated = Choice(
        choices=[str(each) for each in MerchantInitiated],
        required=False,
        help_text="The reason for charging the card without the customer. Only with `saved_card`.",
        example="recurring",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require a reason with a saved card, and a saved card with a reason."""
        missing = {"saved_card", "merchant_initiated"} - attrs.keys()
        if len(missing) == 1:
            raise ValidationError({missing.pop(): ["This field is required as well."]})
        return attrs


class CreatePaymentLink(Strict):
    """A payment link, and the payments that shoppers make with it."""

    order_reference = Text(
        max_length=100,
        help_text="The order's number. With `reusable`, the payments get `-1`, `-2` and so on appended, and "
        "no other reusable link may have this reference.",
        example="INV-7",
    )
    amount = _amount()
    currency = _currency()
    description = Text(max_length=50, help_text=DESCRIPTION, example="Invoice 7")
    reusable = Flag(
        required=False,
        default=False,
        help_text="Each shopper who opens the link gets a payment of their own.",
        example=False,
    )
    max_quantity = Whole(
        required=False,
        min_value=1,
        max_value=100,
        default=1,
        help_text="How many shoppers may buy at once, each for `amount`. Only with `reusable`. The payment's "
        "metadata then has the chosen `quantity`.",
        example=1,
    )
    min_amount = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="The least that shoppers may choose to pay. Only with `max_amount`; then 1 by default.",
        example=500,
    )
    max_amount = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="With it, shoppers choose the amount, up to this one, and `amount` is only suggested. Only "
        "with `reusable`.",
        example=5000,
    )
    asks_email = Flag(
        required=False,
        default=False,
        help_text="The page asks for the shopper's e-mail address, to which the receipt goes.",
        example=False,
    )
    return_url = _optional(500, RETURN, "https://shop.example/thanks")
    metadata = Metadata(
        required=False, default=dict, help_text="The metadata of the payments.", example={"invoice": "7"}
    )
    expires_at = Time(
        required=False,
        allow_null=True,
        default=None,
        help_text="The time at which the link and its unpaid payments expire. The default is 365 days, or "
        "never if the link is `reusable`.",
        example=LATER,
    )


class Noted(Strict):
    """The fields of every request about a payment's money."""

    reason = _optional(200, "The reason, for your records.", "one tin was broken")
    metadata = Metadata(
        required=False,
        default=dict,
        help_text="The metadata of the operation: that of the payment, with these names added or replaced.",
        example={"return": "R-12"},
    )


FINAL_CAPTURE = (
    "The rest of the authorisation cannot be captured later. The provider is not told: the rest expires at "
    "the issuer, like any authorisation that is not captured."
)
PART = "The amount in minor units of the payment's currency. Without it, all that is left."


class Capture(Noted):
    """The capture of an amount, or of all that is left."""

    amount = MinorUnits(required=False, min_value=1, max_value=MOST, help_text=PART, example=1250)
    final_capture = Flag(required=False, default=False, help_text=FINAL_CAPTURE, example=False)


class Refund(Noted):
    """The refund of an amount, or of all that is left."""

    amount = MinorUnits(required=False, min_value=1, max_value=MOST, help_text=PART, example=250)
    expected_refundable = MinorUnits(
        required=False,
        min_value=0,
        max_value=MOST,
        help_text="The refundable amount that you know of. The request is refused if it differs.",
        example=1250,
    )


class Void(Noted):
    """The release of the authorised money."""


class ChangePayment(Strict):
    """The fields of a payment that are to change. The others stay as they are."""

    metadata = MetadataChange(
        help_text="Names with their new values, or with null to remove them. Other names stay. Operations "
        "that were requested before keep what they have.",
        example={"basket": "78", "campaign": None},
    )


class Cancel(Strict):
    """The cancellation of an unpaid payment."""


class AdvanceClock(Strict):
    """The time by which a payment's clock is moved forward."""

    seconds = Whole(
        min_value=1,
        max_value=366 * 86_400,
        help_text="The seconds by which the payment's time is moved forward.",
        example=86_400,
    )


class Page(serializers.Serializer[Any]):
    """A page of a list, newest first."""

    limit = QueryWhole(
        required=False,
        min_value=1,
        max_value=100,
        default=20,
        help_text="The greatest number of objects in the page.",
        example=20,
    )
    cursor = Text(
        required=False,
        max_length=60,
        default="",
        help_text="`next_cursor` of the page before. Without it, the list begins.",
        example=CURSOR,
    )


class Created(Page):
    """A page of the objects that were created in a period, whose end is excluded."""

    created_from = QueryTime(
        required=False, default=None, help_text="The beginning of the period.", example=TIME
    )
    created_to = QueryTime(
        required=False, default=None, help_text="The end of the period, which is excluded.", example=LATER
    )


class OfAmounts(Created):
    """The filters of lists whose objects have amounts."""

    currency = CurrencyCode(
        required=False, min_length=3, max_length=3, default="", help_text=CURRENCY, example="GBP"
    )
    amount_from = QueryWhole(
        required=False,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="The smallest amount, in minor units.",
        example=1000,
    )
    amount_to = QueryWhole(
        required=False,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="The greatest amount, in minor units. The same as `amount_from` finds one amount.",
        example=5000,
    )


class Payments(OfAmounts):
    """The filters of payments. A payment is listed if it passes all of them."""

    order_reference = Text(
        required=False, max_length=100, default="", help_text="The order's number.", example="A-1001"
    )
    customer_reference = Text(
        required=False, max_length=64, default="", help_text="Your own id of the customer.", example=CUSTOMER
    )
    customer_email = Text(
        required=False,
        max_length=254,
        trim_whitespace=True,
        default="",
        help_text="The shopper's address, in capitals or not.",
        example="shopper@example.com",
    )
    metadata = NameAndValue(
        required=False,
        default=None,
        help_text="A name of the metadata with its value, and a colon between them.",
        example="basket:77",
    )
    text = Text(
        required=False,
        min_length=3,
        max_length=100,
        default="",
        help_text="A part of the order's number or of the shopper's address, in capitals or not.",
        example="A-10",
    )
    state = CommaSeparated(
        choices=[str(each) for each in PaymentStatus],
        help_text="States of the payment, separated by commas.",
        example=["captured", "partially_refunded"],
    )


class AllOperations(OfAmounts):
    """The filters of operations. An operation is listed if it passes all of them."""

    kind = CommaSeparated(
        choices=[str(each) for each in OperationKind],
        help_text="Kinds of operations, separated by commas.",
        example=["refund"],
    )
    state = CommaSeparated(
        choices=[str(each) for each in OperationState],
        help_text="States of the operation, separated by commas.",
        example=["requested", "pending"],
    )


class SavedCards(Page):
    """A page of the cards of one customer."""

    customer_reference = Text(max_length=64, help_text="Your own id of the customer.", example=CUSTOMER)


class ByOrder(serializers.Serializer[Any]):
    """A query by the order number."""

    order_reference = Text(max_length=100, help_text="The order's number.", example="A-1001")


class Operations(serializers.Serializer[Any]):
    """The filters of one payment's operations."""

    kind = Choice(
        choices=[str(each) for each in OperationKind],
        required=False,
        default="",
        help_text="The kind of operation.",
        example="refund",
    )
    state = Choice(
        choices=[str(each) for each in OperationState],
        required=False,
        default="",
        help_text="The state of the operation.",
        example="succeeded",
    )


class Events(Created):
    """The filters of events."""

    object_id = Pattern(
        rf"^{form_of('(pay|op)')}\Z",
        required=False,
        default="",
        error_messages={
            "invalid": "This is not the id of a payment or an operation: pay_ or op_, and 32 hexadecimal "
            "digits."
        },
        help_text="The id of a payment, whose operations are included, or of an operation.",
        example=PAYMENT,
    )
    types = Pattern(
        r"^[a-z_.]{1,40}(,[a-z_.]{1,40}){0,50}\Z",
        required=False,
        default="",
        error_messages={"invalid": "Give the full name of each type, separated by commas."},
        help_text="Types of events, separated by commas.",
        example="payment.captured,refund.succeeded",
    )
    delivered = QueryFlag(
        required=False,
        default=None,
        help_text="`true`: every endpoint that receives the event has confirmed it. `false`: at least one "
        "has not. Endpoints that were disabled or did not exist at the time of the event do not receive it, "
        "and do not count. Send such events with the endpoint's `resend` and `since`.",
        example="false",
    )
