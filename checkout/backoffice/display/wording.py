"""Plain words for states, timeline entries and decisions, for staff who do not read the code."""

from collections.abc import Mapping

from checkout.backoffice.display.values import humanised
from checkout.ledger.messages import Posting
from checkout.ledger.service import CAPTURED, IN_PROCESS, PAYABLE
from checkout.payments.events.types import EVENT_TYPES
from checkout.payments.models import ProviderNotification
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.notification_results import NotificationResult, Result
from checkout.payments.providers.authentication import Authentication
from checkout.payments.timeline import Entry, Kind
from checkout.states import PaymentState

STATES: Mapping[str, str] = {
    PaymentState.OPEN: "Waiting for the shopper to pay.",
    PaymentState.PROCESSING: "The shopper has submitted a payment. The answer is on its way.",
    PaymentState.CHALLENGE_REQUIRED: "The shopper's bank is asking the shopper to confirm the payment.",
    PaymentState.CONFIRMING: "The outcome is not known yet, and the provider is being asked. The shopper "
    "must not pay again.",
    PaymentState.AUTHORISED: "The money is reserved on the card, not yet taken.",
    PaymentState.CAPTURE_PENDING: "Paid. The provider was asked to take the money, and has not confirmed it "
    "yet.",
    PaymentState.PARTIALLY_CAPTURED: "Paid. The provider has taken a part of the money.",
    PaymentState.CAPTURED: "Paid. The provider has taken the money.",
    PaymentState.REFUSED: "Not paid: refused. The shopper may try again.",
    PaymentState.VOID_PENDING: "The reserved money is being released.",
    PaymentState.VOIDED: "The reserved money was released; nothing was taken.",
    PaymentState.PARTIALLY_REFUNDED: "Paid. Part of the money was given back.",
    PaymentState.REFUNDED: "All of the money was given back.",
    PaymentState.CHARGED_BACK: "The shopper's bank took all or part of the money back.",
    PaymentState.CANCELLED: "Cancelled before anything was paid.",
    PaymentState.EXPIRED: "Nothing was paid in time.",
    PaymentState.CONFLICTED: "The provider contradicts our records. Staff must settle it.",
}

KINDS: Mapping[Kind, str] = {
    Kind.EVENT: "A change that the merchant's programs are told.",
    Kind.FACT: "Something that was received or decided. It is never changed.",
    Kind.STEP: "A command that the payment's flow sent to a service, until the service answered.",
    Kind.MESSAGE: "A message between services, until it was handled.",
    Kind.PROVIDER_CALL: "A request to the payment provider, until the provider answered.",
    Kind.NOTIFICATION: "A notification from the payment provider, until it was applied.",
    Kind.REQUEST: "The shopper's or the merchant's request to pay, until the first result was known.",
    Kind.CHALLENGE: "The shopper's time at the bank, until the gateway knew that it was over.",
    Kind.WEBHOOK: "A request to an endpoint of the merchant, until it answered.",
    Kind.RECEIPT: "The e-mail to the shopper, until the mail server accepted it.",
}

FACTS: Mapping[str, str] = {
    "challenge_demanded": "The shopper's bank is asked to have the shopper confirm the payment",
    "charge_requested": "The merchant charged a saved card",
    "challenge_required": "The shopper's bank wants the shopper to confirm the payment",
    "challenge_returned": "The shopper came back from the bank",
    "called_off": "The payment was to be cancelled while it was being paid",
    "challenge_called_off": "The payment was to be cancelled during the bank's check",
    "outcome_unknown": "The outcome is not known; the provider will be asked",
    "refusal_doubted": "The provider reports money, although it did not find the order before; it is being "
    "asked",
    "authorised": "The money is reserved",
    "refused": "The payment was refused",
    "expired": "The time to pay ran out",
    "cancelled": "The payment was cancelled",
    "abandoned": "Nobody paid in time",
    "never_begun": "The purchase never began, so nothing was sent to the provider",
    "claim_confirmed": "The provider was asked, and confirms the notification",
    "claim_denied": "The provider was asked, and does not confirm the notification",
    "claim_unknown": "The provider was asked about the notification, and did not answer",
    "claim_booked": "The provider was asked, and confirms the action of the shopper's bank: it is in our "
    "books",
    "refund_made_after_all": "A refund that had failed was made after all",
    "claim_unclear": "The provider was asked, but its answer is not enough to book it: staff must look",
    "books_differ": "The provider's books differ from ours",
    "captured": "The provider has taken the money",
    "void_requested": "The provider was asked to release the money",
    "voided": "The money was released",
    "authorisation_expired": "The provider no longer holds the money: it was reserved for too long",
    "refunded": "The money was given back",
    "charged_back": "The shopper's bank took money back",
    "conflicted": "The provider contradicts our records",
    "conflict_resolved": "The contradiction is settled: the money is held or taken",
    "conflict_released": "The contradiction is settled: nothing is held",
    "settled_as_held": "By the figures of staff, the money is held or taken",
    "settled_as_released": "By the figures of staff, nothing is held",
    "review_requested_by": "Staff asked the provider again about the contradiction",
    "review_held": "The provider was asked: it holds or has taken the money, and our books agree",
    "review_released": "The provider was asked: it holds nothing, and our books agree",
    "review_stands": "The provider was asked, and its books still contradict ours",
    "review_unknown": "The provider was asked about the contradiction, and did not answer",
    "unauthenticated_accepted_by": "Staff accept that the payment was authorised without authentication",
    "noted_by": "Staff left a note",
    "capture_requested_by": "Somebody asked for the money to be taken",
    "void_requested_by": "Somebody asked for the money to be released",
    "refund_requested_by": "Somebody asked for money to be given back",
    "refund_withheld": "A refund was not sent, as a dispute claims its money",
    "claim_settled_by": "Staff said if it is so what was told in the provider's name",
    "payment_settled_by": "Staff said what the provider's books have of the payment",
    "payment_settled_by_applied": "Our books agree with what staff said",
    "operation_settled_by": "Staff said what became of a capture, void or refund",
    "message_sent_again": "Staff sent a message again that may have been lost",
    "dead_letter_sent_again": "Staff had a step tried again that had failed",
    "dead_letter_dealt_with": "Staff dealt with a step that had failed",
    "difference_dealt_with": "Staff dealt with a difference between the provider's books and ours",
    "notification_dealt_with": "Staff dealt with a notification that could not be applied",
    "saga_parked": "The flow cannot continue by itself: staff must look",
    "saga_resumed": "Staff had a flow that had stopped tried again",
}

# The suffix of the names of facts that changed nothing.
NOT_APPLIED = "_not_applied"

STEPS: Mapping[str, str] = {
    "assess_risk": "Assess the risk of the payment",
    "reserve_stock": "Reserve the goods",
    "authorise": "Reserve the money",
    "complete_challenge": "Continue with the result of the challenge at the bank",
    "inquire": "Ask the provider for the state of the payment",
    "abandon": "Release what the provider may still hold",
    "review": "Ask the provider if its books and ours agree now",
    "check": "Ask the provider if the notification is true",
    "capture": "Take the money",
    "void": "Release the money",
    "refund": "Give money back",
    "post_ledger": "Write it into the ledger",
    "confirm_order": "Confirm the order",
    "release_stock": "Give the goods back to the stock",
    "money_returned": "Confirm the order after all, or refund it: its money came back",
    "settle_undone": "Settle by hand what steps of your own have undone",
    "cancel_order": "Cancel the order and give the goods back to the stock",
}

CALLS: Mapping[str, str] = {
    "authorise": "Asked the provider to reserve the money",
    "complete_challenge": "Told the provider that the shopper is back from the bank",
    "capture": "Asked the provider to take the money",
    "void": "Asked the provider to release the money",
    "refund": "Asked the provider to give money back",
    "inquire": "Asked the provider for the state of the payment",
}

# The kinds of the ledger's postings, and its accounts.
POSTINGS: Mapping[str, str] = {
    Posting.CAPTURE_REQUESTED: "capture requested",
    Posting.CAPTURED: "captured",
    Posting.REVERSAL: "capture refused",
    Posting.CAPTURE_RETURNED: "capture turned out not to be made",
    Posting.REFUNDED: "refunded",
    Posting.REFUND_RETURNED: "refund came back",
    Posting.CHARGED_BACK: "charged back",
    Posting.CHARGE_BACK_REVERSED: "charge-back returned",
}
LEDGER_ACCOUNTS: Mapping[str, str] = {
    CAPTURED: "owed by the provider",
    IN_PROCESS: "captures on their way",
    PAYABLE: "owed to the merchant",
}

# The party that usually bears a charge-back for fraud, by the result of 3-D Secure. The rules of the card
# schemes have exceptions.
LIABILITY: Mapping[str, str] = {
    Authentication.AUTHENTICATED: "the shopper's bank usually bears fraud",
    Authentication.ATTEMPTED: "the shopper's bank usually bears fraud",
    Authentication.NOT_AVAILABLE: "you bear fraud",
    Authentication.FAILED: "you bear fraud",
}

# The queries and calls that the provider answers. Longer names come first, because names are compared by
# their beginnings.
ANSWERED = (*(f"inquire_{kind}" for kind in ("capture", "void", "refund")), "abandon", *CALLS)

ANSWERS: Mapping[str, str] = {
    "approved": "yes",
    "challenge_required": "the shopper's bank wants to ask the shopper first",
    "pending": "not decided yet",
    "refused": "no",
    "not_sent": "it has not received anything",
    "not_found": "it has no such order",
    "not_able": "this account may not do that",
    "unknown": "not known, it may have happened",
    "conflicted": "it contradicts our records",
    "not_shown": "it never received it",
    "undecided": "its answer does not tell whether it arrived",
}


# The results of notifications. The text may be followed by a reason.
NOTIFICATIONS: Mapping[Result, str] = {
    Result.RECEIVED: "It was not processed yet",
    Result.UNREADABLE: "It could not be read",
    Result.CONFLICTED: "It contradicts our records",
    Result.UNMATCHED: "Its order was not found",
    Result.WAITS_FOR_STAFF: "The provider's answers leave open if it is so: staff must say",
    Result.BEING_ASKED: "The provider is being asked if it is so; nothing changes before it has answered",
    Result.CONFIRMED: "{who}: it is so, and the payment followed",
    Result.BOOKED: "{who}: it is so, and it is in our books",
    Result.DENIED: "{who}: it is not so, and nothing was changed",
    Result.CHANGED_NOTHING: "It changed nothing",
    Result.TAKEN_AS_HINT: (
        "Anybody may have sent it, so it changed nothing by itself; if it was news, the provider was asked"
    ),
    Result.APPLIED: "It was applied",
}


# The decisions that staff may take about an operation, by their names in facts.
SAID: Mapping[str, str] = {
    "arrived": "It arrived",
    "not_arrived": "It did not arrive: send it again",
    "given_up": "It did not arrive: withdraw it, and never send it again",
}

# The only decision about an operation whose flow still runs.
SAID_AT_WORK: Mapping[str, str] = {"given_up": "Withdraw it: never send it again"}

# The decisions about a refund that a notification reports as failed.
SAID_OF_DOUBTED: Mapping[str, str] = {
    "arrived": "It was made: the shopper has the money",
    "not_arrived": "It failed or came back: book it back",
}

# The claims of notifications, as sentences.
CLAIMS: Mapping[str, str] = {
    "authorised": "The provider holds money for this order, which we have as ended without any",
    "captured": "The provider has taken money that we did not ask it to take",
    "capture_failed": "A capture that we have as done has failed: the money may not have been taken",
    "cancelled": "The provider has released money that we did not ask it to release",
    "refunded": "The provider has given money back that we did not ask it to give back",
    "refund_failed": "Money that was given back has come back to the provider",
    "expired": "The provider no longer holds the money: it was reserved for too long",
    "charged_back": "The shopper's bank took money back",
    "charge_back_reversed": "The shopper's bank returned money that it had taken back",
}
CLAIM_NOUNS: Mapping[str, str] = {
    "authorised": "reported authorisation",
    "captured": "reported capture",
    "capture_failed": "reported failure of a capture",
    "cancelled": "reported cancellation",
    "refunded": "reported refund",
    "refund_failed": "reported failure of a refund",
    "expired": "reported expiry",
    "charged_back": "reported charge-back",
    "charge_back_reversed": "reported reversal of a charge-back",
}

# The events of a dispute that move no money, by the provider's words (Worldpay, Payment Status Definitions).
DISPUTE_EVENTS: Mapping[str, str] = {
    "INFORMATION_REQUESTED": "The shopper's bank asks for information: answer it in the provider's portal",
    "INFORMATION_SUPPLIED": "The information that the shopper's bank asked for was supplied",
    "DISPUTED_FUNDS_HELD": "The provider holds back the disputed money",
    "DISPUTED_FUNDS_RELEASED": "The provider has released the disputed money",
    "DISPUTE_RESERVE_RELEASED": "The provider has released what it had held back",
    "DISPUTE_EXPIRED": "The time to answer the dispute is over",
}

# The decisions that staff may take about a claim, by their names in facts: for actions of an issuer, and for
# all others.
ISSUER_SAID: Mapping[str, str] = {
    "true": "It happened, and is not in our books yet: book it",
    "untrue": "Nothing more happened: it is a copy, or false",
}
CLAIM_SAID: Mapping[str, str] = {"true": "It is so", "untrue": "It is not so"}

# The operation that is booked if a claim about a charge-back is true.
BOOKED_AS: Mapping[str, str] = {
    "charged_back": "charge-back",
    "charge_back_reversed": "reversal of a charge-back",
}
# The consequences for the payment if a claim of another kind is true.
IF_IT_IS_SO: Mapping[str, str] = {
    "expired": "If it is so, an authorised payment expires: nothing of it can be captured any more.",
    "made_after_all": "If it is so, the refund that failed is booked as made, whatever else was refunded.",
    "": (
        "If it is so, the payment is conflicted until its contradiction is settled, on its page. Nothing is "
        "booked before that."
    ),
}

# The answers to the question if an authorisation is held, by their names in the form.
HELD_SAID: Mapping[str, str] = {
    "held": "Yes: money is held, and could still be captured",
    "not_held": "No: it was captured, released or refused, or it expired",
}
# The bookings of operations with which staff settle a contradiction.
BOOKINGS: Mapping[str, str] = {
    "capture": "A capture of {amount} is booked as done, and written into the ledger.",
    "refund": "A refund of {amount} is booked as done, and written into the ledger.",
    "charge_back": "A charge-back of {amount} is booked, and written into the ledger.",
    "charge_back_reversal": "A reversal of charge-backs of {amount} is booked, and written into the ledger.",
    "void": "A void of {amount} is booked as done. It moves no money.",
}
CORRECTIONS: Mapping[str, str] = {
    "capture": "Our capture of {amount}, {reference}, counts as refused, and is taken out of the ledger.",
    "refund": (
        "Our refund of {amount}, {reference}, counts as failed, and is taken out of the ledger. Its money "
        "can be given back once more."
    ),
    "void": "Our void of {amount}, {reference}, counts as refused: it released nothing.",
}
GIVEN_UP = "Our {kind} of {amount}, {reference}, of which the outcome is not known, counts as refused."
COUNTED_AS_DONE = "Our {kind} of {amount}, {reference}, of which the outcome is not known, counts as done."

# The consequences of sending a request again if the first one arrived nevertheless.
IF_IT_DID_ARRIVE: Mapping[str, str] = {
    "capture": "If the first request is carried out after all, the money is taken from the shopper twice.",
    "refund": "If the first request is carried out after all, the shopper gets the money twice.",
    "void": "If the first request did arrive, nothing is left to be released, and this one is refused.",
}
# The consequences of withdrawing a request that the provider carries out nevertheless.
IF_IT_ARRIVES_AFTER_ALL: Mapping[str, str] = {
    "capture": "If it is carried out after all, money is taken for an order that may have been called off.",
    "refund": "If it is carried out after all, and the shopper was refunded anew, the money goes back twice.",
    "void": "If it is carried out after all, the money is held no longer, and cannot be captured.",
}


# Short texts for events whose description for programs is too long for a payment's history.
_EVENTS = {
    "payment.processing": "An attempt is under way",
    "payment.capture_pending": "A capture is under way",
}


def in_plain_words(entry: Entry) -> str:
    """Return the meaning of ``entry`` in words, or the words of its name if no text exists for it."""
    match entry.kind:
        case Kind.EVENT:
            return _EVENTS.get(entry.what) or EVENT_TYPES[entry.what].partition(". ")[0].rstrip(".")
        case Kind.FACT:
            return fact_in_words(entry.what)
        case Kind.STEP:
            step = entry.what.rpartition(": ")[2]
            return STEPS.get(step) or first_upper(humanised(step))
        case Kind.PROVIDER_CALL:
            return CALLS.get(entry.what) or f"Asked the provider: {humanised(entry.what)}"
        case Kind.NOTIFICATION:
            return f"A notification from the provider ({entry.what})"
        case Kind.MESSAGE:
            return _message(entry.what)
        case Kind.WEBHOOK:
            return f"Told the merchant's endpoint: {humanised(entry.what)}"
        case Kind.REQUEST | Kind.CHALLENGE | Kind.RECEIPT:
            return entry.what


def fact_in_words(kind: str) -> str:
    """Return the meaning of a fact of this kind."""
    if kind in FACTS:
        return FACTS[kind]
    if kind.endswith(NOT_APPLIED):
        return f"Came too late and changed nothing: {fact_in_words(kind.removesuffix(NOT_APPLIED)).lower()}"
    if kind.startswith(NOTIFIED):
        return f"The provider notified us: {humanised(kind.removeprefix(NOTIFIED))}"
    if kind.startswith(HINTED):
        what = humanised(kind.removeprefix(HINTED))
        return f"A notification in the provider's name, without proof: {what}"
    for verb in ANSWERED:
        outcome = kind.removeprefix(f"{verb}_")
        if outcome != kind:
            return f"The provider's answer ({humanised(verb)}): {ANSWERS.get(outcome) or humanised(outcome)}"
    return first_upper(humanised(kind))


def notification_in_words(row: ProviderNotification, outcome: NotificationResult) -> str:
    """Return the result of a notification as a sentence."""
    who = "Staff found out" if outcome.is_by_staff else "The provider was asked and says"
    sentence = NOTIFICATIONS[outcome.result].format(who=who)
    is_explained = bool(row.reason) and outcome.question is None
    return f"{sentence}: {row.reason.rstrip('.')}." if is_explained else f"{sentence}."


def decision_in_words(claim: object, said: object) -> str:
    """Return the text of a decision of staff about a claim. The arguments are the names of both in a fact."""
    choices = ISSUER_SAID if claim in BOOKED_AS else CLAIM_SAID
    return choices.get(str(said), "")


def _message(type: str) -> str:
    if type == "reply":
        return "A service's answer"
    recipient, _, name = type.partition(".")
    if type in EVENT_TYPES or recipient == "payment":
        return f"Told all subscribers: {recipient} {humanised(name)}"
    return f"To the {recipient} service: {humanised(name)}"


def first_upper(text: str) -> str:
    """Return ``text`` with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
