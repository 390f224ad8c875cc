"""What states and timeline entries mean, said to people who do not read the code."""

from collections.abc import Mapping

from checkout.admin.display import humanised
from checkout.states import PaymentState
from checkout.timeline import Entry, Kind

S = PaymentState

STATES: Mapping[str, str] = {
    S.OPEN: "Waiting for the shopper to pay.",
    S.PROCESSING: "The shopper has asked to pay; the answer is on its way.",
    S.CHALLENGE_REQUIRED: "The shopper's bank is asking the shopper to confirm the payment.",
    S.CONFIRMING: "The outcome is not known yet. The provider is being asked; it must not be paid again.",
    S.AUTHORISED: "The money is reserved on the card, not yet taken.",
    S.CAPTURE_PENDING: "Paid. The provider was asked to take the money and has not yet said that it did.",
    S.PARTIALLY_CAPTURED: "Paid. The provider has taken a part of the money.",
    S.CAPTURED: "Paid. The provider has taken the money.",
    S.REFUSED: "Not paid: refused. The shopper may try again.",
    S.VOID_PENDING: "The reserved money is being released.",
    S.VOIDED: "The reserved money was released; nothing was taken.",
    S.PARTIALLY_REFUNDED: "Paid, and part of the money given back.",
    S.REFUNDED: "All of the money was given back.",
    S.CHARGED_BACK: "The shopper's bank took the money back.",
    S.CANCELLED: "Called off before anything was paid.",
    S.EXPIRED: "Nothing was paid in time.",
    S.CONFLICTED: "The provider says something that cannot be right. A person must look.",
}

KINDS: Mapping[Kind, str] = {
    Kind.FACT: "Something that was heard or decided, written down for good.",
    Kind.STEP: "A command that the payment's flow sent to a service, until that service answered.",
    Kind.MESSAGE: "A message between services, until it was handled.",
    Kind.PROVIDER_CALL: "A request to the payment provider, until the provider answered.",
    Kind.NOTIFICATION: "What the payment provider told us unasked, until it was applied.",
}

FACTS: Mapping[str, str] = {
    "created": "The payment was created",
    "submitted": "The shopper pressed Pay",
    "challenge_required": "The shopper's bank wants the shopper to confirm the payment",
    "challenge_returned": "The shopper came back from the bank",
    "outcome_unknown": "The outcome is not known; the provider will be asked",
    "authorised": "The money is reserved",
    "refused": "The payment was refused",
    "expired": "The time to pay ran out",
    "cancelled": "The payment was called off",
    "abandoned": "Nobody paid in time",
    "claim_confirmed": "The provider was asked and stands by what it told us unasked",
    "claim_denied": "The provider was asked and does not stand by what was told us in its name",
    "claim_unknown": "The provider was asked about what it told us unasked, and did not answer",
    "books_differ": "The provider's books differ from ours",
    "capture_requested": "The provider was asked to take the money",
    "captured_in_part": "The provider has taken a part of the money",
    "captured": "The provider has taken the money",
    "capture_refused": "The provider did not take the money after all",
    "void_requested": "The provider was asked to release the money",
    "voided": "The money was released",
    "void_refused": "The provider did not release the money",
    "authorisation_expired": "The provider no longer holds the money: it was reserved for too long",
    "refunded_in_part": "Part of the money was given back",
    "refunded": "The money was given back",
    "charged_back": "The shopper's bank took the money back",
    "charge_back_reversed": "The shopper's bank returned the money that it had taken back",
    "conflicted": "The provider contradicts what we know",
    "conflict_resolved": "The contradiction is settled: the money is held or taken",
    "conflict_released": "The contradiction is settled: nothing is held",
    "review_requested_by": "Staff had the provider asked again about the contradiction",
    "review_held": "The provider was asked: it holds or has taken the money, and our books agree",
    "review_released": "The provider was asked: it holds nothing, and our books agree",
    "review_stands": "The provider was asked, and its books still contradict ours",
    "review_unknown": "The provider was asked about the contradiction, and did not answer",
    "capture_requested_by": "Somebody asked for the money to be taken",
    "void_requested_by": "Somebody asked for the money to be released",
    "refund_requested_by": "Somebody asked for money to be given back",
    "dead_letter_sent_again": "Staff sent a message again that a service had given up on",
    "dead_letter_dealt_with": "Staff dealt with a message that a service had given up on",
    "notification_dealt_with": "Staff dealt with what the provider told us and what could not be applied",
    "saga_parked": "The flow cannot go on by itself: a person must look",
    "saga_resumed": "Staff had a parked flow tried again",
}

# Parts of names of facts, as their writers put them together.
NOT_APPLIED = "_not_applied"
NOTIFIED = "notified_"

STEPS: Mapping[str, str] = {
    "assess_risk": "May this payment be tried?",
    "reserve_stock": "Set the goods aside",
    "authorise": "Reserve the money",
    "complete_challenge": "Go on with what the bank found out about the shopper",
    "inquire": "Ask the provider what became of the payment",
    "abandon": "Release what the provider may still hold",
    "review": "Ask the provider whether its books and ours agree by now",
    "check": "Ask the provider whether what it told us is right",
    "capture": "Take the money",
    "void": "Release the money",
    "refund": "Give money back",
    "post_ledger": "Write it into the ledger",
    "post_accepted": "Write into the ledger that the provider was asked",
    "post_done": "Write into the ledger that it was done",
    "post_undone": "Take it out of the ledger: it was not done after all",
    "confirm_order": "Confirm the order",
    "send_receipt": "Send the receipt",
    "release_stock": "Give the goods back to the stock",
    "cancel_order": "Call the order off and give the goods back to the stock",
}

CALLS: Mapping[str, str] = {
    "authorise": "Asked the provider to reserve the money",
    "complete_challenge": "Told the provider that the shopper is back from the bank",
    "capture": "Asked the provider to take the money",
    "void": "Asked the provider to release the money",
    "refund": "Asked the provider to give money back",
    "inquire": "Asked the provider what became of the payment",
}

# What the provider answers about, the longer names first.
ANSWERED = (*(f"inquire_{kind}" for kind in ("capture", "void", "refund")), "abandon", *CALLS)

ANSWERS: Mapping[str, str] = {
    "approved": "yes",
    "challenge_required": "the shopper's bank wants to ask the shopper first",
    "pending": "not decided yet",
    "refused": "no",
    "not_sent": "it has not received anything",
    "unknown": "not known, it may have happened",
    "conflicted": "something that cannot be right",
    "not_shown": "it knows nothing of it",
}


def in_plain_words(entry: Entry) -> str:
    """Return what ``entry`` tells, as a person would; for a name that is not known here, its own words."""
    match entry.kind:
        case Kind.FACT:
            return _fact(entry.what)
        case Kind.STEP:
            step = entry.what.rpartition(": ")[2]
            return STEPS.get(step) or _first_upper(humanised(step))
        case Kind.PROVIDER_CALL:
            return CALLS.get(entry.what) or f"Asked the provider: {humanised(entry.what)}"
        case Kind.NOTIFICATION:
            return f"The provider told us something ({entry.what})"
        case Kind.MESSAGE:
            return _message(entry.what)


def _fact(kind: str) -> str:
    if kind in FACTS:
        return FACTS[kind]
    if kind.endswith(NOT_APPLIED):
        return f"Came too late and changed nothing: {_fact(kind.removesuffix(NOT_APPLIED)).lower()}"
    if kind.startswith(NOTIFIED):
        return f"The provider told us: {humanised(kind.removeprefix(NOTIFIED))}"
    for verb in ANSWERED:
        outcome = kind.removeprefix(f"{verb}_")
        if outcome != kind:
            return f"The provider's answer ({humanised(verb)}): {ANSWERS.get(outcome) or humanised(outcome)}"
    return _first_upper(humanised(kind))


def _message(type: str) -> str:
    if type == "reply":
        return "A service's answer"
    recipient, _, name = type.partition(".")
    if recipient == "payment":
        return f"Told whoever listens: the payment is {humanised(name)}"
    return f"To the {recipient} service: {humanised(name)}"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
