"""Webhook endpoints, which staff may add and change on behalf of a merchant."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from checkout.backoffice.attention.page import FAILING_ENDPOINT
from checkout.backoffice.display.facts import FactLine, merchant_of_code
from checkout.backoffice.display.localised import minute_text, with_zone
from checkout.backoffice.display.values import NOTHING, badge, quantity_text
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.backoffice.row_actions import AdminWithActions, Verb
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
    """Return True if deliveries to the endpoint are paused, because it has failed or has asked for that."""
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
        "Pending deliveries are sent now. Events from the time when the endpoint was disabled are not "
        f"sent. “{RESEND_LABEL}” sends the events of one day again, and the merchant's program can request "
        f"the events of {actions.RESEND_WITHIN.days} days."
    ),
    done=f"The endpoint is enabled. “{RESEND_LABEL}” sends the events that it has missed.",
    otherwise="it is enabled already. Nothing was changed.",
    is_offered=lambda endpoint: endpoint.state == WebhookEndpoint.State.DISABLED,
    carry_out=lambda endpoint, by, _: actions.enable(endpoint.merchant, endpoint.reference),
)
SEND_WAITING = Verb(
    name="send_waiting",
    permission_of="enable",
    label="Send what waits now",
    explanation=(
        "Deliveries that wait for their next attempt are sent now, and a pause of the endpoint ends. Do "
        "this when the endpoint works again, because the number of attempts at a delivery is limited."
    ),
    done="The waiting deliveries are on their way: see the deliveries.",
    otherwise="nothing waits for its next attempt, or the endpoint is disabled. Nothing was changed.",
    is_offered=lambda endpoint: (
        endpoint.is_enabled and (is_paused(endpoint) or waiting_for(endpoint, server_time()).exists())
    ),
    carry_out=lambda endpoint, by, _: actions.send_waiting(endpoint.merchant, endpoint.reference),
)
DISABLE = Verb(
    name="disable",
    label="Disable",
    explanation="Nothing more is sent. Pending deliveries wait until the endpoint is enabled.",
    done="The endpoint is disabled.",
    otherwise="it is disabled already. Nothing was changed.",
    is_offered=lambda endpoint: endpoint.is_enabled,
    carry_out=lambda endpoint, by, why: actions.disable(endpoint.merchant, endpoint.reference, why),
    asks_why=True,
    reason_is_for="The merchant and colleagues can read it.",
)
RESEND = Verb(
    name="resend",
    label=RESEND_LABEL,
    explanation=(
        "All events of the last 24 hours to which the endpoint is subscribed are sent again, including "
        "delivered events. Their ids stay the same, so that a program that remembers ids ignores copies."
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
        "The new secret is shown once, on the next page. For a while the old secret signs as well, so that "
        "the merchant can replace it."
    ),
    done="There is a new secret.",
    otherwise="nothing was changed.",
    is_offered=lambda endpoint: endpoint.state != WebhookEndpoint.State.DELETED,
    carry_out=lambda endpoint, by, _: actions.rotate_secret(endpoint.merchant, endpoint.reference),
)


ADDED_ONCE = (
    "The form was sent twice. It added this endpoint once, and the first answer had its secret. If you have "
    "not seen the secret, use “Make a new secret”."
)

# The new secrets of requests that have no response yet.
_made: WeakKeyDictionary[HttpRequest, actions.NewSecret] = WeakKeyDictionary()


class HealthFilter(admin.SimpleListFilter):
    """A filter for endpoints that have failed for a long time, or that the gateway has disabled."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failing", "failing, or disabled by the gateway")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> QuerySet[WebhookEndpoint]:
        return queryset.filter(FAILING_ENDPOINT if self.value() == "failing" else Q())


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(AdminWithActions, ConfigurationAdmin):
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
        """Return only the editable fields if the endpoint does not exist yet."""
        return self.fields if obj else (*self.form.Meta.fields, "form_key")

    def facts(self, row: WebhookEndpoint) -> Iterator[FactLine]:
        yield "URL", row.url
        yield "Merchant", merchant_of_code(row.merchant)
        if row.state == WebhookEndpoint.State.DISABLED:
            yield "Disabled since", with_zone(minute_text(row.state_since))
        pending = row.deliveries.filter(next_try_at__isnull=False)[: MOST_COUNTED + 1].count()
        yield "Pending deliveries", f"more than {MOST_COUNTED}" if pending > MOST_COUNTED else str(pending)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin. Return False for a deleted endpoint, which is shown for its log only."""
        is_deleted = obj is not None and obj.state == WebhookEndpoint.State.DELETED
        return not is_deleted and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False. Staff disable endpoints instead, so that the merchant keeps the log of deliveries."""
        return False

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: EndpointForm, change: bool
    ) -> None:
        """Create the endpoint in the same way as the API, or change only the edited fields.

        The merchant's program may have changed other fields since the page was opened.
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
        """Add an endpoint. A form that is submitted twice, by a double click or a reload, adds it once."""
        if repeated := self._added_before(request):
            return repeated
        try:
            return super().add_view(request, form_url, extra_context)
        except IntegrityError:
            # Another request with the same form was not finished when this one began.
            if repeated := self._added_before(request):
                return repeated
            raise

    def _added_before(self, request: HttpRequest) -> HttpResponse | None:
        try:
            reference = reference_of(UUID(request.POST.get("form_key", "")))
        except ValueError:
            return None
        added = self.get_queryset(request).filter(reference=reference).first()
        if added is None or not self.has_add_permission(request):
            return None
        return self.back(request, added, messages.WARNING, ADDED_ONCE)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret in this response, because the secret must not be kept for a later page."""
        return self._shown(request, obj, _made[request])

    def verb_view(self, verb: Verb, request: HttpRequest, object_id: str) -> HttpResponse:
        """See AdminWithActions. After a rotation, show the page with the new secret."""
        if verb is not ROTATE:
            return super().verb_view(verb, request, object_id)
        row = self.row_for(request, object_id, self.may(request, verb))
        if row is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            context = {"verb": verb, "form": SureForm() if ending_secrets(row) else None}
            return self.show(request, "admin/payments/confirm_verb.html", row, verb.label, context)
        try:
            with transaction.atomic():
                made = actions.rotate_secret(row.merchant, row.reference, is_sure="is_sure" in request.POST)
                self.note(request, row, verb.name, verb.label)
        except OperationRejected as error:
            return self.back(request, row, messages.ERROR, str(error))
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
        return f"{with_zone(minute_text(endpoint.failing_since))}, {quantity_text(endpoint.failures, 'time')}"

    @admin.display(description="public keys (v1a)")
    def public_keys(self, endpoint: WebhookEndpoint) -> str:
        keys = endpoint.secrets.values_list("public_key", flat=True) if endpoint.pk else []
        return ", ".join(keys) or NOTHING
