"""``manage.py gateway erase``: erases the personal data of a payment from the tables of all apps."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from checkout.api.requests.idempotency import erase_answers
from checkout.audit.log import Author, Details, erase_details, record
from checkout.backoffice.audited import subject_of
from checkout.backoffice.rights.merchants import visible
from checkout.errors import OperationRejected
from checkout.management.gateway import staff
from checkout.management.gateway.output import Output
from checkout.own.packages import own_erasures
from checkout.payments.actions import erase_payment
from checkout.payments.actions.links import own_links
from checkout.payments.models import Operation, Payment
from checkout.receipts.erasure import erase_address
from checkout.risk.models import RiskAssessment
from checkout.webhooks.deliveries import erase_responses

HELP = (
    "Erases the personal data of a payment that is at rest: the shopper's e-mail address, network and "
    "browser, the merchant's metadata and its id of the customer, and transcripts. Cards that were saved "
    "with the payment, and not again with a later one, are removed. What the books need stays. It may be "
    "repeated."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the payment, the member of staff and the reason."""
    parser.add_argument("payment", help="the payment's reference")
    staff.add_argument(parser)
    parser.add_argument("--reason", required=True, help="why it is erased; kept with the payment")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Erase the data, and return 0. Raises CommandError with the reason if it is impossible."""
    by = staff.require(options["by"], "payments.erase_payment")
    payment = options["payment"]
    _require_visible(by, payment)
    try:
        erasures = own_erasures()
    except ImproperlyConfigured as error:
        raise CommandError(f"Nothing was erased. {error}") from error
    with transaction.atomic():
        try:
            erase_payment(payment, by=by.name, reason=options["reason"])
            erase_responses(payment)
            erase_details(payment)
            about = subject_of(Payment.objects.get(reference=payment))
            record(by, "erase", "Erased the personal data", about, Details(options["reason"]))
        except OperationRejected as refusal:
            raise CommandError(str(refusal)) from None
    # After the commit, so that the payment is not locked meanwhile. Answers that are stored later have no
    # personal data.
    operations = Operation.objects.filter(payment__reference=payment).values_list("reference", flat=True)
    links = own_links(Payment.objects.get(reference=payment)).values_list("reference", flat=True)
    erase_answers([payment, *operations, *links])
    # Their tables may be in other databases.
    erase_address(payment)
    RiskAssessment.objects.filter(payment_reference=payment).update(email_hash="", ip_address=None)
    for erase in erasures:
        try:
            erase(payment)
        except Exception as error:
            raise CommandError(
                f"The gateway has erased the personal data of {payment}, and {erase.__module__} has not: "
                f"{error}. When the cause is gone, run this command again."
            ) from error
    out.write(f"The personal data of {payment} is erased.")
    return 0


def _require_visible(by: Author, payment: str) -> None:
    """Refuse a payment that the user may not see in the back office."""
    user = User.objects.get(username=by.name)
    found = Payment.objects.filter(reference=payment)
    if found.exists() and not visible(found, user).exists():
        raise CommandError(f"{by.name} does not see the merchant of {payment}.")
