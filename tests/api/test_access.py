"""A table of answers by kind of key: the requests that it permits, and the reasons for refusals."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from checkout.api.access.keys import make_key, revoke_key, rotate_key
from checkout.api.access.scopes import Scope
from checkout.api.models import ApiKey
from checkout.conf.api import TRY_OUT_API_KEY
from checkout.errors import OperationRejected
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, header, order
from tests.support.remembering import remembering

NEEDED = [
    ("GET", "/payments", Scope.PAYMENTS_READ),
    ("GET", "/payments/by-order?order_reference=1", Scope.PAYMENTS_READ),
    ("POST", "/payments", Scope.PAYMENTS_CREATE),
    ("GET", f"/payments/pay_{32 * '0'}", Scope.PAYMENTS_READ),
    ("POST", f"/payments/pay_{32 * '0'}/cancel", Scope.PAYMENTS_CREATE),
    ("POST", f"/payments/pay_{32 * '0'}/customer-session", Scope.SAVED_CARDS_OFFER),
    ("POST", f"/payments/pay_{32 * '0'}/receipt", Scope.PAYMENTS_CREATE),
    ("POST", f"/payments/pay_{32 * '0'}/advance-clock", Scope.PAYMENTS_CREATE),
    ("POST", f"/payments/pay_{32 * '0'}/capture", Scope.PAYMENTS_CAPTURE),
    ("POST", f"/payments/pay_{32 * '0'}/void", Scope.PAYMENTS_CAPTURE),
    ("POST", f"/payments/pay_{32 * '0'}/refund", Scope.PAYMENTS_REFUND),
    ("GET", f"/payments/pay_{32 * '0'}/operations", Scope.PAYMENTS_READ),
    ("GET", f"/payments/pay_{32 * '0'}/attempts", Scope.PAYMENTS_READ),
    ("PATCH", f"/payments/pay_{32 * '0'}", Scope.PAYMENTS_CREATE),
    ("GET", "/operations", Scope.PAYMENTS_READ),
    ("GET", f"/operations/op_{32 * '0'}", Scope.PAYMENTS_READ),
    ("GET", "/saved-cards?customer_reference=1", Scope.SAVED_CARDS_READ),
    ("GET", f"/saved-cards/card_{32 * '0'}", Scope.SAVED_CARDS_READ),
    ("DELETE", f"/saved-cards/card_{32 * '0'}", Scope.SAVED_CARDS_REMOVE),
    ("GET", "/disputes", Scope.PAYMENTS_READ),
    ("GET", f"/disputes/pay_{32 * '0'}", Scope.PAYMENTS_READ),
    ("POST", f"/disputes/pay_{32 * '0'}/evidence", Scope.DISPUTES_WRITE),
    ("GET", "/events", Scope.EVENTS_READ),
    ("GET", f"/events/evt_{32 * '0'}", Scope.EVENTS_READ),
]


@pytest.mark.parametrize(("method", "path", "scope"), NEEDED)
async def test_a_request_needs_its_scope_and_no_other(shop, method, path, scope):
    def keys():
        others = [each for each in Scope if each is not scope]
        return make_key(shop, name="a", scopes=[scope], by="ada")[1], make_key(
            shop, name="b", scopes=others, by="ada"
        )[1]

    only, without = await in_thread(keys)
    permitted = await Caller(only).call(method, path, {} if method == "POST" else None, idempotency_key="k")
    assert permitted.status in (200, 404, 422)
    refused = await Caller(without).call(method, path, {} if method == "POST" else None, idempotency_key="k")
    assert (refused.status, document(refused)["code"]) == (403, "scope_missing")
    assert document(refused)["scope"] == scope


def expired(shop):
    key, secret = make_key(shop, name="k", by="ada")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    return secret


def revoked(shop):
    key, secret = make_key(shop, name="k", by="ada")
    revoke_key(key.pk)
    return secret


def from_elsewhere(shop):
    return make_key(shop, name="k", by="ada", networks=["198.51.100.0/24", "2001:db8::/32"])[1]


def of_a_try_out(shop):
    return make_key(shop, name="k", by="ada", secret=TRY_OUT_API_KEY)[1]


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (lambda shop: "", 401, "key_missing"),
        (lambda shop: "Bearer", 401, "key_malformed"),
        (lambda shop: "Bearer sk_test_short", 401, "key_malformed"),
        (lambda shop: f"Bearer sk_test_{33 * 'a'}", 401, "key_malformed"),
        (lambda shop: f"Bearer sk_prod_{32 * 'a'}", 401, "key_malformed"),
        (lambda shop: f"Bearer sk_test_{31 * 'a'}\u00e9", 401, "key_malformed"),
        (lambda shop: f"Basic sk_test_{32 * 'a'}", 401, "key_malformed"),
        (lambda shop: "Bearer " + 100_000 * "a", 401, "key_malformed"),
        (lambda shop: f"Bearer sk_test_{32 * 'a'}", 401, "key_unknown"),
        (lambda shop: f"Bearer {make_key(shop, name='k', by='ada')[0].secret_hash}", 401, "key_malformed"),
        (lambda shop: f"Bearer {expired(shop)}", 401, "key_expired"),
        (lambda shop: f"Bearer {revoked(shop)}", 401, "key_revoked"),
        (lambda shop: f"Bearer {from_elsewhere(shop)}", 403, "network_not_allowed"),
        (lambda shop: f"bearer {make_key(shop, name='k', by='ada')[1]}", 200, None),
    ],
)
async def test_a_table_of_keys(shop, authorization, status, code):
    line = await in_thread(authorization, shop)
    answer = await Caller("").get("/payments", authorization=line)
    assert (answer.status, document(answer).get("code")) == (status, code)
    assert header(answer, "Request-Id").startswith("req_")
    if status == 401:
        assert header(answer, "WWW-Authenticate").startswith('Bearer realm="api"')
        assert document(answer)["errors"][0]["header"] == "Authorization"
    if code:
        assert document(answer)["request_id"] == header(answer, "Request-Id")


async def test_the_published_key_is_a_key_only_in_a_try_out(shop, settings):
    secret = await in_thread(of_a_try_out, shop)
    settings.CHECKOUT_TRY_OUT = False
    assert (await Caller(secret).get("/payments")).status == 401
    settings.CHECKOUT_TRY_OUT = True
    assert (await Caller(secret).get("/payments")).status == 200


@pytest.mark.parametrize("is_live", [False, True])
async def test_a_key_is_refused_after_its_merchant_has_become_live_or_for_tests(shop, is_live):
    def made():
        type(shop).objects.filter(pk=shop.pk).update(is_live=is_live)
        shop.refresh_from_db()
        key, secret = make_key(shop, name="k", by="ada")
        type(shop).objects.filter(pk=shop.pk).update(is_live=not is_live)
        return key, secret

    key, secret = await in_thread(made)
    answer = await Caller(secret).get("/payments")
    assert (answer.status, document(answer)["code"]) == (401, "key_unknown")
    with pytest.raises(OperationRejected):
        await in_thread(lambda: rotate_key(key.pk, overlap=timedelta(hours=1), by="ada"))


async def test_a_key_may_be_used_from_its_networks(shop):
    secret = await in_thread(from_elsewhere, shop)
    for address, status in [("198.51.100.9", 200), ("::ffff:198.51.100.9", 200), ("2001:db8::1", 200),
                            ("198.51.101.9", 403), ("", 403)]:  # fmt: skip
        caller = Caller(secret)
        caller.client.address = address
        assert (await caller.get("/payments")).status == status


async def test_a_revoked_key_is_refused_within_a_second(shop):
    key, secret = await in_thread(lambda: make_key(shop, name="k", by="ada"))
    with remembering() as clock:
        assert (await Caller(secret).get("/payments")).status == 200
        await in_thread(revoke_key, key.pk)
        assert (await Caller(secret).get("/payments")).status == 200
        clock.now += 1
        answer = await Caller(secret).get("/payments")
        assert (answer.status, document(answer)["code"]) == (401, "key_revoked")


async def test_a_remembered_key_expires_at_its_time(shop):
    ends = timezone.now() + timedelta(hours=1)
    _, secret = await in_thread(lambda: make_key(shop, name="k", by="ada", expires_at=ends))
    with remembering():
        assert (await Caller(secret).get("/payments")).status == 200
        with time_machine.travel(ends):
            assert document(await Caller(secret).get("/payments"))["code"] == "key_expired"


async def test_both_keys_are_valid_during_a_rotation_and_the_old_one_ends(shop):
    def rotated():
        key, secret = make_key(
            shop, name="k", by="ada", scopes=[Scope.PAYMENTS_READ], networks=["192.0.2.0/24"]
        )
        return key, secret, *rotate_key(key.pk, overlap=timedelta(hours=1), by="grace")

    old, old_secret, new, new_secret = await in_thread(rotated)
    assert (new.name, new.scopes, new.networks, new.replaces_id) == ("k", old.scopes, old.networks, old.pk)
    assert new.expires_at is None
    for secret in (old_secret, new_secret):
        assert (await Caller(secret).get("/payments")).status == 200
    await in_thread(lambda: ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now()))
    assert (await Caller(old_secret).get("/payments")).status == 401
    assert (await Caller(new_secret).get("/payments")).status == 200


def test_the_successor_of_a_key_lives_as_long_as_that_from_its_own_beginning(shop):
    end = timezone.now() + timedelta(days=30)
    key, _ = make_key(shop, name="k", by="ada", expires_at=end)
    ApiKey.objects.filter(pk=key.pk).update(created_at=end - timedelta(days=365))
    new, _ = rotate_key(key.pk, overlap=timedelta(hours=1), by="grace")
    assert new.expires_at is not None
    assert timedelta() <= timezone.now() + timedelta(days=365) - new.expires_at < timedelta(minutes=1)


@pytest.mark.parametrize("days", [None, 365])
def test_a_key_that_is_replaced_once_more_gets_a_successor_that_lives_as_long_as_the_first(shop, days):
    end = timezone.now() + timedelta(days=days) if days else None
    key, _ = make_key(shop, name="k", by="ada", expires_at=end)
    first, _ = rotate_key(key.pk, overlap=timedelta(hours=72), by="grace")
    # The first rotation has shortened the lifetime of the old key, and the next one that of its successor.
    rotate_key(first.pk, overlap=timedelta(hours=72), by="grace")
    second, _ = rotate_key(key.pk, overlap=timedelta(hours=72), by="grace", is_sure=True)
    if end is None:
        assert second.expires_at is None
    else:
        assert second.expires_at is not None
        assert abs(second.expires_at - end) < timedelta(minutes=1)


@pytest.mark.parametrize(("left", "overlap"), [(1, 24), (24, 1)])
def test_a_rotation_ends_the_old_key_earlier_but_never_later(shop, left, overlap):
    end = timezone.now() + timedelta(hours=left)
    key, _ = make_key(shop, name="k", by="ada", expires_at=end)
    rotate_key(key.pk, overlap=timedelta(hours=overlap), by="grace")
    key.refresh_from_db()
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


async def test_the_secret_is_not_stored_and_the_last_use_is_written_once_a_minute(shop):
    key, secret = await in_thread(lambda: make_key(shop, name="k", by="ada"))
    assert secret.startswith(key.prefix)
    assert len(secret) - len(key.prefix) >= 24
    assert secret not in str(vars(key))
    reads = []
    for _ in range(2):
        await Caller(secret).get("/payments")
        reads.append(await in_thread(lambda: ApiKey.objects.get(pk=key.pk).last_used_at))
    assert reads[0] is not None
    assert reads[0] == reads[1]


async def test_no_cookie_is_set_and_none_is_asked_for(api):
    answer = await api.post("/payments", order(), cookie="sessionid=whatever", origin="https://evil.example")
    assert answer.status == 201
    assert not answer.set_cookies
