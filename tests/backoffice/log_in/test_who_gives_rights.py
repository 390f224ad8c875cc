"""Only superusers give rights: others could give a user or group every right."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from checkout.backoffice.models import MerchantAccess

pytestmark = pytest.mark.django_db

OTHER_PASSWORD = "another long password"


@pytest.fixture
def lead() -> User:
    """A member of staff with all of Django's permissions on users and groups."""
    person = User.objects.create(username="lead", is_staff=True)
    models = ("user", "group")
    person.user_permissions.set(Permission.objects.filter(content_type__model__in=models))
    MerchantAccess.objects.create(user=person, is_unlimited=True)
    return person


@pytest.fixture
def browser(lead: User) -> Client:
    browser = Client()
    browser.force_login(lead)
    return browser


def test_nobody_makes_a_superuser_of_themselves(browser, lead):
    address = f"/admin/auth/user/{lead.pk}/change/"
    assert browser.get(address).status_code == 200
    wanted = {"username": "lead", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    moment = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert browser.post(address, wanted | moment).status_code == 403
    lead.refresh_from_db()
    assert not lead.is_superuser


def test_nobody_sets_the_password_of_a_superuser(browser):
    boss = User.objects.create_superuser("boss", password="a long enough password 1")
    wanted = {"password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD, "usable_password": "true"}
    assert browser.post(f"/admin/auth/user/{boss.pk}/password/", wanted).status_code == 403
    boss.refresh_from_db()
    assert not boss.check_password(OTHER_PASSWORD)


def test_nobody_makes_another_user_with_rights(browser):
    wanted = {"username": "me", "password1": OTHER_PASSWORD, "password2": OTHER_PASSWORD}
    assert browser.post("/admin/auth/user/add/", {**wanted, "usable_password": "true"}).status_code == 403
    assert browser.post("/admin/auth/group/add/", {"name": "mine"}).status_code == 403
    assert not User.objects.filter(username="me").exists()


def test_nobody_gives_rights_to_a_group_of_theirs(browser, lead):
    group = Group.objects.create(name="clerks")
    lead.groups.add(group)
    refund = Permission.objects.get(codename="request_refund")
    address = f"/admin/auth/group/{group.pk}/change/"
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"name": "clerks", "permissions": [refund.pk]}).status_code == 403
    assert browser.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 403
    assert not group.permissions.exists()


def test_a_superuser_gives_rights(admin_client, lead):
    group = Group.objects.create(name="clerks")
    refund = Permission.objects.get(codename="request_refund")
    wanted = {"name": "clerks", "permissions": [refund.pk]}
    assert admin_client.post(f"/admin/auth/group/{group.pk}/change/", wanted).status_code == 302
    assert group.permissions.get() == refund
