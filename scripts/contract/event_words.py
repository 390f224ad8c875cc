"""The meaning of each field of events and of the objects in them, and an example of it."""

from collections.abc import Mapping

from scripts.contract.words import FIELDS, PAYMENT, Field

TIME = "2026-11-28T09:30:00Z"
OTHERS: Mapping[str, Field] = {
    "id": Field("The reference of the object.", "evt_0192f0c18a5270008000012345678901"),
    "object": Field("The kind of object.", "event"),
    "type": Field("The type. Later versions may add types.", "payment.captured"),
    "live": Field("False for a merchant that is only tried out.", False),
    "sequence": Field("The number of the event among those of its payment: 1, 2, 3 and so on.", 5),
    "merchant": Field("The merchant's code.", "shop"),
    "operation": Field("The reference of the operation, if the event is about one.", None),
    "data": Field("The object after the change, and what belongs to it.", None),
    "changes": Field("The earlier values of the object's fields that changed.", {"state": "capture_pending"}),
    "metadata": Field("The merchant's own data: names and values.", {"basket": "77"}),
    "left_out": Field("Fields that were emptied, because the event would have been too long.", []),
    "is_final": Field("True if no money will be taken any more. Only refunds and disputes may follow.", True),
    "can_retry": Field("True if the last attempt was declined, and another one may start.", False),
    "amount": Field("The amount in minor units of the currency.", 1250),
    "amounts": Field("Sums in minor units.", None),
    "authorised": Field("The amount that the issuer has authorised.", 1250),
    "capturable": Field("The amount that may still be captured.", 0),
    "captured": Field("The amount captured.", 1250),
    "refunded": Field("The amount refunded.", 0),
    "refundable": Field("The amount that may still be refunded.", 1250),
    "disputed": Field("The amount that issuers have taken back.", 0),
    "dispute_claimed": Field("The amount that disputes claim beside it, and that cannot be refunded.", 0),
    "available_actions": Field("The requests that may be made now.", ["refund"]),
    "next_action": Field("The address to which the shopper has to go, if anywhere.", None),
    "url": Field("The address.", f"https://pay.example/checkout/{PAYMENT}/"),
    "last_error": Field("The last refusal.", None),
    "code": Field("The reason, as a word of ours.", "insufficient_funds"),
    "decline_code": Field("The provider's code, if it told one.", "51"),
    "message": Field("The reason in words, for a programmer.", "The attempt was refused."),
    "shopper_message": Field("The next step in words, for a shopper.", "Please use another card."),
    "card": Field("As much of the card as may be shown.", {"brand": "visa", "last4": "1111"}),
    "brand": Field("The card's brand.", "visa"),
    "last4": Field("The last four digits.", "1111"),
    "customer_email": Field("The shopper's address; blank if there is none.", "shopper@example.com"),
    "customer_reference": Field("The merchant's own id of its customer; blank without one.", "customer-7"),
    "return_url": Field(
        "The address to which the shopper returns afterwards.", "https://shop.example/thanks"
    ),
    "cancel_url": Field("The address for a shopper who gives up.", "https://shop.example/basket"),
    "checkout_url": Field(
        "The address at which the payment is paid.", f"https://pay.example/checkout/{PAYMENT}/"
    ),
    "captures_automatically": Field("True if the money is taken as soon as it is authorised.", True),
    "created_at": Field("The time at which the object was made.", TIME),
    "updated_at": Field("The time of its last change.", TIME),
    "expires_at": Field("The time after which no attempt may start.", None),
    "effective_expires_at": Field("The time at which an unpaid payment expires by itself.", None),
    "capture_before": Field("The time at which an authorised payment is voided by itself.", None),
    "payment_link": Field("The id of the payment link that has made the payment.", None),
    "saved_card": Field("The id of the saved card that the payment was made to charge.", None),
    "merchant_initiated": Field("The reason for which a saved card is charged without the shopper.", None),
    "version": Field("The number of the payment's moves, also those of its money within a state.", 4),
    "number": Field("The number of the attempt: 1, 2, 3 and so on.", 1),
    "three_d_secure": Field("The authentication by the issuer, if anything is known of one.", None),
    "result": Field("The result of the authentication, if it is known.", "authenticated"),
    "outcome_at": Field("The time at which the outcome became known, if it has.", None),
    "protocol_version": Field("The version of 3-D Secure, if it is known.", "2.2.0"),
    "challenged": Field("True if the issuer has asked the shopper to confirm.", False),
    "reason": Field("The requester's reason.", ""),
    "requested_by": Field("The requester: a user, a program or a timer.", "saga"),
    "final_capture": Field("True if nothing more is to be captured afterwards.", False),
    "state": Field("The state of the object.", "captured"),
}
# Fields of the data of events whose names have another meaning in the objects.
DATA_MEANINGS: Mapping[str, str] = {
    "object": "The payment or the operation after the change.",
    "latest_attempt": "The latest attempt, which has no events of its own.",
    "operations": "The captures and voids of the purchase itself, which have no events of their own.",
}
EVENT_FIELDS: Mapping[str, Field] = {**FIELDS, **OTHERS}
