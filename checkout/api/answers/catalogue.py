"""All problems that the API answers with, from which ``docs/errors.md`` and the pages of problems are made.

A code, once published, keeps its meaning and its status. Texts may change: programs compare codes.
"""

from dataclasses import dataclass

from checkout import problems as pages
from payments_gateway.serving import problems as serving
from payments_gateway.serving.problems import Problem

_BEARER = {"WWW-Authenticate": 'Bearer realm="api"'}
_INVALID = {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}

KEY_MISSING = Problem(401, "key_missing", "No API key", "The request has no API key.", _BEARER)
KEY_MALFORMED = Problem(
    401, "key_malformed", "Not an API key", "This has not the form of an API key.", _INVALID
)
KEY_UNKNOWN = Problem(401, "key_unknown", "Unknown API key", "There is no such API key.", _INVALID)
KEY_EXPIRED = Problem(401, "key_expired", "API key expired", "This API key has expired.", _INVALID)
KEY_REVOKED = Problem(401, "key_revoked", "API key revoked", "This API key was revoked.", _INVALID)
NETWORK_NOT_ALLOWED = Problem(
    403, "network_not_allowed", "Address not allowed", "This API key may not be used from this address."
)
SCOPE_MISSING = Problem(403, "scope_missing", "Not permitted", "This API key does not permit the request.")
NOT_FOUND = Problem(404, "not_found", "Not found", "There is nothing at this address.")
PAYMENT_NOT_FOUND = Problem(404, "payment_not_found", "Payment not found", "You have no such payment.")
OPERATION_NOT_FOUND = Problem(
    404, "operation_not_found", "Operation not found", "You have no such operation."
)
EVENT_NOT_FOUND = Problem(404, "event_not_found", "Event not found", "You have no such event.")
LINK_NOT_FOUND = Problem(
    404, "payment_link_not_found", "Payment link not found", "You have no such payment link."
)
SAVED_CARD_NOT_FOUND = Problem(
    404, "saved_card_not_found", "Saved card not found", "You have no such saved card."
)
WEBHOOK_NOT_FOUND = Problem(
    404, "webhook_not_found", "Webhook not found", "You have no such webhook endpoint or delivery."
)
METHOD_NOT_ALLOWED = Problem(
    405, "method_not_allowed", "Method not allowed", "This address does not support the method."
)
API_VERSION_UNKNOWN = Problem(
    400, "api_version_unknown", "Unknown version", "The API has no version of this name."
)
NOT_ACCEPTABLE = Problem(406, "not_acceptable", "Not acceptable", "Answers are in application/json only.")
UNSUPPORTED_MEDIA_TYPE = Problem(
    415,
    "unsupported_media_type",
    "Unsupported media type",
    "A body is JSON, with the header Content-Type: application/json, and is not compressed.",
    {"Accept": "application/json", "Accept-Encoding": "identity"},
)
MALFORMED_JSON = Problem(400, "malformed_json", "Not JSON", "The body could not be read.")
INVALID_REQUEST = Problem(422, "invalid_request", "Invalid request", "Fields are missing or wrong.")
KEY_REQUIRED = Problem(
    400, "idempotency_key_missing", "No Idempotency-Key", "This request needs the header Idempotency-Key."
)
KEY_NOT_READABLE = Problem(
    400,
    "idempotency_key_malformed",
    "Idempotency-Key malformed",
    "An Idempotency-Key has 1 to 255 visible ASCII characters, without blanks, commas, quotation marks and "
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
    "A request with this Idempotency-Key was carried out, but its answer cannot be read any more.",
)
NO_PROVIDER_ACCOUNT = Problem(
    409,
    "no_provider_account",
    "No provider account",
    "You have no account with a payment provider yet, so that nobody could pay.",
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
ENDPOINT_DISABLED = Problem(
    409, "endpoint_disabled", "Endpoint disabled", "Nothing is sent to an endpoint that is disabled."
)
AMOUNT_NOT_AVAILABLE = Problem(
    409, "amount_not_available", "Amount not available", "The amount is more than what is left."
)
PAYMENT_DISPUTED = Problem(
    409, "payment_disputed", "Payment disputed", "A dispute claims money that was to be refunded."
)
REFUNDABLE_CHANGED = Problem(
    409,
    "refundable_changed",
    "Refundable amount changed",
    "The refundable amount is not the expected one.",
)
QUOTA_EXCEEDED = Problem(
    429, "quota_exceeded", "Too many requests", "This API key has used up its requests for now."
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
    "It cannot be said at the moment if this was done. Please repeat the request, with its Idempotency-Key.",
    {"Retry-After": "5"},
)
BROKEN = Problem(500, "internal_error", "Something went wrong here", "This is our fault.")


@dataclass(frozen=True, slots=True)
class Entry:
    """A problem of the catalogue, with advice for the developer who meets it."""

    problem: Problem
    advice: str


_ENTRIES = (
    Entry(KEY_MISSING, "Send the header `Authorization: Bearer sk_…`."),
    Entry(
        KEY_MALFORMED,
        "The header is `Authorization: Bearer sk_…`, and never Basic. A key begins with sk_test_ or "
        "sk_live_. Was it cut, or quoted?",
    ),
    Entry(KEY_UNKNOWN, "Compare its first characters with the list of keys in the back office."),
    Entry(KEY_EXPIRED, "Use its successor, or have one made in the back office."),
    Entry(KEY_REVOKED, "Have a new one made in the back office, and find out why this one was revoked."),
    Entry(
        NETWORK_NOT_ALLOWED, "The key names the networks that may use it. Is there a new proxy in between?"
    ),
    Entry(SCOPE_MISSING, "The member `scope` names the scope that a key needs for the request."),
    Entry(NOT_FOUND, "Compare the address with the OpenAPI document."),
    Entry(PAYMENT_NOT_FOUND, "The same answer is given for payments of other merchants."),
    Entry(OPERATION_NOT_FOUND, "The same answer is given for operations of other merchants."),
    Entry(EVENT_NOT_FOUND, "The same answer is given for events of other merchants."),
    Entry(LINK_NOT_FOUND, "The same answer is given for payment links of other merchants."),
    Entry(SAVED_CARD_NOT_FOUND, "The same answer is given for saved cards of other merchants."),
    Entry(WEBHOOK_NOT_FOUND, "The same answer is given for those of other merchants."),
    Entry(METHOD_NOT_ALLOWED, "The header Allow lists the methods of the address."),
    Entry(
        API_VERSION_UNKNOWN,
        "The member `versions` has all versions. Without the header Api-Version, that of the key applies.",
    ),
    Entry(NOT_ACCEPTABLE, "Leave out the header Accept, or accept application/json."),
    Entry(UNSUPPORTED_MEDIA_TYPE, "Send JSON in UTF-8, uncompressed."),
    Entry(
        MALFORMED_JSON,
        "Send one JSON object in UTF-8, without repeated names, at most 16 levels deep.",
    ),
    Entry(
        INVALID_REQUEST, "The member `errors` names each field (a JSON pointer), query parameter or header."
    ),
    Entry(
        KEY_REQUIRED, "Make a random key for each action, and send it again with each retry of that action."
    ),
    Entry(
        KEY_NOT_READABLE,
        "Send a UUID. Quotation marks around it are optional; it has none inside, and no comma or backslash. "
        "Digits that look like a card number are refused, too: `errors` says so.",
    ),
    Entry(
        KEY_REUSED,
        "The member `errors` names the fields that differ. Use a key for one action only.",
    ),
    Entry(KEY_IN_USE, "Wait for Retry-After and repeat the request, or read the address in Location."),
    Entry(
        ANSWER_LOST,
        "Look for what it has made, such as the payment by its `order_reference`. The gateway's operators "
        "have dropped the secret key under which the answer was stored. With a new Idempotency-Key the "
        "action would be another one.",
    ),
    Entry(
        NO_PROVIDER_ACCOUNT,
        "Have the gateway's operators add one in the back office. `manage.py gateway doctor` names merchants "
        "without one.",
    ),
    Entry(ORDER_HAS_PAYMENT, "The member `errors` names the first field that differs from the payment's."),
    Entry(
        SAVED_CARD_NOT_USABLE,
        "`detail` says why: it was removed, has expired, or its provider account cannot charge it. Nothing "
        "was created. Create the payment without it, and send the customer to `checkout_url`.",
    ),
    Entry(NOT_POSSIBLE_NOW, "Read the payment: `state` and `available_actions` say what is possible."),
    Entry(ENDPOINT_DISABLED, "Read the endpoint: `disabled` says why. Then enable it."),
    Entry(AMOUNT_NOT_AVAILABLE, "The member `available` is the amount that is left, in minor units."),
    Entry(
        PAYMENT_DISPUTED,
        "The issuer may have taken the money back already. `available` can be refunded. Read the payment "
        "later: `amounts.dispute_claimed` is 0 once the dispute has been looked into.",
    ),
    Entry(
        REFUNDABLE_CHANGED,
        "Somebody was faster: `refundable` is what is left. Decide again.",
    ),
    Entry(TOO_MANY_UNKNOWN_KEYS, "Wait for Retry-After. Which program still has an old key?"),
    Entry(QUOTA_EXCEEDED, "Wait for Retry-After. The header RateLimit tells in advance what is left."),
    Entry(TOO_MANY_HELD, "Repeat it later, or send `Prefer: respond-async`, which is not held."),
    Entry(UNAVAILABLE, "Repeat the request with the same Idempotency-Key after Retry-After."),
    Entry(
        BROKEN,
        "Repeat the request with the same Idempotency-Key. If it happens again, tell us the request_id.",
    ),
    Entry(
        pages.CARD_NUMBER,
        "Remove card numbers from everything that you send here. Rotate nothing: none was kept.",
    ),
    Entry(serving.MALFORMED, "Compare the request with HTTP, and its Host with the gateway's own."),
    Entry(serving.TOO_LARGE, "The largest body is 256 KiB, unless the gateway is set otherwise."),
    Entry(serving.TARGET_TOO_LONG, "Shorten the query: address and query have at most 8,192 bytes."),
    Entry(serving.HEADERS_TOO_LARGE, "Send fewer or smaller headers: at most 100, and 64 KiB in all."),
    Entry(serving.TOO_SLOW, "Send the body at once."),
    Entry(
        serving.TOO_MANY,
        "Too many requests of your address, or of your key, are under way at once. Repeat after Retry-After.",
    ),
    Entry(serving.FULL, "The gateway is at its limit. Repeat after Retry-After."),
)
CATALOGUE: dict[str, Entry] = {entry.problem.code: entry for entry in _ENTRIES}
