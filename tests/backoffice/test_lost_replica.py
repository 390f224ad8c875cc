"""A list is shown although its replica is lost just after the check of it."""

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from django.db import DatabaseError, connections
from django.test import Client
from django.urls import reverse

from checkout.database import replica
from checkout.database.owners import REPLICA
from checkout.database.replica import Source
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_payment_changelist")


@pytest.fixture
def useless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use a database without tables as the replica, which is found to be up to date."""
    made = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "replica.sqlite3")}
    now = connections.configure_settings({"default": connections.settings["default"], REPLICA: made})
    connections.settings[REPLICA] = now[REPLICA]
    connections[REPLICA].connect()
    monkeypatch.setattr(replica, "source", lambda: Source(REPLICA, "This list is from the replica."))
    yield
    connections[REPLICA].close()
    del connections[REPLICA], connections.settings[REPLICA]


@pytest.mark.parametrize(
    ("lag", "database", "note"),
    [
        (0.0, REPLICA, "This list is from the replica, which is 0 seconds behind."),
        (700.0, "default", "The replica is 700 seconds behind, so this list is from the primary."),
        (inf, "default", "The replica has not caught up yet, so this list is from the primary."),
        (None, "default", "The replica is no standby now, so this list is from the primary."),
    ],
)
def test_the_note_says_why_a_list_is_from_where_it_is(lag: float | None, database: str, note: str) -> None:
    """A standby that has replayed no transaction yet does not say how far it is behind."""
    assert replica.source_by(lag) == Source(database, note)


@pytest.mark.usefixtures("useless")
def test_the_list_is_from_the_primary_and_says_so(admin_client: Client) -> None:
    rows.payment("ORDER-1")
    page = admin_client.get(LIST).content.decode()
    assert "ORDER-1" in page
    assert "The replica cannot be reached, so this list is from the primary." in page
    assert "This list is from the replica." not in page


@pytest.mark.usefixtures("useless")
def test_a_primary_that_is_away_is_not_called_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(replica, "WRITTEN", "SELECT nothing FROM nowhere")
    with pytest.raises(DatabaseError):
        replica.source()
