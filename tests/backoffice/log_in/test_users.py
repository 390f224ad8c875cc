"""The names of users who leave stay in the audit log."""

import pytest
from django.contrib.auth.models import User

from checkout.audit.log import Author, record

pytestmark = pytest.mark.django_db


def test_a_user_who_has_done_anything_is_not_deleted_so_that_nobody_else_gets_the_name(admin_client):
    grace, nobody = (User.objects.create(username=name, is_staff=True) for name in ("grace", "nobody"))
    record(Author("grace", grace.pk, "192.0.2.7"), "change", "Changed the merchant")
    for user, status in ((grace, 403), (nobody, 302)):
        answer = admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
        assert answer.status_code == status
    delete_both = {"action": "delete_selected", "_selected_action": [str(grace.pk)], "post": "yes"}
    admin_client.post("/admin/auth/user/", delete_both)
    assert User.objects.filter(pk=grace.pk).exists()
    assert not User.objects.filter(pk=nobody.pk).exists()
