"""The number of guesses by attackers does not grow with the number of their networks."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.utils import timezone

from tests.backoffice.log_in.conftest import log_in

MINUTES = 30
FAILURES, QUARTERS = 5, MINUTES // 15


class CountingHasher(MD5PasswordHasher):
    """A hasher that records each password that is checked."""

    algorithm = "counting"
    looked_at: list[str] = []

    def verify(self, password: str, encoded: str) -> bool:
        self.looked_at.append(password)
        return super().verify(password, encoded)


@pytest.fixture
def looked_at(settings, ada) -> list[str]:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    ada.set_password("a password that is never guessed")
    ada.save()
    CountingHasher.looked_at.clear()
    return CountingHasher.looked_at


def test_from_any_number_of_networks_five_guesses_a_quarter_of_an_hour_are_looked_at(looked_at):
    start = timezone.now()
    for minute in range(MINUTES):
        with time_machine.travel(start + timedelta(minutes=minute), tick=False):
            for network in range(3):
                address = f"2001:db8:{minute:x}:{network}::1"
                log_in(Client(REMOTE_ADDR=address), f"guess {minute} {network}")
    assert FAILURES * (QUARTERS - 1) <= len(looked_at) <= FAILURES * QUARTERS
