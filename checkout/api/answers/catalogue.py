"""All problems that the API answers with. ``docs/errors.md`` and the pages of problems are made from them.

A published code keeps its meaning and its status. Texts may change, because programs compare codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checkout import problems as pages
from checkout.conf.api import API_VERSIONS
from payments_gateway.serving import problems as serving
from payments_gateway.serving.problems import Problem

_BEARER = {"WWW-Authenticate": 'Bearer realm="api"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}

KEY_MISSING = Problem(401, "key_missing", "No API key", "The request has no API key.", _BEARER)
KEY_MALFORMED = Problem(401, "key_malformed", "Not an API key", "This is not an API key.", _INVALID)
KEY_UNKNOWN = Problem(401, "key_unknown", "Unknown API key", "There is no such API key.", _INVALID)
KEY_EXPIRED = Problem(401, "key_expired", "API key expired", "This API key has expired.", _INVALID)
KEY_REVOKED = Problem(401, "key_revoked", "API key revoked", "This API key was revoked.", _INVALID)
NETWORK_NOT_ALLOWED = Problem(
    403, "network_not_allowed", "Address not allowed", "This API key may not be used from this address."
)
SCOPE_MISSING = Problem(403, "scope_missing", "Not permitted", "This API key does not permit the request.")
NOT_FOUND = Problem(404, "not_found", "Not found", "There is nothing at this address.")
PAYMENT_NOT_FOUND = Problem(404, "payment_not_found", "Payment not found", "There is no such payment.")
OPERATION_NOT_FOUND = Problem(
    404, "operation_not_found", "Operation not found", "There is no such operation."
)
DISPUTE_NOT_FOUND = Problem(404, "dispute_not_found", "Dispute not found", "The payment has no dispute.")
EVENT_NOT_FOUND = Problem(404, "event_not_found", "Event not found", "There is no such event.")
LINK_NOT_FOUND = Problem(
    404, "payment_link_not_found", "Payment link not found", "There is no such payment link."
)
SAVED_CARD_NOT_FOUND = Problem(
    404, "saved_card_not_found", "Saved card not found", "There is no such saved card."
)
WEBHOOK_NOT_FOUND = Problem(
    404, "webhook_not_found", "Webhook not found", "There is no such webhook endpoint or delivery."
)
METHOD_NOT_ALLOWED = Problem(
    405, "method_not_allowed", "Method not allowed", "This address does not support the method."
)
API_VERSION_UNKNOWN = Problem(400, "api_version_unknown", "Unknown version", "The API has no such version.")
NOT_ACCEPTABLE = Problem(
    406, "not_acceptable", "Not acceptable", "Answers are only available as application/json."
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    415,
    "unsupported_media_type",
    "Unsupported media type",
    "Send the body as uncompressed JSON, with the header Content-Type: application/json.",
    {"Accept": "application/json", "Accept-Encoding": "identity"},
)
MALFORMED_JSON = Problem(400, "malformed_json", "Not JSON", "The body is not valid JSON.")
INVALID_REQUEST = Problem(422, "invalid_request", "Invalid request", "Fields are missing or invalid.")
KEY_REQUIRED = Problem(
    400, "idempotency_key_missing", "No Idempotency-Key", "This request needs the header Idempotency-Key."
)
KEY_NOT_READABLE = Problem(
    400,
    "idempotency_key_malformed",
    "Idempotency-Key malformed",
    "An Idempotency-Key has 1 to 255 visible ASCII characters, and no spaces, commas, quotation marks or "
    "backslashes.",
)
KEY_REUSED = Problem(
    422,
    "idempotency_key_reused",
    "Idempotency-Key reused",
    "This Idempotency-Key was used for another request.",
)
KEY_IN_USE = Problem(
    409, "idempotency_key_in_use", "Still running", "The request with this Idempotency-Key is still running."
)
ANSWER_LOST = Problem(
    409,
    "idempotent_answer_lost",
    "Answer not readable",
    "The request with this Idempotency-Key was carried out, but its stored answer can no longer be "
    "decrypted.",
)
NO_PROVIDER_ACCOUNT = Problem(
    409,
    "no_provider_account",
    "No provider account",
    "The merchant has no account with a payment provider, so the payment could not be paid.",
)
ORDER_HAS_PAYMENT = Problem(
    409, "order_has_payment", "Order has a payment", "The order already has a payment with other values."
)
SAVED_CARD_NOT_USABLE = Problem(
    409, "saved_card_not_usable", "Saved card not usable", "The saved card cannot be charged."
)
NOT_POSSIBLE_NOW = Problem(
    409, "not_possible_now", "Not possible now", "The payment's state does not allow this."
)
NOT_A_TRY_OUT = Problem(
    403, "not_a_try_out", "Not a try-out", "Only the time of a try-out can be moved: this is a real gateway."
)
ENDPOINT_DISABLED = Problem(
    409, "endpoint_disabled", "Endpoint disabled", "The endpoint is disabled, so nothing is sent to it."
)
AMOUNT_NOT_AVAILABLE = Problem(
    409, "amount_not_available", "Amount not available", "The amount is greater than the amount that is left."
)
PAYMENT_DISPUTED = Problem(
    409, "payment_disputed", "Payment disputed", "A dispute claims money that was to be refunded."
)
REFUNDABLE_CHANGED = Problem(
    409,
    "refundable_changed",
    "Refundable amount changed",
    "The refundable amount differs from the expected amount.",
)
QUOTA_EXCEEDED = Problem(
    429, "quota_exceeded", "Too many requests", "This API key has used up its quota of requests."
)
TOO_MANY_UNKNOWN_KEYS = Problem(
    429,
    "too_many_unknown_keys",
    "Too many unknown keys",
    "Too many requests with unknown API keys have come from this address.",
)
TOO_MANY_HELD = Problem(
    429,
    "too_many_held",
    "Too many requests waiting",
    "Too many requests of this API key are waiting for an answer.",
    {"Retry-After": "1"},
)
UNAVAILABLE = Problem(
    503,
    "unavailable",
    "Not available right now",
    "It is not known if the request was carried out. Repeat it with the same Idempotency-Key.",
    {"Retry-After": "5"},
)
BROKEN = Problem(500, "internal_error", "Internal error", "The gateway failed to handle the request.")


# The problem is the same for another merchant's object and for an object that does not exist.
_NOT_YOURS = "It does not exist, or belongs to another merchant."


@dataclass(frozen=True, slots=True)
class Entry:
    """A problem of the catalogue, with advice for the developer who meets it.

    ``members`` is an example of the further members of its document.
    """

    problem: Problem
    advice: str
    members: Mapping[str, Any] = field(default_factory=dict)


_ENTRIES = (
    Entry(KEY_MISSING, "Send the header `Authorization: Bearer sk_…`."),
    Entry(
        KEY_MALFORMED,
        "Send `Authorization: Bearer sk_…`, not Basic. A key begins with sk_test_ or sk_live_. Check that "
        "the key is complete and has no quotation marks around it.",
    ),
    Entry(KEY_UNKNOWN, "Compare its first characters with the list of keys in the back office."),
    Entry(KEY_EXPIRED, "Use its successor, or have one made in the back office."),
    Entry(KEY_REVOKED, "Have a new one made in the back office, and find out why this one was revoked."),
    Entry(
        NETWORK_NOT_ALLOWED,
        "The key may be used only from the networks that are listed with it. Check if a new proxy has "
        "changed the address that your requests come from.",
    ),
    Entry(
        SCOPE_MISSING,
        "The member `scope` names the scope that the request needs.",
        {"scope": "payments:refund"},
    ),
    Entry(NOT_FOUND, "Compare the address with the OpenAPI document."),
    Entry(PAYMENT_NOT_FOUND, _NOT_YOURS),
    Entry(OPERATION_NOT_FOUND, _NOT_YOURS),
    Entry(
        DISPUTE_NOT_FOUND,
        "No issuer has taken money of the payment back or asked about it, or it is another merchant's.",
    ),
    Entry(EVENT_NOT_FOUND, _NOT_YOURS),
    Entry(LINK_NOT_FOUND, _NOT_YOURS),
    Entry(SAVED_CARD_NOT_FOUND, _NOT_YOURS),
    Entry(WEBHOOK_NOT_FOUND, _NOT_YOURS),
    Entry(METHOD_NOT_ALLOWED, "The header Allow lists the methods of the address."),
    Entry(
        API_VERSION_UNKNOWN,
        "The member `versions` lists all versions. Without the header Api-Version, the version of the key "
        "applies.",
        {"versions": list(API_VERSIONS)},
    ),
    Entry(NOT_ACCEPTABLE, "Leave out the header Accept, or accept application/json."),
    Entry(UNSUPPORTED_MEDIA_TYPE, "Send JSON in UTF-8, uncompressed."),
    Entry(
        MALFORMED_JSON,
        "Send one JSON object in UTF-8, without repeated names, at most 16 levels deep.",
    ),
    Entry(
        INVALID_REQUEST,
        "The member `errors` names each field (a JSON pointer), query parameter or header.",
        {"errors": [{"detail": "This field is required.", "pointer": "/amount"}]},
    ),
    Entry(
        KEY_REQUIRED, "Make a random key for each action, and send it again with each retry of that action."
    ),
    Entry(
        KEY_NOT_READABLE,
        "Send a UUID, with or without quotation marks around it. A key with digits that look like a card "
        "number is refused, too; `errors` says so.",
    ),
    Entry(
        KEY_REUSED,
        "The member `errors` names the fields that differ. Use a key for one action only.",
    ),
    Entry(KEY_IN_USE, "Wait for Retry-After and repeat the request, or read the address in Location."),
    Entry(
        ANSWER_LOST,
        "Find the object that the request created, for example the payment by its `order_reference`. The "
        "gateway's operators have removed the secret key with which the answer was encrypted. A new "
        "Idempotency-Key would carry out the action a second time.",
    ),
    Entry(
        NO_PROVIDER_ACCOUNT,
        "Ask the gateway's operators to add an account in the back office. `manage.py gateway doctor` lists "
        "merchants without an account.",
    ),
    Entry(ORDER_HAS_PAYMENT, "The member `errors` names the first field that differs from the payment's."),
    Entry(
        SAVED_CARD_NOT_USABLE,
        "`detail` says why: the card was removed or has expired, or its provider account cannot charge it. "
        "Nothing was created. Create the payment without the card, and send the customer to `checkout_url`.",
    ),
    Entry(
        NOT_POSSIBLE_NOW,
        "Read the payment: `state` and `available_actions` say what is possible. If `detail` says that the "
        "database was restored, try again later.",
    ),
    Entry(NOT_A_TRY_OUT, "Test with a gateway that runs with `CHECKOUT_TRY_OUT`, such as `make demo`."),
    Entry(ENDPOINT_DISABLED, "Read the endpoint: `disabled` says why. Then enable it."),
    Entry(
        AMOUNT_NOT_AVAILABLE,
        "The member `available` is the amount that is left, in minor units.",
        {"available": 1000, "currency": "GBP"},
    ),
    Entry(
        PAYMENT_DISPUTED,
        "The issuer may have taken the money back already. `available` can be refunded. Read the payment "
        "later: `amounts.dispute_claimed` is 0 once the dispute has been looked into.",
        {"available": 0, "currency": "GBP"},
    ),
    Entry(
        REFUNDABLE_CHANGED,
        "The payment was changed in the meantime. The member `refundable` is the amount that is left. Decide "
        "again.",
        {"refundable": 1000},
    ),
    Entry(TOO_MANY_UNKNOWN_KEYS, "Wait for Retry-After, and find the program that still uses an old key."),
    Entry(
        QUOTA_EXCEEDED,
        "Wait for Retry-After. The header RateLimit of each answer shows how many requests are left.",
    ),
    Entry(
        TOO_MANY_HELD, "Repeat the request later, or send `Prefer: respond-async`, which is answered at once."
    ),
    Entry(UNAVAILABLE, "Repeat the request with the same Idempotency-Key after Retry-After."),
    Entry(
        BROKEN,
        "Repeat the request with the same Idempotency-Key. If it fails again, report the `request_id` to the "
        "gateway's operators.",
    ),
    Entry(
        pages.CARD_NUMBER,
        "Remove card numbers from everything that you send. The number was not stored.",
    ),
    Entry(serving.MALFORMED, "Check that the request is valid HTTP, and that its Host is the gateway's."),
    Entry(serving.TOO_LARGE, "A body has at most 256 KiB, unless the gateway is configured otherwise."),
    Entry(serving.TARGET_TOO_LONG, "Shorten the query: address and query have at most 8,192 bytes."),
    Entry(serving.HEADERS_TOO_LARGE, "Send fewer or smaller headers: at most 100, and 64 KiB in all."),
    Entry(serving.TOO_SLOW, "Send the body without pauses."),
    Entry(
        serving.TOO_MANY,
        "Too many requests of your address, or of your key, are under way at once. Repeat after Retry-After.",
    ),
    Entry(serving.FULL, "The gateway is at its limit. Repeat after Retry-After."),
)
CATALOGUE: dict[str, Entry] = {entry.problem.code: entry for entry in _ENTRIES}
