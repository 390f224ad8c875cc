"""Webhook endpoints: staff may add and change them for a merchant, and see why one is disabled."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.contrib import admin, messages
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from checkout.backoffice.acting import Acting, Verb
from checkout.backoffice.attention.page import FAILING_ENDPOINT
from checkout.backoffice.display.facts import Line, merchant_of_code
from checkout.backoffice.display.values import NOTHING, badge, counted
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.backoffice.webhooks.forms import EndpointForm, SureForm, reference_of
from checkout.errors import OperationRejected
from checkout.webhooks import actions
from checkout.webhooks.deliveries import waiting_for
from checkout.webhooks.keys import ending_secrets
from checkout.webhooks.models import WebhookEndpoint
from messaging.outbox.clock import server_time

RESEND_WITHIN = timedelta(days=1)
RESEND_LABEL = "Send the last 24 hours again"
MOST_COUNTED = 1000


def is_paused(endpoint: WebhookEndpoint) -> bool:
    """Return True if nothing is sent to the endpoint for a time, because it failed or asked for that."""
    return endpoint.paused_until is not None and endpoint.paused_until > timezone.now()


PING = Verb(
    name="ping",
    label="Send a test event",
    explanation="An event of the type webhook.test is sent at once. It belongs to no payment.",
    done="A test event is on its way: see the deliveries.",
    otherwise="the endpoint is disabled. Nothing was sent.",
    is_offered=lambda endpoint: endpoint.is_enabled,
    carry_out=lambda endpoint, by, _: actions.ping(endpoint.merchant, endpoint.reference),
)
ENABLE = Verb(
    name="enable",
    label="Enable",
    explanation=(
        "Deliveries that are pending are sent now. Events that happened while the endpoint was disabled are "
        f"not sent by this. Have them sent again afterwards: “{RESEND_LABEL}” sends those of a day, and the "
        f"merchant's program can ask for those of {actions.RESEND_WITHIN.days} days."
    ),
    done=f"The endpoint is enabled. What happened meanwhile is sent only by “{RESEND_LABEL}”.",
    otherwise="it is enabled already. Nothing was changed.",
    is_offered=lambda endpoint: endpoint.state == WebhookEndpoint.State.DISABLED,
    carry_out=lambda endpoint, by, _: actions.enable(endpoint.merchant, endpoint.reference),
)
SEND_WAITING = Verb(
    name="send_waiting",
    permission_of="enable",
    label="Send what waits now",
    explanation=(
        "Deliveries that wait for their next attempt are sent now, and a pause of the endpoint ends. Do this "
        "when the endpoint works again: each attempt counts, and a delivery is given up after the last one."
    ),
    done="What was waiting is on its way: see the deliveries.",
    otherwise="nothing waits for its next attempt, or the endpoint is disabled. Nothing was changed.",
    is_offered=lambda endpoint: (
        endpoint.is_enabled and (is_paused(endpoint) or waiting_for(endpoint, server_time()).exists())
    ),
    carry_out=lambda endpoint, by, _: actions.send_waiting(endpoint.merchant, endpoint.reference),
)
DISABLE = Verb(
    name="disable",
    label="Disable",
    explanation="Nothing more is sent, and what is pending waits.",
    done="The endpoint is disabled.",
    otherwise="it is disabled already. Nothing was changed.",
    is_offered=lambda endpoint: endpoint.is_enabled,
    carry_out=lambda endpoint, by, why: actions.disable(endpoint.merchant, endpoint.reference, why),
    asks_why=True,
    reason_is_for="For the merchant, who can read it, and for colleagues.",
)
RESEND = Verb(
    name="resend",
    label=RESEND_LABEL,
    explanation=(
        "All events of the merchant's payments since this time yesterday that the endpoint wants are sent "
        "again, those that were delivered as well. Their ids stay the same, so that a program which "
        "remembers ids ignores copies."
    ),
    done="The events are on their way: see the deliveries.",
    otherwise="the endpoint is disabled. Nothing was sent.",
    is_offered=lambda endpoint: endpoint.is_enabled,
    carry_out=lambda endpoint, by, _: actions.resend_since(
        endpoint.merchant, endpoint.reference, timezone.now() - RESEND_WITHIN
    ),
)
ROTATE = Verb(
    name="rotate",
    label="Make a new secret",
    explanation=(
        "The new secret is shown once, on the next page. The old one signs as well for a time, so that the "
        "merchant can put the new one in its place."
    ),
    done="There is a new secret.",
    otherwise="nothing was changed.",
    is_offered=lambda endpoint: endpoint.state != WebhookEndpoint.State.DELETED,
    carry_out=lambda endpoint, by, _: actions.rotate_secret(endpoint.merchant, endpoint.reference),
)


ADDED_ONCE = (
    "The form was sent twice, and added this endpoint once. Its secret was in the first answer. If you have "
    "not seen it, use “Make a new secret” here."
)

# The secrets that were made by requests that are not answered yet.
_made: WeakKeyDictionary[HttpRequest, actions.NewSecret] = WeakKeyDictionary()


class HealthFilter(admin.SimpleListFilter):
    """A filter for endpoints that have failed for long, or that the gateway has disabled."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failing", "failing, or disabled by the gateway")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> QuerySet[WebhookEndpoint]:
        return queryset.filter(FAILING_ENDPOINT if self.value() == "failing" else Q())


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(Acting, ConfigurationAdmin):
    form = EndpointForm
    change_form_template = "admin/webhooks/endpoint.html"
    list_display = ("reference", "merchant", "url", "status", "failing", "created_at")
    list_filter = ("state", HealthFilter)
    search_fields = ("reference__exact", "merchant__exact", "url")
    search_help_text = "Reference, merchant's code, or a part of the address"
    fields = (
        "reference",
        "merchant",
        "url",
        "description",
        "contact_email",
        "event_types",
        "payload",
        "api_version",
        "status",
        "state_since",
        "failing",
        "public_keys",
    )
    readonly_fields = ("reference", "api_version", "status", "state_since", "failing", "public_keys")
    fixed_fields = ("merchant",)
    verbs = (PING, RESEND, ROTATE, ENABLE, SEND_WAITING, DISABLE)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what can be filled in, if the endpoint does not exist yet: it has no state then."""
        return self.fields if obj else (*self.form.Meta.fields, "form_key")

    def facts(self, row: WebhookEndpoint) -> Iterator[Line]:
        yield "URL", row.url
        yield "Merchant", merchant_of_code(row.merchant)
        if row.state == WebhookEndpoint.State.DISABLED:
            yield "Disabled since", f"{row.state_since:%Y-%m-%d %H:%M} UTC"
        pending = row.deliveries.filter(next_try_at__isnull=False)[: MOST_COUNTED + 1].count()
        yield "Pending deliveries", f"more than {MOST_COUNTED}" if pending > MOST_COUNTED else str(pending)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin. An endpoint that its merchant has deleted is there for its log only."""
        is_deleted = obj is not None and obj.state == WebhookEndpoint.State.DELETED
        return not is_deleted and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Endpoints are disabled instead, so that the log of their deliveries stays for the merchant."""
        return False

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: EndpointForm, change: bool
    ) -> None:
        """Create the endpoint as a merchant's program would, or change the fields that were edited.

        The merchant's program may have changed others since the page was opened.
        """
        values = form.values(form.cleaned_data)
        if change:
            edited = {name: value for name, value in values.items() if name in form.changed_data}
            actions.change_endpoint(obj.merchant, obj.reference, **edited)
            return
        reference = reference_of(form.cleaned_data["form_key"])
        made = actions.create_endpoint(form.cleaned_data["merchant"], reference=reference, **values)
        obj.pk, obj.reference = made.endpoint.pk, made.endpoint.reference
        _made[request] = made

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add one endpoint for a form that is sent twice, by a double click or a reload."""
        if repeated := self._added_before(request):
            return repeated
        try:
            return super().add_view(request, form_url, extra_context)
        except IntegrityError:
            # The other request was at it when this one came.
            if repeated := self._added_before(request):
                return repeated
            raise

    def _added_before(self, request: HttpRequest) -> HttpResponse | None:
        try:
            reference = reference_of(UUID(request.POST.get("form_key", "")))
        except ValueError:
            return None
        added = WebhookEndpoint.objects.filter(reference=reference).first()
        if added is None or not self.has_add_permission(request):
            return None
        return self.back(request, added, messages.WARNING, ADDED_ONCE)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, in the response itself: it is kept nowhere else."""
        return self._shown(request, obj, _made[request])

    def verb_view(self, verb: Verb, request: HttpRequest, object_id: str) -> HttpResponse:
        """See Acting. The answer to a rotation is the page with the new secret."""
        if verb is not ROTATE:
            return super().verb_view(verb, request, object_id)
        row = self.row_for(request, object_id, self.may(request, verb))
        if row is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            context = {"verb": verb, "form": SureForm() if ending_secrets(row) else None}
            return self.show(request, "admin/payments/confirm_verb.html", row, verb.label, context)
        try:
            made = actions.rotate_secret(row.merchant, row.reference, is_sure="is_sure" in request.POST)
        except OperationRejected as error:
            return self.back(request, row, messages.ERROR, str(error))
        self.log_change(request, row, verb.label)
        return self._shown(request, row, made)

    def _shown(self, request: HttpRequest, row: WebhookEndpoint, made: actions.NewSecret) -> HttpResponse:
        return self.show(request, "admin/webhooks/secret.html", row, "Secret of the endpoint", {"made": made})

    @admin.display(description="state", ordering="state")
    def status(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.state_reason:
            return badge(endpoint.state)
        return f"{endpoint.state}: {endpoint.state_reason}"

    @admin.display(description="failing since", ordering="failing_since")
    def failing(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.failing_since is None:
            return NOTHING
        return f"{endpoint.failing_since:%Y-%m-%d %H:%M} UTC, {counted(endpoint.failures, 'time')}"

    @admin.display(description="public keys (v1a)")
    def public_keys(self, endpoint: WebhookEndpoint) -> str:
        keys = endpoint.secrets.values_list("public_key", flat=True) if endpoint.pk else []
        return ", ".join(keys) or NOTHING
