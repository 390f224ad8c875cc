"""Actions of merchants and staff on endpoints and deliveries. Each action affects only its own rows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import IllegalTransition, RequestInvalid, StoredSecretUnreadable, WebhookNotFound
from checkout.privacy import stored_secrets
from checkout.webhooks import actions, keys
from checkout.webhooks.models import Delivery, SigningSecret, WebhookEndpoint

pytestmark = pytest.mark.django_db

SHOP, OTHER = "shop", "other"
URL = "https://shop.example/hook"


@pytest.fixture
def made():
    return actions.create_endpoint(SHOP, URL)


def secrets_of(endpoint):
    return [each.secret for each in keys.keys_of([endpoint])[endpoint.pk]]


def test_an_endpoint_has_a_secret_that_is_sealed_in_the_database(made):
    assert made.secret.startswith("whsec_")
    assert made.public_key.startswith("whpk_")
    row = SigningSecret.objects.get()
    assert row.public_key == made.public_key
    assert made.secret.removeprefix("whsec_") not in row.sealed_hmac
    assert row.sealed_hmac.startswith("secret1.")
    assert row.sealed_private_key.startswith("secret1.")
    assert made.secret not in repr(made)
    assert made.endpoint.reference.startswith("whk_")


def test_a_sealed_secret_does_not_open_for_another_endpoint(made):
    other = actions.create_endpoint(SHOP, URL)
    SigningSecret.objects.filter(endpoint=other.endpoint).update(
        sealed_hmac=SigningSecret.objects.get(endpoint=made.endpoint).sealed_hmac
    )
    assert keys.keys_of([other.endpoint, made.endpoint])[other.endpoint.pk] is None
    with pytest.raises(StoredSecretUnreadable):
        stored_secrets.open_secret(
            SigningSecret.objects.get(endpoint=made.endpoint).sealed_hmac, other.endpoint.reference
        )


def test_secrets_of_an_earlier_secret_key_are_read_and_sealed_again(made, settings):
    earlier = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a newer key", [earlier]
    assert secrets_of(made.endpoint) == [made.secret]
    assert keys.tidy_secrets() == 1
    assert keys.tidy_secrets() == 0
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets_of(made.endpoint) == [made.secret]


def test_an_unreadable_secret_keeps_no_other_from_being_sealed_again(made, settings):
    others = [actions.create_endpoint(SHOP, URL) for _ in range(2)]
    SigningSecret.objects.filter(endpoint=others[0].endpoint).update(sealed_hmac="secret1.AAAA.AAAA")
    earlier = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a newer key", [earlier]
    assert keys.tidy_secrets() == 2
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets_of(made.endpoint) == [made.secret]
    assert secrets_of(others[1].endpoint) == [others[1].secret]


@pytest.mark.parametrize("sealed", ["", "secret1", "secret1.x.y", "secret2.aaaa.bbbb"])
def test_nonsense_is_no_sealed_secret(sealed):
    with pytest.raises(StoredSecretUnreadable):
        stored_secrets.open_secret(sealed, "whk_1")


def test_a_changed_seal_is_refused():
    sealed = stored_secrets.seal_secret("hush", "whk_1")
    head, _, data = sealed.rpartition(".")
    assert stored_secrets.open_secret(sealed, "whk_1") == "hush"
    for changed in (f"{head}.{data[:-4]}AAAA", f"{head}.é", f"{head}.{data}="):
        with pytest.raises(StoredSecretUnreadable):
            stored_secrets.open_secret(changed, "whk_1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://shop.example/"),
        ("url", "https://10.0.0.1/"),
        ("url", 7),
        ("event_types", "payment.captured"),
        ("event_types", ["payment.nonsense"]),
        ("event_types", [1]),
        ("payload", "heavy"),
        ("description", "x" * 201),
        ("description", "x4444333322221111"),
        ("contact_email", "nobody"),
        ("contact_email", "dev@1א.example"),
        ("state", "enabled"),
    ],
)
def test_a_wrong_field_is_named(made, settings, field, value):
    settings.CHECKOUT_TRY_OUT = False
    with pytest.raises(RequestInvalid) as refused:
        actions.change_endpoint(SHOP, made.endpoint.reference, **{field: value})
    assert refused.value.field == field


def test_an_endpoint_can_be_changed(made):
    actions.change_endpoint(
        SHOP, made.endpoint.reference, event_types=["payment.captured"], payload="thin", description="main"
    )
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.wants("payment.captured")
    assert not endpoint.wants("payment.refunded")
    assert (endpoint.payload, endpoint.description, endpoint.url) == ("thin", "main", URL)


def test_a_merchant_has_a_limited_number_of_endpoints():
    for _ in range(actions.MOST_ENDPOINTS):
        actions.create_endpoint(SHOP, URL)
    with pytest.raises(RequestInvalid):
        actions.create_endpoint(SHOP, URL)
    actions.create_endpoint(OTHER, URL)


def test_nothing_of_another_merchant_can_be_found(made):
    delivery = actions.ping(SHOP, made.endpoint.reference)
    reference, since = made.endpoint.reference, timezone.now()
    for attempt in (
        lambda: actions.endpoint_of(OTHER, reference),
        lambda: actions.change_endpoint(OTHER, reference, description="mine"),
        lambda: actions.rotate_secret(OTHER, reference),
        lambda: actions.enable(OTHER, reference),
        lambda: actions.disable(OTHER, reference, "mine"),
        lambda: actions.ping(OTHER, reference),
        lambda: actions.resend(OTHER, delivery.reference),
        lambda: actions.resend_since(OTHER, reference, since),
    ):
        with pytest.raises(WebhookNotFound):
            attempt()
    assert not actions.endpoints_of(OTHER).exists()
    assert not actions.deliveries_of(OTHER).exists()
    assert list(actions.deliveries_of(SHOP)) == [delivery]


def test_a_further_rotation_does_not_prolong_the_life_of_an_old_secret(made):
    actions.rotate_secret(SHOP, made.endpoint.reference)
    soon = timezone.now() + timedelta(minutes=5)
    SigningSecret.objects.filter(expires_at__isnull=False).update(expires_at=soon)
    actions.rotate_secret(SHOP, made.endpoint.reference, is_sure=True)
    first, second, newest = SigningSecret.objects.order_by("pk")
    assert first.expires_at == soon
    assert second.expires_at is not None
    assert second.expires_at > soon
    assert newest.expires_at is None


def test_the_secrets_of_a_deleted_endpoint_are_deleted(made):
    other = actions.create_endpoint(SHOP, URL)
    actions.delete_endpoint(SHOP, made.endpoint.reference)
    assert SigningSecret.objects.get().endpoint == other.endpoint


def test_a_delivery_is_sent_again_from_the_beginning_of_the_schedule(made):
    delivery = actions.ping(SHOP, made.endpoint.reference)
    Delivery.objects.update(state="failed", tries=11, next_try_at=None, ended_at=timezone.now(), lease="x")
    again = actions.resend(SHOP, delivery.reference)
    assert (again.state, again.tries, again.ended_at, again.lease) == ("pending", 0, None, "")
    assert again.next_try_at is not None
    assert again.next_try_at <= timezone.now()
    assert again.event == delivery.event


def test_nothing_is_sent_at_once_to_a_disabled_endpoint(made):
    delivery = actions.ping(SHOP, made.endpoint.reference)
    actions.disable(SHOP, made.endpoint.reference, "card 4111 1111 1111 1111")
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.state, endpoint.state_reason) == ("disabled", "card [card number]")
    for attempt in (
        lambda: actions.ping(SHOP, endpoint.reference),
        lambda: actions.resend(SHOP, delivery.reference),
        lambda: actions.resend_since(SHOP, endpoint.reference, timezone.now()),
    ):
        with pytest.raises(IllegalTransition):
            attempt()


def test_events_are_not_sent_again_after_too_long(made):
    with pytest.raises(RequestInvalid):
        actions.resend_since(SHOP, made.endpoint.reference, timezone.now() - timedelta(days=31))


def test_a_caller_who_has_counted_thirty_days_back_is_in_time_for_each_part(made):
    counted = timezone.now() - actions.RESEND_WITHIN
    assert actions.resend_since(SHOP, made.endpoint.reference, counted) == 0
    assert actions.resend_since(SHOP, made.endpoint.reference, counted - timedelta(minutes=10)) == 0


@pytest.mark.parametrize("is_asked", ["enable", "resend", "resend_since"])
def test_a_request_to_send_ends_the_pause_of_a_failing_endpoint(made, is_asked):
    endpoint, now = made.endpoint, timezone.now()
    delivery = actions.ping(SHOP, endpoint.reference)
    failing = {"failures": 12, "failing_since": now - timedelta(hours=1)}
    WebhookEndpoint.objects.update(paused_until=now + timedelta(hours=6), **failing)
    match is_asked:
        case "enable":
            actions.enable(SHOP, endpoint.reference)
        case "resend":
            actions.resend(SHOP, delivery.reference)
        case "resend_since":
            actions.resend_since(SHOP, endpoint.reference, now - timedelta(hours=1))
    endpoint.refresh_from_db()
    assert endpoint.paused_until is None
    # The endpoint counts as failing until an attempt has succeeded.
    assert endpoint.failures == 12


def test_an_address_that_would_fail_later_is_refused_in_a_try_out_too(settings):
    settings.CHECKOUT_TRY_OUT, settings.CHECKOUT_WEBHOOK_ALLOWED_NETWORKS = True, []
    for url in ("http://shop.example/hook", "https://shop.example:9000/hook"):
        with pytest.raises(RequestInvalid):
            actions.create_endpoint(SHOP, url)
