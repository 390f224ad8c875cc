"""Webhook endpoints and deliveries in the back office: added, changed, disabled, rotated and sent again."""

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.webhooks import endpoints
from checkout.webhooks import actions, keys
from checkout.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries, is_about

pytestmark = pytest.mark.django_db

URL = "https://shop.example/hook"
ADD = reverse("admin:webhooks_webhookendpoint_add")
ATTENTION = reverse("admin:payments_payment_attention")
SENT = {
    "merchant": "example",
    "url": URL,
    "payload": "full",
    "contact_email": "dev@shop.example",
    "form_key": str(uuid4()),
}


@pytest.fixture
def endpoint():
    rows.merchant()
    return actions.create_endpoint("example", URL).endpoint


@pytest.fixture
def delivery(endpoint):
    return actions.ping("example", endpoint.reference)


def secrets_of(endpoint):
    return [each.secret for each in keys.keys_of([endpoint])[endpoint.pk]]


def page(row, name="change"):
    return reverse(f"admin:webhooks_{row._meta.model_name}_{name}", args=[row.pk])


def test_staff_add_an_endpoint_and_see_its_secret_once(staff_client):
    rows.merchant()
    client = staff_client("view_webhookendpoint", "add_webhookendpoint")
    shown = client.post(ADD, {**SENT, "event_types": ["payment.captured"]})
    assert shown.status_code == 200
    made = WebhookEndpoint.objects.get()
    (secret,) = secrets_of(made)
    assert f'<code id="secret">{secret}</code>' in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert (made.merchant, made.url, made.event_types) == ("example", URL, ["payment.captured"])
    later = client.get(page(made)).content.decode()
    assert secret not in later
    assert made.secrets.get().public_key in later
    assert is_about(entries().get(), made)


def test_a_form_that_is_sent_twice_adds_one_endpoint_and_says_what_to_do(staff_client):
    rows.merchant()
    client = staff_client("view_webhookendpoint", "add_webhookendpoint")
    opened = client.get(ADD).content.decode()
    [key] = re.findall(r'<input type="hidden" name="form_key" value="([^"]+)"', opened)
    sent = {**SENT, "form_key": key}
    client.post(ADD, sent)
    again = client.post(ADD, sent)
    made = WebhookEndpoint.objects.get()
    assert again["Location"] == page(made)
    assert "Make a new secret" in told(again)[0]
    assert entries().count() == 1


def test_one_endpoint_too_many_is_refused_with_the_reason(admin_client):
    rows.merchant()
    for number in range(actions.MOST_ENDPOINTS):
        actions.create_endpoint("example", f"{URL}/{number}")
    shown = admin_client.post(ADD, SENT)
    assert shown.status_code == 200
    assert "20 endpoints" in shown.context["adminform"].form.errors["merchant"][0]
    assert WebhookEndpoint.objects.count() == actions.MOST_ENDPOINTS


def test_a_deleted_endpoint_can_only_be_looked_at(admin_client, endpoint):
    actions.delete_endpoint("example", endpoint.reference)
    shown = admin_client.get(page(endpoint))
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert admin_client.post(page(endpoint), SENT).status_code == 403


def test_a_form_without_its_key_adds_nothing(admin_client):
    rows.merchant()
    shown = admin_client.post(ADD, {**SENT, "form_key": ""})
    assert "Open it again" in shown.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_webhooks_that_cannot_be_signed_need_attention_and_are_listed(admin_client, delivery):
    Delivery.objects.update(last_result="secret unreadable")
    [line] = [each for each in admin_client.get(ATTENTION).context["rows"] if "secret" in each["label"]]
    assert (line["table"], line["count"]) == ("deliveries", 1)
    assert list(admin_client.get(line["address"]).context["cl"].result_list) == [delivery]
    Delivery.objects.update(last_result="HTTP 500")
    assert list(admin_client.get(line["address"]).context["cl"].result_list) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "https://10.0.0.1/"),
        ("url", "https://user:password@shop.example/"),
        ("merchant", "nobody"),
        ("event_types", "payment.nonsense"),
        ("contact_email", "nobody"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_added(admin_client, field, value):
    rows.merchant()
    shown = admin_client.post(ADD, {**SENT, field: value})
    assert shown.status_code == 200
    assert list(shown.context["adminform"].form.errors) == [field]
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_and_its_merchant_stays(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "change_webhookendpoint")
    sent = {**SENT, "merchant": "other", "url": f"{URL}/2", "payload": "thin"}
    assert client.post(page(endpoint), sent).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.payload, endpoint.merchant) == (f"{URL}/2", "thin", "example")


def test_no_endpoint_is_deleted(admin_client, endpoint):
    assert admin_client.post(page(endpoint, "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("verb", ["ping", "disable", "enable", "send_waiting", "rotate", "resend"])
def test_each_verb_needs_its_permission(staff_client, endpoint, verb):
    if verb == "enable":
        actions.disable("example", endpoint.reference, "later")
    client = staff_client("view_webhookendpoint")
    assert page(endpoint, verb) not in client.get(page(endpoint)).content.decode()
    assert client.post(page(endpoint, verb), {"reason": "so"}).status_code == 403
    assert not Delivery.objects.exists()
    assert endpoint.secrets.count() == 1


def test_a_test_event_is_sent(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "ping_webhookendpoint")
    assert page(endpoint, "ping") in client.get(page(endpoint)).content.decode()
    assert "A test event is on its way" in str(told(client.post(page(endpoint, "ping"), follow=True)))
    assert Delivery.objects.get().event_type == "webhook.test"


def test_an_endpoint_is_disabled_with_a_reason_and_enabled_again(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "disable_webhookendpoint", "enable_webhookendpoint")
    client.post(page(endpoint, "disable"), {"reason": ""})
    endpoint.refresh_from_db()
    assert endpoint.is_enabled
    client.post(page(endpoint, "disable"), {"reason": "the shop moves"})
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_reason) == ("disabled", "the shop moves")
    assert "disabled: the shop moves" in client.get(page(endpoint)).content.decode()
    client.post(page(endpoint, "enable"))
    endpoint.refresh_from_db()
    assert endpoint.is_enabled


def test_staff_see_what_enabling_an_endpoint_sends_and_what_it_does_not_before_they_do_it(
    staff_client, endpoint, delivery
):
    client = staff_client("view_webhookendpoint", "enable_webhookendpoint")
    with time_machine.travel("2026-11-30T14:05:00Z", tick=False):
        actions.disable("example", endpoint.reference, "the shop moves")
    shown = client.get(page(endpoint, "enable"))
    assert dict(shown.context["facts"])["Disabled since"] == "30 Nov 2026, 14:05 UTC"
    assert dict(shown.context["facts"])["Pending deliveries"] == "1"
    text = html.unescape(shown.content.decode())
    assert "Pending deliveries are sent now." in text
    assert "Events from the time when the endpoint was disabled are not sent." in text
    assert "“Send the last 24 hours again” sends the events of one day again" in text
    assert "the merchant's program can request the events of 30 days" in text


WAITS = {"next_try_at": timezone.now() + timedelta(hours=14), "tries": 8}


def test_what_waits_for_its_next_attempt_is_sent_to_an_enabled_endpoint_by_staff(
    staff_client, endpoint, delivery
):
    client = staff_client("view_webhookendpoint", "enable_webhookendpoint")
    verb = page(endpoint, "send_waiting")
    assert verb not in client.get(page(endpoint)).content.decode(), "it is due"
    Delivery.objects.update(**WAITS)
    assert verb in client.get(page(endpoint)).content.decode()
    assert "The waiting deliveries are on their way" in str(told(client.post(verb, follow=True)))
    delivery.refresh_from_db()
    assert delivery.next_try_at <= timezone.now()
    assert verb not in client.get(page(endpoint)).content.decode()


def test_the_pause_of_an_endpoint_is_ended_by_staff(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "enable_webhookendpoint")
    WebhookEndpoint.objects.update(paused_until=timezone.now() + timedelta(minutes=15))
    client.post(page(endpoint, "send_waiting"))
    endpoint.refresh_from_db()
    assert endpoint.paused_until is None


def test_staff_do_not_enable_an_endpoint_that_is_disabled_just_before_what_waits_is_sent(
    staff_client, endpoint, delivery, monkeypatch
):
    client = staff_client("view_webhookendpoint", "enable_webhookendpoint")
    Delivery.objects.update(**WAITS)

    def overtaken(row) -> bool:
        actions.disable("example", row.reference, "the shop moves")
        return True

    monkeypatch.setattr(endpoints, "is_paused", overtaken)
    answer = client.post(page(endpoint, "send_waiting"), follow=True)
    assert "nothing was changed. The endpoint is disabled: enable it first." in str(told(answer))
    endpoint.refresh_from_db()
    delivery.refresh_from_db()
    assert not endpoint.is_enabled
    assert delivery.next_try_at == WAITS["next_try_at"]


def test_nothing_is_offered_to_be_sent_to_a_disabled_endpoint_but_to_enable_it(
    staff_client, endpoint, delivery
):
    client = staff_client("view_webhookendpoint", "enable_webhookendpoint")
    Delivery.objects.update(**WAITS)
    actions.disable("example", endpoint.reference, "the shop moves")
    shown = client.get(page(endpoint)).content.decode()
    assert (page(endpoint, "enable") in shown, page(endpoint, "send_waiting") in shown) == (True, False)


def test_who_disables_an_endpoint_is_told_that_the_merchant_reads_why(admin_client, endpoint):
    shown = admin_client.get(page(endpoint, "disable")).content.decode()
    assert "The merchant and colleagues can read it" in shown
    assert "the shopper does not see it" not in shown


@pytest.mark.parametrize(("failures", "text"), [(1, "UTC, 1 time<"), (2, "UTC, 2 times<")])
def test_failures_are_counted_in_words(admin_client, endpoint, failures, text):
    WebhookEndpoint.objects.update(failing_since=timezone.now(), failures=failures)
    assert text in admin_client.get(page(endpoint)).content.decode()


def test_the_page_before_a_rotation_names_no_setting(admin_client, endpoint):
    shown = admin_client.get(page(endpoint, "rotate")).content.decode()
    assert "For a while the old secret signs as well" in shown
    assert "CHECKOUT_" not in shown


def test_the_page_with_a_secret_says_where_it_is_like_every_other(admin_client, endpoint):
    shown = admin_client.post(page(endpoint, "rotate")).content.decode()
    listed = reverse("admin:webhooks_webhookendpoint_changelist")
    assert f'<a href="{listed}">Webhook endpoints</a>' in shown


def test_a_rotation_shows_the_new_secret_once_and_keeps_the_old_one_for_a_while(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "rotate_webhookendpoint")
    assert endpoint.secrets.count() == 1
    assert client.get(page(endpoint, "rotate")).status_code == 200
    assert endpoint.secrets.count() == 1
    shown = client.post(page(endpoint, "rotate")).content.decode()
    new, old = secrets_of(endpoint)
    assert new in shown
    assert old not in shown


def test_a_double_click_makes_one_new_secret_and_a_confirmation_another(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "rotate_webhookendpoint")
    client.post(page(endpoint, "rotate"))
    assert "a short time ago" in str(told(client.post(page(endpoint, "rotate"), follow=True)))
    assert endpoint.secrets.count() == 2
    assert 'name="is_sure"' in client.get(page(endpoint, "rotate")).content.decode()
    client.post(page(endpoint, "rotate"), {"is_sure": "on"})
    assert endpoint.secrets.count() == 3


def test_a_delivery_shows_its_attempts_and_is_sent_again(staff_client, delivery):
    DeliveryAttempt.objects.create(
        delivery=delivery, at=timezone.now(), url=URL, status=500, duration_ms=12, response="<b>no</b>"
    )
    Delivery.objects.update(state="failed", tries=11, next_try_at=None)
    client = staff_client("view_delivery", "view_deliveryattempt", "resend_delivery")
    shown = client.get(page(delivery)).content.decode()
    assert "&lt;b&gt;no&lt;/b&gt;" in shown
    assert page(delivery, "resend") in shown
    client.post(page(delivery, "resend"))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("pending", 0)


def test_who_may_not_send_again_is_not_obeyed(staff_client, delivery):
    Delivery.objects.update(state="failed", next_try_at=None)
    client = staff_client("view_delivery")
    assert client.post(page(delivery, "resend")).status_code == 403
    delivery.refresh_from_db()
    assert delivery.state == "failed"


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ({}, False),
        ({"failing_since": timezone.now()}, False),
        ({"failing_since": timezone.now(), "warned_at": timezone.now()}, True),
        ({"failing_since": timezone.now(), "state": "disabled"}, True),
        ({"state": "disabled"}, False),
    ],
)
def test_an_endpoint_that_fails_for_long_needs_attention(admin_client, endpoint, fields, waits):
    WebhookEndpoint.objects.update(**fields)
    (row,) = [
        row
        for row in admin_client.get(ATTENTION).context["rows"]
        if row["label"] == "Failing, or disabled by the gateway"
    ]
    assert row["count"] == int(waits)
    listed = admin_client.get(row["address"]).context["cl"].result_count
    assert listed == row["count"]


def test_the_last_day_is_sent_again(staff_client, endpoint):
    client = staff_client("view_webhookendpoint", "resend_webhookendpoint")
    sent = actions.ping("example", endpoint.reference)
    Delivery.objects.update(state="delivered", created_at=timezone.now() - timedelta(hours=2))
    assert "on their way" in str(told(client.post(page(endpoint, "resend"), follow=True)))
    sent.refresh_from_db()
    assert sent.state == "delivered", "a test event is no event of a payment"
