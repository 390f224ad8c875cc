"""Messages that a service could not handle."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.columns import AboutPayment
from checkout.backoffice.display.values import badge, json_block, text_block
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.errors import OperationRejected
from checkout.payments.actions import deal_with_dead_letter, requeue_dead_letter, why_not_requeued
from checkout.payments.models import DeadLetter
from checkout.payments.models.messages import OPEN_LETTER

# The form that confirms the action has a field for each letter, and Django accepts a thousand fields.
MOST_AT_ONCE = 500


def _seen(letter: DeadLetter) -> tuple[object, ...]:
    """Return the state on which a decision about a message is based: the last failure and staff's actions."""
    return letter.copies, letter.requeued_at, letter.dealt_with_at


REQUEUE = Verb(
    name="requeue",
    label="Requeue",
    explanation=(
        "The same message is sent once more to its queue; an event is sent to all of its listeners. Do this "
        "when the cause has been repaired. A service that has handled the message already does not handle "
        "it again."
    ),
    done="Sent again. If it fails again, it is listed here again.",
    otherwise="this message cannot be sent again, and its page says why. Nothing was changed.",
    is_offered=lambda letter: not why_not_requeued(letter),
    carry_out=lambda letter, by, _: requeue_dead_letter(letter.pk, by=by),
    seen=_seen,
)

DEAL_WITH = Verb(
    name="deal_with",
    label="Mark as dealt with",
    explanation=(
        "The message is not sent again, and nothing else changes. It only stops waiting for staff. Say what "
        "was done, or why nothing has to be done. If the same message fails again, it is listed again."
    ),
    done="Marked as dealt with.",
    otherwise="it was sent again or dealt with before. Nothing was changed.",
    is_offered=lambda letter: letter.requeued_at is None and letter.dealt_with_at is None,
    carry_out=lambda letter, by, why: deal_with_dead_letter(letter.pk, by=by, note=why),
    asks_why=True,
    seen=_seen,
)


def _all_seen(letters: Iterable[DeadLetter]) -> str:
    """Return a hash of the states of all ``letters``. A form may have only a limited number of fields."""
    text = repr(sorted((letter.pk, str(_seen(letter))) for letter in letters))
    return sha256(text.encode()).hexdigest()


class StatusFilter(admin.SimpleListFilter):
    """A filter by the letter's status: it waits for staff, was sent again, or was dealt with otherwise."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [
            ("waiting", "Waiting for staff"),
            ("requeued", "Sent again"),
            ("dealt_with", "Dealt with otherwise"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        match self.value():
            case "waiting":
                return queryset.filter(OPEN_LETTER)
            case "requeued":
                return queryset.filter(requeued_at__isnull=False)
            case "dealt_with":
                return queryset.filter(requeued_at=None, dealt_with_at__isnull=False)
        return queryset


@admin.register(DeadLetter)
class DeadLetterAdmin(AboutPayment, ReadOnlyAdminWithActions):
    """Messages that no service could handle, with the reason. A message's encrypted card is not stored."""

    verbs = (REQUEUE, DEAL_WITH)
    actions = ("requeue_selected",)
    list_display = ("type", "service", "reason", "status", "copies", "died_at", "payment")
    list_filter = (StatusFilter, "service", ("died_at", admin.DateFieldListFilter))
    search_fields = (
        "subject__exact",
        "message_id__exact",
        "correlation_id__exact",
        "type__exact",
        "sender_user__exact",
        "sender_app__exact",
    )
    search_help_text = (
        "Payment reference, message id, correlation id, type, or the user or program that sent it"
    )
    date_hierarchy = "died_at"
    fields = (
        "type",
        "message_id",
        "service",
        "queue",
        "reason",
        "status",
        "sending_again",
        "payment",
        "copies",
        "died_at",
        "requeued_at",
        "requeued_by",
        "dealt_with_at",
        "dealt_with_by",
        "dealt_with_note",
        "correlation_id",
        "sender_user",
        "sender_app",
        "reply_to",
        "message_body",
        "message_headers",
    )
    readonly_fields = ("status", "sending_again", "payment", "message_body", "message_headers")

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Return True if the user may requeue letters. Django calls this before it offers the action."""
        return self.may(request, REQUEUE)

    @admin.action(description="Requeue the selected dead letters", permissions=["requeue"])
    def requeue_selected(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> TemplateResponse | None:
        """Ask for a confirmation, and then requeue the letters.

        Each is requeued independently, so that a failure does not stop the others.
        """
        letters = list(queryset[: MOST_AT_ONCE + 1])
        if len(letters) > MOST_AT_ONCE:
            text = f"Nothing was sent. Select at most {MOST_AT_ONCE} dead letters at once."
            self.message_user(request, text, messages.ERROR)
            return None
        seen = _all_seen(letters)
        if "confirmed" not in request.POST:
            return self._ask(request, letters, seen)
        if request.POST.get("seen", seen) != seen:
            text = "Some have changed since they were listed. Nothing was sent."
            self.message_user(request, text, messages.ERROR)
            return self._ask(request, letters, seen)
        self._requeue(request, letters)
        return None

    def _ask(self, request: HttpRequest, letters: Sequence[DeadLetter], seen: str) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Requeue the selected dead letters",
            "back": request.get_full_path(),
            "explanation": REQUEUE.explanation,
            "letters": letters,
            "types": sorted(Counter(letter.type for letter in letters).items()),
            "impossible": sum(bool(why_not_requeued(letter)) for letter in letters),
            "dealt_with": sum(letter.dealt_with_at is not None for letter in letters),
            "seen": seen,
            "action": "requeue_selected",
            "selected": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/payments/confirm_requeue.html", context)

    def _requeue(self, request: HttpRequest, letters: Sequence[DeadLetter]) -> None:
        sent = 0
        for letter in letters:
            before = self.columns_of(letter)
            try:
                with transaction.atomic():
                    requeue_dead_letter(letter.pk, by=request.user.get_username())
                    self.note_action(request, letter, REQUEUE.name, REQUEUE.label, before)
            except OperationRejected as error:
                self.message_user(request, f"{letter}: not sent again. {error}", messages.ERROR)
            else:
                sent += 1
        if sent:
            self.message_user(request, f"Sent again: {sent}.", messages.SUCCESS)

    @admin.display(description="status", ordering="requeued_at")
    def status(self, letter: DeadLetter) -> str:
        if letter.requeued_at:
            return badge("sent_again")
        return badge("dealt_with" if letter.dealt_with_at else "waiting")

    @admin.display(description="sending again")
    def sending_again(self, letter: DeadLetter) -> str:
        return why_not_requeued(letter) or "Possible."

    @admin.display(description="body")
    def message_body(self, letter: DeadLetter) -> str:
        """The body as text, because it need not be valid JSON."""
        return text_block(letter.body)

    @admin.display(description="headers")
    def message_headers(self, letter: DeadLetter) -> str:
        return json_block(letter.headers)
