"""The product's settings in a campaign: as in production, but with seconds instead of hours.

Durations keep their required order: the settling time is longer than a provider's time-outs, the wait for a
provider is longer than both, and the gateway's limit for a challenge is longer than the issuer's.
"""

import json

REPLY_BUDGET_SECONDS = 5
CONNECT_SECONDS, READ_SECONDS = 2, 4
SETTLING_SECONDS = 8
# Longer than the delay of the sandbox's copy of the books, and than that delay together with a booking.
ORDER_LAG_SECONDS, MODIFICATION_LAG_SECONDS = 3, 8
REPLICATION_SECONDS = 2
# Longer than the sandbox's time for late bookings, and shorter than all inquiries together.
QUEUE_SECONDS = 30
FIRST_PAUSES_SECONDS, LONGEST_PAUSE_SECONDS = (1, 2, 3, 5), 6
CHALLENGE_SECONDS = 20
CHECKOUT_SECONDS = 100
AUTHORISATION_SECONDS = 40
NOTIFICATION_WAIT_SECONDS = 8
PROVIDER_WAIT_SECONDS = 12
SERVICE_WAIT_SECONDS = 20
# The time for which the product keeps a card whose command could not be published; see operations.payment.
CARD_GRACE_SECONDS = 60
# The most seconds by which a clock is ahead. The deadlines that its process writes are later by this time.
FASTEST_CLOCK_SECONDS = 300
# The time in which staff enter movements that only the provider's portal shows, once all other work has
# ended.
PORTAL_SECONDS = 120
# The time for all work to end after the last fault: such late deadlines, the product's longest pause on a
# busy machine, and the staff's work after that.
QUIESCENCE_SECONDS = FASTEST_CLOCK_SECONDS + CARD_GRACE_SECONDS + PORTAL_SECONDS

# The number of the longest pauses before staff are asked: enough that no outage uses them up, and few enough
# that sagas are parked before the campaign ends.
INQUIRIES = 20

VERBS = ("authorise", "complete_challenge", "capture", "void", "refund", "inquire")


def inquiry_delays(longest: int) -> str:
    """Return the pauses between inquiries as a setting, with so many of the longest pause."""
    return json.dumps([*FIRST_PAUSES_SECONDS, *[LONGEST_PAUSE_SECONDS] * longest])


PRODUCT = {
    "CHECKOUT_REPLY_BUDGET_SECONDS": str(REPLY_BUDGET_SECONDS),
    "CHECKOUT_PROVIDER_TIMEOUTS": json.dumps(
        {"connect": CONNECT_SECONDS, **dict.fromkeys(VERBS, READ_SECONDS)}
    ),
    "CHECKOUT_SETTLING_SECONDS": str(SETTLING_SECONDS),
    "CHECKOUT_ORDER_LAG_SECONDS": str(ORDER_LAG_SECONDS),
    "CHECKOUT_MODIFICATION_LAG_SECONDS": str(MODIFICATION_LAG_SECONDS),
    "CHECKOUT_QUEUE_SECONDS": str(QUEUE_SECONDS),
    "CHECKOUT_INQUIRY_DELAYS": inquiry_delays(INQUIRIES),
    "CHECKOUT_RETRY_DELAYS": json.dumps([0.5, 1, 2, 4]),
    "CHECKOUT_SERVICE_WAIT_SECONDS": str(SERVICE_WAIT_SECONDS),
    "CHECKOUT_PROVIDER_WAIT_SECONDS": str(PROVIDER_WAIT_SECONDS),
    "CHECKOUT_NOTIFICATION_WAIT_SECONDS": str(NOTIFICATION_WAIT_SECONDS),
    "CHECKOUT_CHALLENGE_SECONDS": str(CHALLENGE_SECONDS),
    "CHECKOUT_ABANDONED_SECONDS": str(CHECKOUT_SECONDS),
    "CHECKOUT_AUTHORISATION_SECONDS": str(AUTHORISATION_SECONDS),
    "CHECKOUT_RECONCILIATION_SECONDS": "90",
    "CHECKOUT_OUTBOX_GRACE_SECONDS": "3",
    # The forgers share one address, unlike real ones.
    "CHECKOUT_MAX_HINTS_PER_ADDRESS": "600",
    "CHECKOUT_RISK_PAYMENTS_PER_EMAIL": "1000000",
    "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS": "1000000",
}
# The share of orders with each trait; see docs/sandbox.md.
TRAITS = {
    "no_deduplication": 0.5,
    "no_balance": 0.5,
    "no_ceiling": 0.6,
    "captured_unselected": 0.15,
    "settled_unselected": 0.3,
    "refunded_unselected": 0.25,
    "settled": 0.3,
    "early_notification": 0.2,
    "refund_failed_then_refunded": 0.1,
    "long_journals": 0.4,
    "refund_reference_as_capture": 0.4,
    "charged_back": 0.04,
    "chargeback_reversed": 0.04,
    "issuer_response_code": 0.4,
    "forgotten_after_challenge": 0.1,
    "synchronous_replies": 0.2,
    "expires": 0.05,
    "cancelled_by_risk": 0.04,
    "demands_first_challenge": 0.2,
    "refund_refused_online": 0.08,
    "cancelled_booked": 0.4,
    "releases_rest": 0.3,
    "event_behind": 0.1,
    "booked_late": 0.1,
    "refund_through_captured": 0.3,
}
# An account for which the provider has not arranged idempotency keys.
SANDBOX_WITHOUT_KEYS = {"SANDBOX_IDEMPOTENCY": "off"}
SANDBOX = {
    # The kind of idempotency key that the example's account sends.
    "SANDBOX_IDEMPOTENCY": "uuid",
    "SANDBOX_TRAITS": json.dumps(TRAITS),
    # Long enough for forgeries to arrive while a capture is pending.
    "SANDBOX_SETTLE_SECONDS": "4",
    # Longer than the time after which an inquiry must show a modification.
    "SANDBOX_LATE_BOOKING_SECONDS": str(SETTLING_SECONDS + MODIFICATION_LAG_SECONDS + 8),
    "SANDBOX_REPLICATION_SECONDS": str(REPLICATION_SECONDS),
    "SANDBOX_SETTLEMENT_SECONDS": "4",
    "SANDBOX_REFUND_AGAIN_SECONDS": "3",
    # Sooner than the gateway itself counts an authorisation as expired.
    "SANDBOX_EXPIRY_SECONDS": str(AUTHORISATION_SECONDS // 2),
    "SANDBOX_DISPUTE_SECONDS": "3",
    "SANDBOX_RETRY_FIRST_SECONDS": "0.5",
    "SANDBOX_RETRY_LONGEST_SECONDS": "4",
    "SANDBOX_CHALLENGE_SECONDS": "16",
}
