"""Fixtures for staff with the permissions that a test gives them."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from checkout.backoffice.models import MerchantAccess
from tests.support.tables import our_models

OUR_APPS = {model._meta.app_label for model in our_models()}


@pytest.fixture
def staff_client(db):
    """Return a function that makes a client of a member of staff with exactly these permissions.

    Without ``merchants``, the member of staff sees all of them.
    """

    def client(*codenames, name="staff", merchants=()):
        person = User.objects.create(username=name, is_staff=True)
        granted = Permission.objects.filter(content_type__app_label__in=OUR_APPS, codename__in=codenames)
        assert granted.count() == len(codenames)
        person.user_permissions.set(granted)
        MerchantAccess.objects.create(user=person, is_unlimited=not merchants, merchants=list(merchants))
        browser = Client()
        browser.force_login(person)
        return browser

    return client


@pytest.fixture
def queries_for(admin_client):
    """Return a function that counts the queries of a page, after Django has cached its content types."""

    def count(address):
        admin_client.get(address)
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(address).status_code == 200
        return len(captured)

    return count
