"""Fixtures: a member of staff with a password, and browsers at different addresses."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

PASSWORD = "a long enough password 1"
LOG_IN = reverse("admin:login")
HOME = reverse("admin:index")


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


@pytest.fixture
def at(ada: User) -> Callable[[str], Client]:
    """Return a function that makes a browser at an address."""
    return lambda address: Client(REMOTE_ADDR=address)


def log_in(browser: Client, password: str = PASSWORD, *, name: str = "ada") -> int:
    """Try to log in. Return the status of the answer: 302 after a successful log-in."""
    answer = browser.post(f"{LOG_IN}?next={HOME}", {"username": name, "password": password})
    return int(answer.status_code)
