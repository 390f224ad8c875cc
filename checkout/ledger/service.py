"""The ledger service: double entry. An entry is never changed; a reversing posting undoes a mistake.

Chart of accounts, seen from the gateway; debits are positive, and each posting adds up to zero:

    provider:in_process   a claim on the provider: captures requested, not yet made
    provider:captured     a claim on the provider: taken from the shopper, less refunds and charge-backs
    merchant:payable      what is owed to the merchant whose payment it is

    kind                  debit                 credit
    capture_requested     provider:in_process   merchant:payable
    captured              provider:captured     provider:in_process
    refunded              merchant:payable      provider:captured
    reversal              merchant:payable      provider:in_process   (the capture was refused)
    capture_returned      merchant:payable      provider:captured     (the capture turned out not to be made)
    refund_returned       provider:captured     merchant:payable      (the issuer sent the refund back)
    charged_back          merchant:payable      provider:captured     (the issuer took money back)
    charge_back_reversed  provider:captured     merchant:payable      (the issuer returned such money)

The senders of postings do not wait for an answer, and copies of this service may make postings in any order.
No posting depends on another. If a posting cannot be made, its command becomes a dead letter.
"""

from checkout.database.owners import database_of
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.messages import Done
from checkout.service import Service
from messaging.compiled_queries import insert_in_batch
from messaging.outbox.clock import server_time
from messaging.worker.service import CommandRejected, Message, require_proof

service = Service("ledger", admit=require_proof, records_last=True)

IN_PROCESS = "provider:in_process"
CAPTURED = "provider:captured"
PAYABLE = "merchant:payable"

# Debit and credit by kind of posting.
ACCOUNTS = {
    "capture_requested": (IN_PROCESS, PAYABLE),
    "captured": (CAPTURED, IN_PROCESS),
    "refunded": (PAYABLE, CAPTURED),
    "reversal": (PAYABLE, IN_PROCESS),
    "capture_returned": (PAYABLE, CAPTURED),
    "refund_returned": (CAPTURED, PAYABLE),
    "charged_back": (PAYABLE, CAPTURED),
    "charge_back_reversed": (CAPTURED, PAYABLE),
}


class _PostedBefore(Exception):
    """Entries of a posting with this name exist already."""


@service.handles(PostEntries, transactional=False)
def post(command: PostEntries, message: Message) -> None:
    """Make a posting, once per kind and reference. A repetition succeeds, unless its entries differ."""
    if command.kind not in ACCOUNTS:
        raise CommandRejected("unknown_kind", f"There is no posting of kind {command.kind}.")
    if command.minor <= 0:
        raise CommandRejected("invalid_amount", "The amount of a posting must be greater than zero.")
    # The database's clock determines the month of a posting, because a process's clock may be wrong.
    sides, now = _sides(command), server_time(database_of("ledger"))
    entries = [
        LedgerEntry(
            posting=command.name,
            account=account,
            payment_reference=command.payment,
            amount_minor=minor,
            currency=currency,
            merchant_code=command.merchant_code,
            posted_at=now,
        )
        for account, minor, currency in sorted(sides)
    ]
    try:
        with message.once():
            insert_in_batch(*entries, or_raise=_PostedBefore())
            message.reply(Done())
    except _PostedBefore:
        with message.once():
            if _posted(command) != sides:
                text = f"{command.name} was made before with other entries."
                raise CommandRejected("posting_exists", text) from None
            message.reply(Done())


def _sides(command: PostEntries) -> set[tuple[str, int, str]]:
    """Return the account, minor units and currency of both sides. Credits are negative."""
    debit, credit = ACCOUNTS[command.kind]
    return {(debit, command.minor, command.currency), (credit, -command.minor, command.currency)}


def _posted(command: PostEntries) -> set[tuple[str, int, str]]:
    found = LedgerEntry.objects.filter(posting=command.name, payment_reference=command.payment)
    return set(found.values_list("account", "amount_minor", "currency"))
