"""Users who leave stay in the log of what they did."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User

from tests.backoffice import rows

pytestmark = pytest.mark.django_db


def test_a_user_who_has_done_anything_is_not_deleted_with_the_log_of_it(admin_client):
    grace, nobody = (User.objects.create(username=name, is_staff=True) for name in ("grace", "nobody"))
    LogEntry.objects.log_actions(grace.pk, [rows.merchant()], CHANGE, "Rotated", single_object=True)
    for user, status in ((grace, 403), (nobody, 302)):
        answer = admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
        assert answer.status_code == status
    delete_both = {"action": "delete_selected", "_selected_action": [str(grace.pk)], "post": "yes"}
    admin_client.post("/admin/auth/user/", delete_both)
    assert LogEntry.objects.filter(user=grace).count() == 1
    assert not User.objects.filter(pk=nobody.pk).exists()
