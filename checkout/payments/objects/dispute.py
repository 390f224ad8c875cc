"""The public objects of a dispute and of the evidence for it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from checkout.payments.dispute_reasons import reason_in_words
from checkout.payments.models import Operation
from checkout.payments.objects.nested import Part

Status = Literal["claimed", "charged_back", "reversed", "information_requested"]
_STATUS: dict[str, Status] = {
    "decision": "claimed",
    "asked": "claimed",
    "charged_back": "charged_back",
    "reversed": "reversed",
    "information": "information_requested",
}


def _told(description: str, example: object) -> Meta:
    return Meta(description=description, examples=[example])


class EvidenceObject(Part, frozen=True):
    """A file with which a dispute is answered."""

    id: Annotated[str, _told("The id of the file.", "evd_0123456789abcdef0123456789abcdef")]
    name: Annotated[str, _told("The name of the file.", "proof-of-delivery.pdf")]
    media_type: Annotated[
        str, _told("The type of the content, which the gateway has looked at.", "application/pdf")
    ]
    size: Annotated[int, _told("The size in bytes.", 48123)]
    sha256: Annotated[
        str, _told("The SHA-256 of the content, in hexadecimal.", "9f86d081884c7d659a2feaa0c55ad015" * 2)
    ]
    description: Annotated[str, _told("Your words about the file; empty if there are none.", "Signed for")]
    added_by: Annotated[str, _told("The API key or the member of staff.", "shop back end")]
    added_at: Annotated[datetime, _told("When the file was added.", "2026-12-03T09:30:00Z")]


class DisputeObject(msgspec.Struct, frozen=True, kw_only=True):
    """The dispute of a payment: sums that issuers took back or claim, or their request for information."""

    object: Annotated[Literal["dispute"], _told("The kind of the object.", "dispute")] = "dispute"
    payment: Annotated[
        str,
        _told("The id of the payment, by which its dispute is read.", "pay_0123456789abcdef0123456789abcdef"),
    ]
    order_reference: Annotated[str, _told("The payment's order number.", "W-10025")]
    status: Annotated[
        Status,
        _told(
            "`claimed`: a notification says that money was taken back, and the provider or staff have to "
            "confirm it. `charged_back`: it was. `reversed`: all of it was returned. "
            "`information_requested`: the issuer asks a question, and no money has moved.",
            "charged_back",
        ),
    ]
    amount: Annotated[
        int, _told("What issuers took back or are said to have; of a question, the payment's amount.", 1250)
    ]
    currency: Annotated[str, _told("ISO 4217.", "GBP")]
    reason_code: Annotated[
        str, _told("The card scheme's code of the reason; empty while nobody has recorded it.", "10.4")
    ]
    reason: Annotated[
        str,
        _told("The reason in words; empty if the code is not known.", reason_in_words("10.4")),
    ]
    answer_by: Annotated[
        date | None, _told("The last day to answer; null while nobody has recorded it.", "2026-12-24")
    ]
    is_answered: Annotated[bool, _told("True once staff have recorded the answer.", False)]
    operations: Annotated[
        list[str],
        _told("The ids of the operations that moved the money.", ["op_0123456789abcdef0123456789abcdef"]),
    ]
    evidence: Annotated[list[EvidenceObject], Meta(description="The files, the oldest first.", examples=[[]])]


def dispute_object(payment: Any) -> DisputeObject:
    """Return the object of a row of ``actions.disputes.disputes``."""
    record = getattr(payment, "dispute_record", None)
    code = record.reason_code if record else ""
    taken = sum(each.amount_minor for each in payment.moved if each.kind == Operation.Kind.CHARGE_BACK)
    return DisputeObject(
        payment=payment.reference,
        order_reference=payment.order_reference,
        status=_STATUS[payment.standing],
        amount=taken + payment.at_risk_minor or payment.amount_minor,
        currency=payment.currency,
        reason_code=code,
        reason=reason_in_words(code),
        answer_by=record.deadline if record else None,
        is_answered=bool(record and record.is_answered),
        operations=[each.reference for each in payment.moved],
        evidence=[
            EvidenceObject(
                id=each.reference,
                name=each.name,
                media_type=each.media_type,
                size=each.size,
                sha256=each.digest,
                description=each.description,
                added_by=each.added_by,
                added_at=each.added_at,
            )
            for each in payment.evidence.all()
        ],
    )
