"""Rows that only serve counting are deleted once no limit needs them."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone

from checkout.payments.models import Attempt, CardTrial
from checkout.payments.timers.expired_counters import delete_expired_counters
from tests.payments.timers.conftest import _credentials, account, attempt, books

__all__ = ["_credentials", "account", "attempt", "books"]

pytestmark = pytest.mark.django_db

AGES = {"old": timedelta(hours=2), "young": timedelta(minutes=59)}


@pytest.fixture(autouse=True)
def _an_hour(settings) -> None:
    settings.CHECKOUT_RETENTION_SECONDS = 3600
    settings.CHECKOUT_LOGIN_LOCK_SECONDS = 3600


def test_cards_that_were_tried_long_ago_are_forgotten(attempt):
    other = Attempt.objects.get(pk=attempt.pk)
    other.pk, other.number, other.order_code = None, 2, "another"
    other.save()
    for of, age in zip((attempt, other), AGES.values(), strict=True):
        CardTrial.objects.create(
            attempt=of, merchant=of.payment.merchant, is_declined=True, answered_at=timezone.now() - age
        )
    assert (delete_expired_counters(), delete_expired_counters()) == (1, 0)
    assert CardTrial.objects.get().attempt == other


@pytest.mark.parametrize("model", [AccessLog, AccessAttempt])
def test_log_ins_and_failures_of_long_ago_are_forgotten(model):
    counted = {"failures_since_start": 1} if model is AccessAttempt else {}
    for name, age in AGES.items():
        row = model.objects.create(username=name, **counted)
        model.objects.filter(pk=row.pk).update(attempt_time=timezone.now() - age)
    assert (delete_expired_counters(), delete_expired_counters()) == (1, 0)
    assert model.objects.get().username == "young"


def test_sessions_that_are_over_are_forgotten():
    now = timezone.now()
    for key, expires in (("over", now - timedelta(seconds=1)), ("open", now + timedelta(seconds=60))):
        Session.objects.create(session_key=key, session_data="", expire_date=expires)
    assert (delete_expired_counters(), delete_expired_counters()) == (1, 0)
    assert Session.objects.get().session_key == "open"
