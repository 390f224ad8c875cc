"""``manage.py gateway flows``: lists flows that have not ended, and resumes those that are parked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from checkout.audit.log import Details, record
from checkout.backoffice.audited import subject_of
from checkout.backoffice.display.values import quantity_text
from checkout.errors import OperationRejected
from checkout.management.gateway import staff
from checkout.management.gateway.output import Output, write_json, write_table
from checkout.payments.actions import resume_saga
from checkout.payments.models import Fact, Saga, SagaStep
from checkout.payments.models.saga import UNFINISHED

HELP = (
    "Lists flows that have not ended, those that have waited longest first: their step, since when, how "
    "often it was tried, and the last error. With --try-again, has those that have stopped tried again."
)
MOST = 50
PARKED = Saga.Status.PARKED
# The beginning of a step's outcome if a service answered the step's command with an error.
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that has not ended. ``tries`` and the last ``error`` are those of its present step."""

    number: int
    kind: str
    key: str
    payment: str
    merchant: str
    status: str
    step: str
    since: datetime
    begun_at: datetime
    deadline_at: datetime | None
    tries: int
    error: str


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the filters, and the action on the flows found."""
    parser.add_argument("--kind", help="of this kind, such as purchase or capture")
    parser.add_argument("--step", help="at this step")
    parser.add_argument("--status", choices=[str(each) for each in UNFINISHED], help="running or parked")
    parser.add_argument("--payment", help="of the payment with this reference")
    parser.add_argument("--merchant", help="of the merchant with this code")
    parser.add_argument(
        "--older-than", type=float, default=0, metavar="MINUTES", help="that have not moved for so long"
    )
    parser.add_argument("--all", action="store_true", help=f"all of them, and not the first {MOST} only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--try-again", action="store_true", help="have those that have stopped tried again (with --by)"
    )
    parser.add_argument("--yes", action="store_true", help="with --try-again: do it without asking")
    staff.add_argument(parser, required=False)


def run(out: Output, options: Mapping[str, Any]) -> int:
    """List or resume flows. Return 0, or 1 if a flow could not be resumed."""
    if options["try_again"]:
        return _try_again(out, options)
    rows = _chosen(options)
    found = _flows(rows if options["all"] else rows[:MOST])
    left_out = 0 if options["all"] else max(0, rows.count() - MOST)
    if options["json"]:
        write_json(out, {"flows": [asdict(flow) for flow in found], "left_out": left_out})
        return 0
    _write(out, found)
    if left_out:
        out.write(f"… and {left_out} more.")
    return 0


def _chosen(options: Mapping[str, Any]) -> QuerySet[Saga]:
    chosen = Q(status__in=[options["status"]] if options["status"] else UNFINISHED)
    filters = {"kind": "kind", "step": "step", "payment": "payment__reference"}
    filters["merchant"] = "payment__merchant__code"
    for option, column in filters.items():
        if options[option]:
            chosen &= Q(**{column: options[option]})
    if options["older_than"]:
        chosen &= Q(updated_at__lt=timezone.now() - timedelta(minutes=options["older_than"]))
    return Saga.objects.filter(chosen).order_by("updated_at", "pk")


def _flows(rows: QuerySet[Saga]) -> list[Flow]:
    """Return the flows with data of their steps and facts, in three statements."""
    of_step = SagaStep.objects.filter(saga=OuterRef("pk"), name=OuterRef("step")).order_by()
    tries = of_step.values("saga").annotate(number=Count("pk")).values("number")
    failed = of_step.filter(outcome__startswith=ERROR).order_by("-sent_at", "-pk")
    sagas = list(
        rows.annotate(
            tries=Subquery(tries),
            error=Subquery(failed.values("outcome")[:1]),
            merchant=F("payment__merchant__code"),
        ).select_related("payment")
    )
    parked = Fact.objects.filter(
        payment__in={saga.payment_id for saga in sagas if saga.status == PARKED}, kind="saga_parked"
    )
    whys = {
        (fact.attempt_id, fact.data.get("saga"), fact.data.get("step")): str(fact.data.get("why", ""))
        for fact in parked.order_by("pk")
    }
    return [_flow(saga, whys.get((saga.attempt_id, saga.kind, saga.step), "")) for saga in sagas]


def _flow(saga: Any, why: str) -> Flow:
    return Flow(
        number=saga.pk,
        kind=saga.kind,
        key=saga.key,
        payment=saga.payment.reference,
        merchant=saga.merchant,
        status=saga.status,
        step=saga.step,
        since=saga.updated_at,
        begun_at=saga.created_at,
        deadline_at=saga.deadline_at,
        tries=saga.tries or 0,
        error=why if saga.status == PARKED else saga.error or "",
    )


def _write(out: Output, found: Sequence[Flow]) -> None:
    if not found:
        out.write("No such flow is open.")
        return
    rows = [
        (
            str(flow.number),
            f"{flow.since:%m-%d %H:%M}",
            flow.status,
            flow.kind,
            flow.step,
            str(flow.tries),
            flow.error or flow.payment,
        )
        for flow in found
    ]
    write_table(out, ("NO", "SINCE", "STATUS", "KIND", "STEP", "TRIES", "ERROR, OR PAYMENT"), rows)


def _try_again(out: Output, options: Mapping[str, Any]) -> int:
    """Resume the chosen flows that are parked, after asking for confirmation."""
    if not options["by"]:
        raise CommandError("Say who does it: --by USER.")
    by = staff.require(options["by"], "payments.resume_saga")
    found = _flows(staff.visible_to(by, _chosen({**options, "status": PARKED})))
    if not found:
        out.write("No such flow has stopped.")
        return 0
    if not options["yes"]:
        _write(out, found)
        if not _is_wanted(f"Try {quantity_text(len(found), 'flow')} again? [y/N] "):
            out.write("Nothing was changed.")
            return 0
    refused = 0
    for flow in found:
        try:
            with transaction.atomic():
                resume_saga(flow.number, by=by.name)
                record(by, "resume", "Try again", subject_of(Saga.objects.get(pk=flow.number)), Details())
        except OperationRejected as error:
            refused += 1
            out.write(f"{flow.kind} of {flow.payment}: {error}")
    out.write(f"{quantity_text(len(found) - refused, 'flow')} will be tried again in a moment.")
    return 1 if refused else 0


def _is_wanted(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
