"""API keys in the back office: shown once, with a permission of their own."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from checkout.api.access.keys import find_key, make_key, revoke_key, rotate_key
from checkout.api.access.scopes import Scope
from checkout.api.models import ApiKey
from checkout.errors import OperationRejected
from checkout.payments.models import Merchant
from tests.backoffice.operating import told as messages_of

pytestmark = pytest.mark.django_db
LISTED = reverse("admin:api_apikey_changelist")
ADD = reverse("admin:api_apikey_add")


@pytest.fixture
def shop():
    return Merchant.objects.create(code="shop", name="The Shop")


@pytest.fixture
def clerk(staff_client):
    return staff_client("view_apikey", "manage_apikey")


def secret_in(page):
    [secret] = re.findall(r"sk_(?:test|live)_\w{32}", page.content.decode())
    return secret


def found(secret):
    known = find_key(secret)
    assert known is not None
    return known


def opened(clerk, address):
    """Open a form, and return its one-time key."""
    return {"form_key": str(clerk.get(address).context["form"]["form_key"].value())}


def made(clerk, shop, **changes):
    form = {"merchant": shop.pk, "name": "back end", "scopes": ["payments:read"], "networks": "", "days": ""}
    return clerk.post(ADD, {**form, "form_key": uuid4(), **changes})


def test_a_key_is_made_and_its_secret_shown_once(clerk, shop):
    assert clerk.get(ADD).status_code == 200
    page = made(clerk, shop, networks="192.0.2.0/24, 2001:db8::1", days="30")
    secret = secret_in(page)
    assert "no-store" in page.headers["Cache-Control"]
    key, merchant = found(secret)
    assert (merchant, key.name, key.scopes) == (shop, "back end", ["payments:read"])
    assert key.networks == ["192.0.2.0/24", "2001:db8::1/128"]
    assert key.created_by == "staff"
    assert key.expires_at is not None
    for address in (LISTED, reverse("admin:api_apikey_change", args=[key.pk])):
        shown = clerk.get(address).content.decode()
        assert key.prefix in shown
        assert secret not in shown
        assert key.secret_hash not in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"scopes": []},
        {"scopes": ["all"]},
        {"networks": "everywhere"},
        {"days": "0"},
        {"merchant": 0},
        {"form_key": ""},
    ],
)
def test_a_wrong_form_makes_no_key(clerk, shop, changes):
    page = made(clerk, shop, **changes)
    assert b"Nothing was changed" in page.content
    assert not ApiKey.objects.exists()


def test_a_wrong_network_is_told_without_the_name_of_the_field(clerk, shop):
    page = made(clerk, shop, networks="everywhere").content.decode()
    assert ">everywhere is not a network. An example is 192.0.2.0/24.<" in page
    assert 'value="everywhere"' in page, "and can be corrected"


def test_the_page_of_a_key_lists_scopes_and_networks_as_people_write_them(clerk, shop):
    scopes = [Scope.PAYMENTS_READ, Scope.EVENTS_READ]
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    narrow, _ = make_key(shop, name="back end", by="ada", scopes=scopes, networks=networks)
    page = clerk.get(reverse("admin:api_apikey_change", args=[narrow.pk])).content.decode()
    assert ">events:read, payments:read<" in page
    assert ">192.0.2.0/24, 2001:db8::/32<" in page
    assert "API version:" in page
    wide, _ = make_key(shop, name="front end", by="ada")
    assert ">any<" in clerk.get(reverse("admin:api_apikey_change", args=[wide.pk])).content.decode()


def test_the_form_has_no_marks_of_code(clerk):
    assert "`" not in re.sub("<script.*?</script>", "", clerk.get(ADD).content.decode(), flags=re.DOTALL)


def test_a_live_merchant_gets_a_live_key(clerk, shop):
    Merchant.objects.update(is_live=True)
    assert secret_in(made(clerk, shop)).startswith("sk_live_")


def test_a_key_is_rotated_and_revoked(clerk, shop):
    key, _ = make_key(shop, name="back end", by="ada")
    rotate = reverse("admin:api_apikey_rotate", args=[key.pk])
    assert clerk.get(rotate).status_code == 200
    successor, _ = found(secret_in(clerk.post(rotate, {"hours": "24", **opened(clerk, rotate)})))
    assert successor.replaces_id == key.pk
    key.refresh_from_db()
    assert key.expires_at is not None
    assert not key.is_expired
    clerk.post(reverse("admin:api_apikey_revoke", args=[successor.pk]))
    successor.refresh_from_db()
    assert successor.is_revoked
    clerk.post(reverse("admin:api_apikey_rotate", args=[successor.pk]), {"hours": "24"})
    assert ApiKey.objects.count() == 2


def test_the_scopes_are_a_group_with_a_name(clerk, shop):
    page = clerk.get(ADD).content.decode()
    [group] = re.findall(r"<fieldset[^>]*>\s*<legend>Scopes</legend>.*?</fieldset>", page, re.DOTALL)
    assert group.count('type="checkbox"') == len(Scope)
    assert 'for="id_scopes_0"' in group
    assert 'aria-describedby="id_scopes_helptext"' in group
    assert 'id="id_scopes_helptext"' in group
    wrong = made(clerk, shop, scopes=[]).content.decode()
    assert 'aria-invalid="true"' in wrong


def test_a_form_that_is_sent_twice_makes_one_key_and_says_what_to_do(clerk, shop):
    form = opened(clerk, ADD)
    secret = secret_in(made(clerk, shop, **form))
    again = made(clerk, shop, **form)
    [key] = ApiKey.objects.all()
    assert again["Location"] == reverse("admin:api_apikey_change", args=[key.pk])
    [told] = messages_of(again)
    assert str(key) in told
    assert "Rotate" in told
    assert secret not in told


@pytest.mark.parametrize("hours", ["0", "24"])
def test_a_key_is_rotated_once_by_a_form_that_is_sent_twice(clerk, shop, hours):
    key, _ = make_key(shop, name="back end", by="ada")
    rotate = reverse("admin:api_apikey_rotate", args=[key.pk])
    form = {"hours": hours, **opened(clerk, rotate)}
    clerk.post(rotate, form)
    again = clerk.post(rotate, form)
    [successor] = key.successors.all()
    assert again["Location"] == reverse("admin:api_apikey_change", args=[successor.pk])
    assert "once" in messages_of(again)[0]
    address = reverse("admin:api_apikey_rotate", args=[successor.pk])
    third = clerk.post(address, {"hours": "0", **opened(clerk, address)})
    assert found(secret_in(third))[0].replaces_id == successor.pk, "the way to a secret that is seen"


def test_a_key_with_a_valid_successor_is_rotated_again_only_if_that_is_confirmed(clerk, shop):
    key, _ = make_key(shop, name="back end", by="ada")
    rotate = reverse("admin:api_apikey_rotate", args=[key.pk])
    clerk.post(rotate, {"hours": "24", **opened(clerk, rotate)})
    successor = key.successors.get()
    form = {"hours": "24", **opened(clerk, rotate)}
    refused = clerk.post(rotate, form)
    assert refused.status_code == 200
    assert successor.prefix in refused.content.decode()
    assert 'name="is_sure"' in refused.content.decode()
    assert key.successors.count() == 1
    with pytest.raises(OperationRejected, match="replaced already"):
        rotate_key(key.pk, overlap=timedelta(hours=1), by="ada")
    clerk.post(rotate, {**form, "is_sure": "on"})
    assert key.successors.count() == 2


def test_a_key_whose_successor_was_revoked_is_rotated_without_more_ado(clerk, shop):
    key, _ = make_key(shop, name="back end", by="ada")
    successor, _ = rotate_key(key.pk, overlap=timedelta(hours=1), by="ada")
    revoke_key(successor.pk)
    rotate = reverse("admin:api_apikey_rotate", args=[key.pk])
    secret_in(clerk.post(rotate, {"hours": "24", **opened(clerk, rotate)}))


def test_without_the_permission_keys_can_only_be_looked_at(staff_client, shop):
    key, _ = make_key(shop, name="back end", by="ada")
    clerk = staff_client("view_apikey", "add_apikey", "change_apikey", "delete_apikey")
    assert clerk.get(LISTED).status_code == 200
    assert clerk.get(ADD).status_code == 403
    assert made(clerk, shop).status_code == 403
    for page in ("rotate", "revoke", "delete"):
        assert clerk.post(reverse(f"admin:api_apikey_{page}", args=[key.pk]), {"hours": 1}).status_code == 403
    assert clerk.post(reverse("admin:api_apikey_change", args=[key.pk]), {"name": "x"}).status_code == 403
    key.refresh_from_db()
    assert (key.name, key.revoked_at, ApiKey.objects.count()) == ("back end", None, 1)
