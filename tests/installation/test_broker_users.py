"""The broker's users are created from the table of participants, and each process has its own."""

import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from checkout.participants import participants
from messaging.access.participants import Participant
from messaging.access.permissions import permissions_of
from messaging.topology import Topology
from scripts.processes import environment_of

USERS = {
    f"checkout.{name}"
    for name in "web checkout payments risk orders ledger notifications webhooks relay".split()
}


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """Yield a function that limits the size of files that this process writes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def printed(*arguments: str) -> dict[str, Any]:
    output = StringIO()
    call_command("broker_users", "--vhost", "here", *arguments, stdout=output)
    definitions: dict[str, Any] = json.loads(output.getvalue())
    return definitions


def test_every_program_has_a_user_with_a_random_password_that_is_kept(tmp_path: Path):
    file = tmp_path / "passwords.json"
    made = printed("--passwords", str(file))
    assert {user["name"] for user in made["users"]} == USERS
    passwords = json.loads(file.read_text())
    assert passwords.keys() == USERS
    assert len(set(passwords.values())) == len(USERS)
    assert file.stat().st_mode & 0o077 == 0
    assert not any(password in json.dumps(made) for password in passwords.values())
    printed("--passwords", str(file))
    assert json.loads(file.read_text()) == passwords


def test_a_password_that_was_deleted_is_replaced_and_no_other(tmp_path: Path):
    file = tmp_path / "passwords.json"
    printed("--passwords", str(file))
    before = json.loads(file.read_text())
    file.write_text(json.dumps({user: before[user] for user in USERS - {"checkout.risk"}}))
    printed("--passwords", str(file))
    after = json.loads(file.read_text())
    assert {user for user in USERS if before[user] != after[user]} == {"checkout.risk"}


def test_without_passwords_users_are_left_as_they_are():
    made = printed()
    assert made["users"] == []
    assert {right["user"] for right in made["permissions"]} == USERS


def test_the_exchanges_can_be_made_before_the_rights_to_them():
    alone, whole = printed("--exchanges"), printed()
    assert alone == {name: whole[name] for name in ("vhosts", "exchanges")}


@pytest.mark.parametrize("participant", list(participants()), ids=lambda each: each.name)
def test_nobody_may_declare_exchanges_and_the_relay_alone_reads_dead_letters(participant: Participant):
    topology = Topology("checkout")
    rights = permissions_of(participant, topology, participants())
    assert not any(rights.may_configure(exchange.name) for exchange in topology.exchanges)
    assert rights.may_read(topology.dead_queue.name) == participant.relays
    assert not rights.may_publish("", topology.service_queue("ledger").name)


def test_a_listener_reads_events_and_says_nothing():
    made = printed("--listener", "warehouse")
    [right] = [each for each in made["permissions"] if each["user"] == "checkout.warehouse"]
    assert right["configure"] == "^$"
    assert right["write"] == r"^(checkout\.events\.warehouse)$", "to bind it"
    assert "checkout.events.warehouse" in {queue["name"] for queue in made["queues"]}
    topics = {
        each["exchange"]: each for each in made["topic_permissions"] if each["user"] == "checkout.warehouse"
    }
    assert topics["checkout.events"]["write"] == topics["checkout.commands"]["write"] == "^$"


@pytest.mark.parametrize(
    ("key", "is_allowed"),
    [
        ("payment.*.shop", True),
        ("*.*.shop", True),
        ("refund.succeeded.out-let", True),
        ("payment.captured.other", False),
        ("payment.captured", False),
        ("shop", False),
        ("*.shop", False),
        ("#", False),
        ("#.shop", False),
        ("payment.#.shop", False),
        ("*.*.*", False),
        ("*.*.shop.*", False),
        ("*.*.bookshop", False),
    ],
)
def test_a_listener_to_merchants_binds_their_keys_only(key: str, is_allowed: bool):
    made = printed("--listener", "warehouse=shop,out-let")
    [read] = [
        each["read"]
        for each in made["topic_permissions"]
        if (each["user"], each["exchange"]) == ("checkout.warehouse", "checkout.events")
    ]
    assert bool(re.search(read, key)) == is_allowed


@pytest.mark.parametrize("merchants", ["", "shop,", "a.b", "#", "shop|other"])
def test_a_listener_to_no_merchant_is_refused(merchants: str):
    with pytest.raises(CommandError, match="no merchant's code"):
        printed("--listener", f"warehouse={merchants}")


@pytest.mark.parametrize("name", ["risk", "web", "a b"])
def test_a_listener_is_nobody_else(name: str):
    with pytest.raises(CommandError, match="no name for another program"):
        printed("--listener", name)


@pytest.mark.parametrize("text", ["mine", "[]", '{"checkout.web": 1}'])
def test_a_file_that_is_not_one_of_passwords_is_left_alone(tmp_path: Path, text: str):
    file = tmp_path / "passwords.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="cannot be used"):
        printed("--passwords", str(file))
    assert file.read_text() == text


def test_passwords_that_others_could_read_are_the_owners_only_when_one_is_added(tmp_path: Path):
    file = tmp_path / "passwords.json"
    file.write_text("{}")
    file.chmod(0o644)
    printed("--passwords", str(file))
    assert file.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] == ["passwords.json"]


def test_a_full_disk_costs_no_password(tmp_path: Path, largest_file: Callable[[int], None]):
    file = tmp_path / "passwords.json"
    text = json.dumps({"checkout.web": "x" * 2_000})
    file.write_text(text)
    largest_file(1_000)
    with pytest.raises(CommandError, match="cannot be used"):
        printed("--passwords", str(file))
    assert file.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["passwords.json"]


def test_a_process_sees_its_own_password_and_no_other(tmp_path: Path):
    file = tmp_path / "passwords.json"
    file.write_text(json.dumps({"checkout.ledger": "l/1", "checkout.web": "w"}))
    house = {"BROKER_URL": "amqp://127.0.0.1:5672/gateway", "BROKER_PASSWORDS": str(file), "OTHER": "kept"}
    ledger = environment_of("ledger", house)
    assert ledger == {
        "BROKER_URL": "amqp://checkout.ledger:l%2F1@127.0.0.1:5672/gateway",
        "OTHER": "kept",
    }
    assert environment_of("sandbox", house) == {"OTHER": "kept"}


def test_with_a_broker_of_the_operators_every_process_has_its_address():
    house = {"BROKER_URL": "amqp://me:mine@broker/"}
    assert environment_of("ledger", house) == house
