"""Captures of payments in the list, and refunds from a file: a preview, then the result of each line.

Each line is requested in a transaction of its own, so that a refused line stops no other. If a second member
of staff has to approve a line, the approval is requested instead. The idempotency key of a line is made from
the form, or from the file and the line, so that repeating a form or a file requests nothing twice.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from checkout.backoffice.approvals.asking import record_proposal
from checkout.backoffice.exports import WithExport
from checkout.backoffice.requests.amounts import AmountField, plain
from checkout.backoffice.requests.operation_pages import (
    REQUESTS,
    Request,
    approval_key,
    request_operation,
)
from checkout.backoffice.rights.merchants import visible
from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import ApprovalRequest, Operation, Payment
from checkout.states import PaymentState

# The most lines of one form. Each line takes a transaction of some milliseconds.
MOST_LINES = 200
MOST_CHARACTERS = 60_000
COLUMNS = ("payment", "order", "merchant", "amount", "currency", "reason")
_CAPTURE, _REFUND = (
    next(wanted for wanted in REQUESTS if wanted.kind == kind)
    for kind in (Operation.Kind.CAPTURE, Operation.Kind.REFUND)
)
_TO_CAPTURE = (PaymentState.AUTHORISED, PaymentState.PARTIALLY_CAPTURED)
_NOT_FOUND = "There is no such payment."


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the payment, the amount, the reason if it cannot be requested, and its result.

    ``key`` is the idempotency key of the line's operation. ``asks`` is True if the operation needs an
    approval.
    """

    number: int
    named: str
    payment: Payment | None = None
    amount: Money | None = None
    reason: str = ""
    refusal: str = ""
    result: str = ""
    key: str = ""
    asks: bool = False

    @property
    def is_possible(self) -> bool:
        """True if nothing is known that prevents the line's operation."""
        return not self.refusal

    @property
    def value(self) -> str:
        """The line as a form value: the payment's primary key, and the amount shown in minor units."""
        return f"{self.payment.pk}:{self.amount.minor}" if self.payment and self.amount else ""


class BulkForm(forms.Form):
    """A form with a reason, for all lines that lack a reason of their own."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    reason = forms.CharField(
        max_length=Operation._meta.get_field("reason").max_length,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="The merchant sees the reason and your name. The shopper does not.",
    )


class FileForm(BulkForm):
    """A form with the lines of a file of refunds.

    In the browser, the page reads a chosen file into its field. The server refuses multipart forms, with
    which browsers would send the file itself.
    """

    text = forms.CharField(
        label="Lines",
        max_length=MOST_CHARACTERS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 60, "spellcheck": "false"}),
        help_text="The first line names the columns: order or payment, and amount; merchant, currency and "
        f"reason as needed. At most {MOST_LINES} lines follow.",
    )
    field_order = ("key", "text", "reason")

    def clean_text(self) -> str:
        """Return the text with Unix line ends and without a byte order mark."""
        text: str = self.cleaned_data["text"]
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


class WithBulk(WithExport):
    """A mixin for the list of payments, which adds the pages of captures and refunds in bulk."""

    def get_urls(self) -> list[Any]:
        pages = ((_CAPTURE, self.bulk_capture_view), (_REFUND, self.bulk_refund_view))
        return [
            *(
                path(
                    f"bulk/{wanted.kind}/",
                    self.admin_site.admin_view(view),
                    name=f"payments_payment_bulk_{wanted.kind}",
                )
                for wanted, view in pages
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add links to the pages of bulk operations that the user may open to the list."""
        offered = (
            (_CAPTURE, "Capture authorised ones…", f"?{request.GET.urlencode()}"),
            (_REFUND, "Refund from a file…", ""),
        )
        bulk = [
            (label, reverse(f"admin:payments_payment_bulk_{wanted.kind}") + query)
            for wanted, label, query in offered
            if request.user.has_perm(wanted.permission)
        ]
        return super().changelist_view(request, {"bulk": bulk, **(extra_context or {})})

    def bulk_capture_view(self, request: Any) -> HttpResponse:
        """Show the possible captures of the filtered list.

        If the form is confirmed, capture the chosen payments.
        """
        self._require(request, _CAPTURE)
        form = BulkForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            chosen = list(_chosen(visible(Payment.objects.all(), request.user), request.POST))
            key = f"bulk-{form.cleaned_data['key']}"
            results = [_carry_out(request, _CAPTURE, replace(line, key=key), form) for line in chosen]
            return self._show_bulk(request, _CAPTURE, form, results, is_done=True)
        rows = self.filtered(request).filter(state__in=_TO_CAPTURE).order_by("pk")
        payments = list(rows[: MOST_LINES + 1])
        lines = [_to_capture(number, payment) for number, payment in enumerate(payments[:MOST_LINES], 1)]
        return self._show_bulk(request, _CAPTURE, form, lines, has_more=len(payments) > MOST_LINES)

    def bulk_refund_view(self, request: Any) -> HttpResponse:
        """Ask for a file, and show the possible refund of each line.

        If the form is confirmed, make these refunds.
        """
        self._require(request, _REFUND)
        form = FileForm(request.POST or None)
        lines: list[Line] = []
        if form.is_valid():
            text = form.cleaned_data["text"]
            try:
                read = list(_lines_of(text))
            except ValueError as error:
                form.add_error("text", str(error))
            else:
                key = f"file-{hashlib.sha256(text.encode()).hexdigest()[:40]}"
                found = _found(visible(Payment.objects.all(), request.user), read)
                lines = [replace(line, key=f"{key}-{line.number}") for line in found]
                if "confirmed" in request.POST:
                    results = [_carry_out(request, _REFUND, line, form) for line in lines]
                    return self._show_bulk(request, _REFUND, form, results, is_done=True)
                lines = list(_previewed(lines))
        return self._show_bulk(request, _REFUND, form, lines)

    def _require(self, request: HttpRequest, wanted: Request) -> None:
        if not self.has_view_permission(request) or not request.user.has_perm(wanted.permission):  # type: ignore[attr-defined]
            raise PermissionDenied

    def _show_bulk(
        self,
        request: HttpRequest,
        wanted: Request,
        form: BulkForm,
        lines: Sequence[Line],
        *,
        is_done: bool = False,
        has_more: bool = False,
    ) -> HttpResponse:
        possible = [line for line in lines if line.is_possible]
        asking = [line for line in possible if line.asks]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{wanted.label} in bulk",
            "back": reverse("admin:payments_payment_changelist"),
            "wanted": wanted,
            "form": form,
            "lines": lines,
            "number_possible": len(possible),
            "sums": _sums(possible),
            "number_asking": len(asking),
            "sums_asking": _sums(asking),
            "is_done": is_done,
            "has_more": has_more,
            "most": MOST_LINES,
            "is_capture": wanted is _CAPTURE,
            "is_previewed": bool(lines) and not is_done,
            "text": getattr(form, "cleaned_data", {}).get("text", ""),
        }
        return TemplateResponse(request, "admin/payments/payment/bulk.html", context)


def _to_capture(number: int, payment: Payment) -> Line:
    left = actions.available(payment.reference).capturable
    refusal = "" if left.minor else "Nothing is left to capture, or something else has to end first."
    asks = not refusal and _CAPTURE.needs_approval(payment, left, "")
    return Line(number, payment.order_reference, payment, left, refusal=refusal, asks=asks)


def _chosen(payments: QuerySet[Payment], sent: Any) -> Iterator[Line]:
    """Yield the ticked lines of the form, for payments that the user sees."""
    values = dict(each.split(":", 1) for each in sent.getlist("line")[:MOST_LINES] if each.count(":") == 1)
    keys = [key for key, minor in values.items() if key.isdecimal() and minor.isdecimal()]
    for number, payment in enumerate(payments.filter(pk__in=keys).order_by("pk"), 1):
        amount = Money(int(values[str(payment.pk)]), payment.currency)
        yield Line(number, payment.order_reference, payment, amount)


def _lines_of(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the number and the cells of each line of a file. Raises ``ValueError`` for an unreadable file."""
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    try:
        read = csv.reader(io.StringIO(text), strict=True, delimiter=delimiter)
        rows = [[cell.strip() for cell in row] for row in read]
    except csv.Error as error:
        raise ValueError(f"The file is not CSV: {error}.") from None
    names = [name.lower() for name in rows[0]]
    if unknown := set(names) - set(COLUMNS):
        raise ValueError(f"The first line has unknown names of columns: {', '.join(sorted(unknown))}.")
    if "amount" not in names or not {"order", "payment"} & set(names):
        raise ValueError("The first line needs the names amount, and order or payment.")
    filled = [(number, row) for number, row in enumerate(rows[1:], 2) if any(row)]
    if not filled or len(filled) > MOST_LINES:
        raise ValueError(f"The file needs 1 to {MOST_LINES} lines below its first one.")
    for number, row in filled:
        if len(row) != len(names):
            raise ValueError(f"Line {number} has {len(row)} cells, not {len(names)}.")
        yield number, dict(zip(names, row, strict=True))


def _found(payments: QuerySet[Payment], read: Iterable[tuple[int, Mapping[str, str]]]) -> Iterator[Line]:
    """Yield the lines of a file with their payments and amounts, or with their errors."""
    lines = list(read)
    references = {cells.get("payment", "") for _, cells in lines}
    orders = {cells.get("order", "") for _, cells in lines}
    rows = payments.filter(Q(reference__in=references - {""}) | Q(order_reference__in=orders - {""}))
    found = list(rows.select_related("merchant"))
    for number, cells in lines:
        yield _line(number, cells, [payment for payment in found if _is_named(payment, cells)])


def _is_named(payment: Payment, cells: Mapping[str, str]) -> bool:
    named = {
        "payment": payment.reference,
        "order": payment.order_reference,
        "merchant": payment.merchant.code,
    }
    return all(cells[name] == value for name, value in named.items() if cells.get(name))


def _line(number: int, cells: Mapping[str, str], payments: Sequence[Payment]) -> Line:
    named = cells.get("order") or cells.get("payment") or ""
    line = Line(number, named, reason=cells.get("reason", ""))
    if not named or not payments:
        return replace(line, refusal=_NOT_FOUND)
    if len(payments) > 1:
        return replace(line, refusal="Several merchants have this order: name the merchant.")
    [payment] = payments
    line = replace(line, payment=payment)
    if cells.get("currency") and cells["currency"] != payment.currency:
        return replace(line, refusal=f"The payment is in {payment.currency}.")
    try:
        return replace(line, amount=AmountField(payment.currency).clean(cells["amount"]))
    except ValidationError as error:
        return replace(line, refusal=" ".join(error.messages))


def _previewed(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield each line with the amount that can still be refunded after the lines before it."""
    left: dict[int, Money] = {}
    moved: dict[int, Money] = {}
    for line in lines:
        if line.refusal or line.payment is None or line.amount is None:
            yield line
            continue
        if line.payment.operations.filter(idempotency_key=line.key).exists():
            yield replace(line, refusal="It was requested before, by this line of this file.")
            continue
        if _has_asked(line.payment, line.key):
            yield replace(line, refusal="Its approval was requested before, by this line of this file.")
            continue
        rest = left.get(line.payment.pk) or actions.available(line.payment.reference).refundable
        if rest < line.amount:
            yield replace(line, refusal=_only(rest))
            continue
        # Refunds of earlier lines will have been requested by then, so they count for the rule of approval.
        before = moved.get(line.payment.pk, Money(0, line.amount.currency))
        asks = _REFUND.needs_approval(line.payment, before + line.amount, line.key)
        left[line.payment.pk] = rest - line.amount
        if not asks:
            moved[line.payment.pk] = before + line.amount
        yield replace(line, asks=asks)


def _carry_out(request: HttpRequest, wanted: Request, line: Line, form: BulkForm) -> Line:
    """Request the operation of a line, or its approval, once. Return the line with its result."""
    if line.refusal or line.payment is None or line.amount is None:
        return line
    reason = line.reason or form.cleaned_data["reason"]
    try:
        with transaction.atomic():
            payment = get_payment_for_update(line.payment.reference)
            is_repeat = payment.operations.filter(idempotency_key=line.key).exists()
            left = wanted.left(actions.available(payment.reference))
            if wanted is _CAPTURE and not is_repeat and left != line.amount:
                return replace(line, refusal="It has changed since the list was shown.")
            if wanted.needs_approval(payment, line.amount, line.key):
                return _ask_for_approval(request, wanted, replace(line, payment=payment), left, reason)
            operation = request_operation(
                request, wanted, payment, amount=line.amount, key=line.key, reason=reason
            )
    except OperationRejected as error:
        return replace(line, refusal=str(error))
    how = "had been requested before, once" if is_repeat else "requested"
    return replace(line, result=f"{operation.reference}: {how}")


def _ask_for_approval(request: HttpRequest, wanted: Request, line: Line, left: Money, reason: str) -> Line:
    payment, amount = line.payment, line.amount
    if payment is None or amount is None:
        return line
    if left < amount and not _has_asked(payment, line.key):
        return replace(line, refusal=_only(left))
    proposal = wanted.proposal(payment, amount, key=line.key, left=left, reason=reason)
    _, is_new = record_proposal(request, proposal)
    how = "requested" if is_new else "had been requested before, once"
    return replace(line, asks=True, result=f"Approval: {how}")


def _has_asked(payment: Payment, key: str) -> bool:
    return ApprovalRequest.objects.filter(key=approval_key(payment, key)).exists()


def _only(left: Money) -> str:
    return f"Only {plain(left)} {left.currency} is left to refund."


def _sums(lines: Iterable[Line]) -> list[Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        if line.amount is not None:
            currency = line.amount.currency
            sums[currency] = sums.get(currency, Money(0, currency)) + line.amount
    return [sums[currency] for currency in sorted(sums)]
