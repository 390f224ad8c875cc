"""On a database that locks rows, the button of each action needs a transaction."""

import pytest
from django.contrib import admin
from django.urls import reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.backoffice.row_actions import AdminWithActions
from tests.backoffice.operating import told
from tests.backoffice.recorded import entries
from tests.backoffice.to_act_on import MAKE

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ALL = [
    (model._meta.model_name, verb.name)
    for model, page in admin.site._registry.items()
    if isinstance(page, AdminWithActions)
    for verb in page.verbs
]


@pytest.mark.parametrize(("model", "verb"), ALL)
def test_the_button_of_an_action_does_what_it_says(admin_client, model, verb):
    row = MAKE[model, verb]()
    address = reverse(f"admin:{row._meta.app_label}_{model}_{verb}", args=[row.pk])
    assert admin_client.get(address).status_code == 200
    answer = admin_client.post(address, {"reason": "The bank called"})
    assert answer.status_code in (200, 302), told(answer)
    assert entries().count() == 1, told(answer)
