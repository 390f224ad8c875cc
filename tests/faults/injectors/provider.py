"""Faults of the provider: unreachable, or with wrong answers and notifications."""

from random import Random
from typing import Any, get_args

from sandbox.faults.kinds import JOURNALS, Dispute
from tests.faults.injectors.storm import Storm

# Longer than the product waits for an answer, shorter than the settling time after which a request is lost.
HOLD_SECONDS = 5
REPLY_FAULTS = {
    "hang_before": 4,
    "hang_after": 8,
    "reset_before": 6,
    "reset_after": 12,
    "500_before": 4,
    "500_after": 8,
    "503_before": 4,
    "503_after": 6,
    "after_notification": 16,
    "cut": 6,
    "truncated": 6,
    "empty": 4,
    "html": 4,
    "raw_ampersand": 4,
    "wrong_encoding": 2,
    "last_event_null": 2,
    "last_event_unknown": 2,
    "stray_balance": 3,
    "validation_failed": 4,
    "two_payments": 4,
    "payment_and_error": 3,
    "sent_for_authorisation": 3,
    "order_not_ready": 3,
    "temporary_failure_before": 2,
    "temporary_failure_after": 3,
    "internal_error_before": 2,
    "internal_error_after": 3,
    "not_available_before": 2,
    "not_available_after": 3,
    "in_progress_before": 2,
    "in_progress_after": 3,
    "three_ds_error_before": 2,
    "three_ds_error_after": 3,
    "token_error_before": 2,
    "token_error_after": 3,
    "gateway_error_before": 2,
    "gateway_error_after": 3,
    "error_occurred_before": 2,
    "error_occurred_after": 3,
    "another_merchant": 3,
}
# Answers to captures and refunds are lost more often than others. These cases test that the product inquires,
# and does not guess and send the request again.
LOST_ANSWERS = {"hang_after": 20, "reset_after": 40, "503_after": 20, "empty": 20, "truncated": 20}
NOTIFICATION_FAULTS = {
    "duplicate": 20,
    "replayed": 10,
    "overtaken": 10,
    "lost_once": 10,
}
# Faults for all notifications except those of disputes. A dispute has no request of ours, so its notification
# is the only source.
UNDISPUTED_FAULTS = {
    "lost": 10,
    "malformed": 6,
    "form_encoded": 4,
    "oversized": 4,
    "wrong_amount": 5,
    "smaller_amount": 5,
    "wrong_currency": 2,
    "wrong_merchant": 2,
    "wrong_order": 4,
    "contradictory": 3,
    "unknown_status": 5,
    "no_journal": 5,
    "no_reference": 5,
}
UNDISPUTED = [journal for journal in JOURNALS if journal not in get_args(Dispute)]
# The number of faults per thousand replies or notifications, for each unit of weight above.
PER_MILLE = 0.6
# The spread of a reply's log-normal delay, which exceeds the settling time once in a million times. If a
# provider acts even later, it contradicts its answer to the inquiry, and staff have to decide.
SPREAD = 0.7
# Calmness makes the sandbox's faults rarer, but less than others by this factor, because they find the most.
PERSISTENCE = 2


async def hold_and_cut(storm: Storm) -> str:
    """Hold requests and answers for a while, then cut the connections, so that they are lost."""
    link = storm.site.provider_link
    link.hold()
    try:
        await storm.last(HOLD_SECONDS)
    finally:
        link.cut()
    return "link to the provider silent, then cut"


async def hold_and_let_go(storm: Storm) -> str:
    """Hold requests until the product's time-out has passed, then deliver them to the provider."""
    link = storm.site.provider_link
    link.hold()
    try:
        await storm.pause(HOLD_SECONDS)
    finally:
        link.let_go()
    return "link to the provider silent, then let go"


async def cut(storm: Storm) -> str:
    storm.site.provider_link.cut()
    return "link to the provider cut"


async def refuse(storm: Storm) -> str:
    await storm.site.provider_link.refuse()
    try:
        await storm.last(2)
    finally:
        await storm.site.provider_link.accept()
    return "provider refuses connections"


def misbehaviour(random: Random, calmness: float) -> dict[str, Any]:
    """Return the sandbox's settings for a campaign: every fault with a low probability and its own seed."""
    per_mille = PER_MILLE * min(1, PERSISTENCE / calmness)

    def now_and_then(weight: int) -> dict[str, Any]:
        seed = random.randrange(1_000_000)
        return {"times": None, "probability": weight * per_mille / 1000, "seed": seed}

    lost = [(verb, fault) for verb in ("capture", "refund") for fault in LOST_ANSWERS]
    return {
        "reset": True,
        "knob": [
            {"verb": "any", "fault": fault, **now_and_then(weight)} for fault, weight in REPLY_FAULTS.items()
        ]
        + [{"verb": verb, "fault": fault, **now_and_then(LOST_ANSWERS[fault])} for verb, fault in lost]
        + [{"verb": "any", "delay_ms": 300, "spread": SPREAD, **now_and_then(50)}],
        "notification": [
            {"fault": fault, "copies": 2, "delay_ms": 200, **now_and_then(weight)}
            for fault, weight in NOTIFICATION_FAULTS.items()
        ]
        + [
            {"journal": UNDISPUTED, "fault": fault, "copies": 2, "delay_ms": 200, **now_and_then(weight)}
            for fault, weight in UNDISPUTED_FAULTS.items()
        ]
        + [{"delay_ms": 5_000, **now_and_then(20)}],
    }
