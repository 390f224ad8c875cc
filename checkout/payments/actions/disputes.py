"""Record what is known of a dispute, and keep the files with which it is answered."""

import hashlib
from datetime import date

from django.db import transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.payments.actions.metadata import require_no_card_number
from checkout.payments.dispute_reasons import FORM
from checkout.payments.evidence_files import NotEvidence, kind_of, plain_name
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import DisputeRecord, Evidence, EvidenceContent, Merchant

MOST_FILES = 20


@transaction.atomic
def record_dispute(
    reference: str, *, reason_code: str, deadline: date | None, is_answered: bool, by: str
) -> DisputeRecord:
    """Record the reason and the time limit of a payment's dispute, in place of what was recorded before.

    Raises ``PaymentNotFound``, and ``OperationRejected`` for a code of another form.
    """
    payment = get_payment_for_update(reference)
    code = reason_code.strip().upper()
    if code and not FORM.match(code):
        raise OperationRejected("A reason code looks like 10.4 or 4853.")
    told = {"reason_code": code, "deadline": deadline, "is_answered": is_answered}
    record, _ = DisputeRecord.objects.update_or_create(
        payment=payment, defaults={**told, "told_by": by, "told_at": timezone.now()}
    )
    return record


@transaction.atomic
def add_evidence(
    reference: str, *, name: str, content: bytes, description: str, by: str, merchant: Merchant | None = None
) -> Evidence:
    """Keep a file as evidence for a payment, and return it. The same content is kept once.

    ``merchant`` is the one whose program asks: another's payment is not found. Raises ``PaymentNotFound``,
    ``RequestInvalid`` for a description with a card number, and ``OperationRejected`` for a file of another
    type or size, or one too many.
    """
    payment = get_payment_for_update(reference, merchant)
    require_no_card_number("description", description)
    try:
        kind = kind_of(content, conf.evidence_bytes)
    except NotEvidence as error:
        raise OperationRejected(str(error)) from None
    digest = hashlib.sha256(content).hexdigest()
    kept = Evidence.objects.filter(payment=payment)
    known = kept.filter(digest=digest).first()
    if known is not None:
        return known
    if kept.count() >= MOST_FILES:
        raise OperationRejected(f"A dispute has at most {MOST_FILES} files.")
    evidence = Evidence.objects.create(
        payment=payment,
        name=plain_name(name),
        media_type=kind.media_type,
        size=len(content),
        digest=digest,
        description=description[:200],
        added_by=by,
    )
    EvidenceContent.objects.create(evidence=evidence, content=content)
    return evidence
