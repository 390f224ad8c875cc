"""A saved card can be charged until its last day is over everywhere, even west of Greenwich."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from checkout.payments.models import SavedCard

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expiry", "is_over"),
    [
        (DECEMBER, "11/2026", False),
        (DECEMBER.replace(hour=11, minute=59), "11/2026", False),
        (DECEMBER.replace(hour=12), "11/2026", True),
        (datetime(2028, 2, 29, 23, 59, tzinfo=UTC), "02/2028", False),
        (datetime(2028, 3, 1, 12, tzinfo=UTC), "02/2028", True),
        (datetime(2027, 1, 1, 11, tzinfo=UTC), "12/2026", False),
        (datetime(2027, 1, 1, 12, tzinfo=UTC), "12/2026", True),
    ],
)
def test_a_card_is_good_to_the_end_of_its_last_month(monkeypatch, now, expiry, is_over):
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert SavedCard(expiry=expiry).has_expired == is_over


@pytest.mark.parametrize(("hour", "is_over"), [(11, False), (12, True)])
def test_a_token_is_good_to_the_end_of_its_last_day(monkeypatch, hour, is_over):
    monkeypatch.setattr(timezone, "now", lambda: DECEMBER.replace(hour=hour))
    assert SavedCard(expiry="12/2030", valid_until=date(2026, 11, 30)).has_expired == is_over
