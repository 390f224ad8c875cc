"""Find disputes, record what is known of them, and keep the files with which they are answered."""

import hashlib
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, CharField, Exists, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import DisputeNotFound, OperationRejected, RequestInvalid
from checkout.payments.actions.metadata import require_no_card_number
from checkout.payments.books.events import BY_ISSUERS, ISSUERS
from checkout.payments.dispute_reasons import FORM
from checkout.payments.evidence_files import NotEvidence, kind_of, plain_name
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import (
    Dispute,
    DisputeRecord,
    Evidence,
    EvidenceContent,
    Fact,
    Merchant,
    Operation,
    Saga,
)
from checkout.payments.models.payment import NOTIFIED, OTHER_EVENT
from checkout.payments.models.saga import ASKING, UNFINISHED
from checkout.states import PaymentState

MOST_FILES = 20
# The provider's names of events of disputes that move no money.
NOTICES = (
    "INFORMATION_REQUESTED",
    "INFORMATION_SUPPLIED",
    "DISPUTED_FUNDS_HELD",
    "DISPUTED_FUNDS_RELEASED",
    "DISPUTE_RESERVE_RELEASED",
    "DISPUTE_EXPIRED",
)
_CLAIMS = Saga.objects.filter(kind=ASKING, status__in=UNFINISHED, data__claim__in=BY_ISSUERS)
_MOVED = Operation.objects.filter(kind__in=ISSUERS)
_TOLD = Fact.objects.filter(OTHER_EVENT, data__event__in=list(NOTICES))
# Notifications about disputes.
_SIGNS = Q(kind__in=[f"{NOTIFIED}{claim}" for claim in BY_ISSUERS]) | OTHER_EVENT & Q(
    data__event__in=list(NOTICES)
)


def disputes(payments: QuerySet[Dispute]) -> QuerySet[Any]:
    """Return the payments with a dispute, among those given, each with ``standing`` and what is known of it.

    The standing is the first that fits of ``decision``, ``asked``, ``charged_back``, ``reversed`` and
    ``information``. ``moved`` has its charge-backs and reversals, ``claims`` its open questions, and
    ``signs`` its notifications.

    Each kind of evidence is found by an index of its own. With one condition joined by "or", a database would
    read all payments.
    """
    kinds: tuple[QuerySet[Any], ...] = (_MOVED, _CLAIMS, _TOLD)
    first, *others = (rows.order_by().values("payment") for rows in kinds)
    this = Q(payment=OuterRef("pk"))
    standing = Case(
        When(Exists(_CLAIMS.filter(this, status=Saga.Status.PARKED)), then=Value("decision")),
        When(Exists(_CLAIMS.filter(this)), then=Value("asked")),
        When(state=PaymentState.CHARGED_BACK, then=Value("charged_back")),
        When(Exists(_MOVED.filter(this)), then=Value("reversed")),
        default=Value("information"),
        output_field=CharField(),
    )
    found = payments.filter(pk__in=first.union(*others)).annotate(standing=standing)
    return found.select_related("merchant").prefetch_related(
        "dispute_record",
        "evidence",
        Prefetch("operations", _MOVED.order_by("pk"), to_attr="moved"),
        Prefetch("sagas", _CLAIMS.order_by("pk"), to_attr="claims"),
        Prefetch("facts", Fact.objects.filter(_SIGNS).order_by("pk"), to_attr="signs"),
    )


def due_within_a_week() -> Q:
    """Return the condition of disputes that are not answered, and whose time limit is within 7 days."""
    today = timezone.localdate()
    within = (today, today + timedelta(days=7))
    return Q(dispute_record__is_answered=False, dispute_record__deadline__range=within)


def disputes_of(merchant: Merchant) -> QuerySet[Any]:
    """Return the disputes of a merchant."""
    return disputes(Dispute.objects.filter(merchant=merchant))


def dispute_of(merchant: Merchant, reference: str) -> Any:
    """Return the dispute of the merchant's payment. Raises ``DisputeNotFound``."""
    found = disputes_of(merchant).filter(reference=reference).first()
    if found is None:
        raise DisputeNotFound("The payment has no dispute.")
    return found


@transaction.atomic
def record_dispute(
    reference: str, *, reason_code: str, deadline: date | None, is_answered: bool, by: str
) -> DisputeRecord:
    """Record the reason and the time limit of a payment's dispute, in place of what was recorded before.

    Raises ``PaymentNotFound``, and ``OperationRejected`` for a reason code in another form.
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

    ``merchant`` is the merchant whose program calls; payments of other merchants are not found. Raises
    ``PaymentNotFound``, ``RequestInvalid`` for a description with a card number and for a file of another
    type or size, and ``OperationRejected`` if the payment has ``MOST_FILES`` already.
    """
    payment = get_payment_for_update(reference, merchant)
    require_no_card_number("description", description)
    try:
        kind = kind_of(content, conf.evidence_bytes)
    except NotEvidence as error:
        raise RequestInvalid("content", str(error)) from None
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
