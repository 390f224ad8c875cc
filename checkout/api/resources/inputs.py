"""The bodies and queries of requests. ``checkout.payments.actions`` checks their meaning, for all callers."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from checkout.api.requests.fields import (
    Choice,
    Flag,
    Metadata,
    QueryFlag,
    QueryTime,
    Strict,
    Text,
    Time,
    Whole,
)
from checkout.payments.objects import OperationKind, OperationState, PaymentStatus
from checkout.payments.providers.saved_cards import MerchantInitiated

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


class LineInput(Strict):
    """A line of the order."""

    sku = Text(max_length=50)
    quantity = Whole(min_value=1, max_value=1_000_000)


class CreatePayment(Strict):
    """The payment of an order. ``amount`` is in minor units of ``currency``."""

    order_reference = Text(max_length=100, help_text="The order's number, unique for the merchant.")
    amount = Whole(min_value=1, max_value=MOST, help_text="The amount in minor units: 1250 is 12.50 EUR.")
    currency = Text(min_length=3, max_length=3, help_text="ISO 4217, in capitals.")
    description = Text(max_length=50, help_text="What is paid for, as the shopper reads it.")
    customer_email = Text(
        required=False,
        allow_blank=True,
        max_length=254,
        default="",
        help_text="The address to which the receipt is sent.",
    )
    lines: Any = serializers.ListSerializer(
        child=LineInput(),
        required=False,
        max_length=MOST_LINES,
        default=list,
        help_text="The items to reserve in the gateway's stock. If an item is out of stock, the attempt is "
        "declined with `out_of_stock`.",
    )
    return_url = Text(required=False, allow_blank=True, max_length=500, default="", help_text=RETURN)
    cancel_url = Text(required=False, allow_blank=True, max_length=500, default="", help_text=CANCEL)
    locale = Text(required=False, allow_blank=True, max_length=35, default="", help_text=LOCALE)
    metadata = Metadata(required=False, default=dict, help_text="At most 50 names of 40 characters each.")
    expires_at = Time(required=False, allow_null=True, default=None)
    captures_automatically = Flag(required=False, default=True, help_text=CAPTURES)
    customer_reference = Text(
        required=False, allow_blank=True, max_length=64, default="", help_text=CUSTOMER_REFERENCE
    )
    saved_card = Text(
        required=False,
        max_length=37,
        validators=[
            RegexValidator(
                r"^card_[0-9a-f]{32}\Z",
                "This is not the id of a saved card: card_ and 32 hexadecimal digits.",
            )
        ],
        help_text="Charge this saved card at once. This requires `merchant_initiated` and the scope "
        "`saved_cards:charge`.",
    )
    merchant_initiated = Choice(
        choices=[str(each) for each in MerchantInitiated],
        required=False,
        help_text="The reason for charging the card without the customer. Only with `saved_card`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a saved card without a reason, and a reason without a saved card."""
        missing = {"saved_card", "merchant_initiated"} - attrs.keys()
        if len(missing) == 1:
            raise ValidationError({missing.pop(): ["This field is required as well."]})
        return attrs


class CreatePaymentLink(Strict):
    """A link, and the payments that shoppers make with it. ``amount`` is in minor units of ``currency``."""

    order_reference = Text(
        max_length=100,
        help_text="With `reusable`, the payments get `-1`, `-2` and so on appended, and no other reusable "
        "link may have this reference.",
    )
    amount = Whole(min_value=1, max_value=MOST)
    currency = Text(min_length=3, max_length=3, help_text="ISO 4217, in capitals.")
    description = Text(max_length=50, help_text="What is paid for, as the shopper reads it.")
    reusable = Flag(
        required=False,
        default=False,
        help_text="Each shopper who opens the link gets a payment of their own.",
    )
    max_quantity = Whole(
        required=False,
        min_value=1,
        max_value=100,
        default=1,
        help_text="How many shoppers may buy at once, each for `amount`. Only with `reusable`. The payment's "
        "metadata then has the chosen `quantity`.",
    )
    min_amount = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="The least that shoppers may choose to pay. Only with `max_amount`; then 1 by default.",
    )
    max_amount = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST,
        default=None,
        help_text="With it, shoppers choose the amount, up to this one, and `amount` is only suggested. Only "
        "with `reusable`.",
    )
    asks_email = Flag(
        required=False,
        default=False,
        help_text="The page asks for the shopper's e-mail address, to which the receipt goes.",
    )
    return_url = Text(required=False, allow_blank=True, max_length=500, default="", help_text=RETURN)
    metadata = Metadata(required=False, default=dict, help_text="The metadata of the payments.")
    expires_at = Time(
        required=False,
        allow_null=True,
        default=None,
        help_text="The time at which the link and its unpaid payments expire. The default is 365 days, or "
        "never if the link is `reusable`.",
    )


class Noted(Strict):
    """The fields of every request about a payment's money."""

    reason = Text(required=False, allow_blank=True, max_length=200, default="")
    metadata = Metadata(required=False, default=dict, help_text="Merged into the payment's metadata.")


FINAL_CAPTURE = (
    "The rest of the authorisation cannot be captured later. The provider is not told: the rest expires at "
    "the issuer, like any authorisation that is not captured."
)


class Capture(Noted):
    """The capture of an amount, or of all that is left."""

    amount = Whole(required=False, min_value=1, max_value=MOST)
    final_capture = Flag(required=False, default=False, help_text=FINAL_CAPTURE)


class Refund(Noted):
    """The refund of an amount, or of all that is left."""

    amount = Whole(required=False, min_value=1, max_value=MOST)
    expected_refundable = Whole(
        required=False,
        min_value=0,
        max_value=MOST,
        help_text="The request is refused if the refundable amount differs from this.",
    )


class Void(Noted):
    """The release of an authorisation."""


class Cancel(Strict):
    """The end of an unpaid payment."""


class Page(serializers.Serializer[Any]):
    """A page of a list, newest first. ``cursor`` is the ``next_cursor`` of the page before."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, default=20)
    cursor = serializers.CharField(required=False, max_length=60, default="")


class Created(Page):
    """A page of the objects that were created in a period, whose end is excluded."""

    created_from = QueryTime(required=False, default=None)
    created_to = QueryTime(required=False, default=None)


class Payments(Created):
    """The filters of payments."""

    order_reference = serializers.CharField(required=False, max_length=100, trim_whitespace=False, default="")
    customer_email = serializers.CharField(required=False, max_length=254, default="")
    state = serializers.ChoiceField(choices=[str(each) for each in PaymentStatus], required=False, default="")


class SavedCards(Page):
    """A page of the cards of one customer."""

    customer_reference = serializers.CharField(max_length=64, trim_whitespace=False)


class ByOrder(serializers.Serializer[Any]):
    """The number of an order."""

    order_reference = serializers.CharField(max_length=100, trim_whitespace=False)


class Operations(serializers.Serializer[Any]):
    """The filters of a payment's operations."""

    kind = serializers.ChoiceField(choices=[str(each) for each in OperationKind], required=False, default="")
    state = serializers.ChoiceField(
        choices=[str(each) for each in OperationState], required=False, default=""
    )


class Events(Created):
    """The filters of events: by payment or operation, and by types that are separated by commas."""

    object_id = serializers.RegexField(
        r"^(pay|op)_[0-9a-f]{32}\Z",
        required=False,
        default="",
        error_messages={
            "invalid": "This is not the id of a payment or an operation: pay_ or op_, and 32 hexadecimal "
            "digits."
        },
    )
    types = serializers.RegexField(
        r"^[a-z_.]{1,40}(,[a-z_.]{1,40}){0,50}\Z",
        required=False,
        default="",
        error_messages={"invalid": "Give the full name of each type, separated by commas."},
    )
    delivered = QueryFlag(
        required=False,
        default=None,
        help_text="`true`: every endpoint that receives the event has confirmed it. `false`: at least one "
        "has not. Endpoints that were disabled or did not exist at the time of the event do not receive it, "
        "and do not count. Send such events with the endpoint's `resend` and `since`.",
    )
