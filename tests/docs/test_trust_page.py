"""The page about trust agrees with the table of participants."""

import re

import pytest

from checkout.participants import participants
from checkout.payments.events import EVENT_TYPES
from checkout.payments.messages import DeleteToken
from checkout.running.services import SERVICES
from messaging.access.participants import Participant, service_of
from messaging.envelope import MAX_BODY_BYTES, MAX_CHANNEL_BODY_BYTES
from tests.support.program import ROOT

PAGE = (ROOT / "docs" / "trust.md").read_text()


def row_of(each: Participant) -> str:
    if each.relays:
        announced = ", ".join(f"`{word}.*`" for word in sorted(each.announces))
        return f"| `{each.name}` | what any of them may | any of them | {announced} |"
    cells = (
        ", ".join(f"`{type}`" for type in sorted(each.sends)),
        f"`{each.name}`" if each.serves else "",
        ", ".join(f"`{word}.*`" for word in sorted(each.announces)),
    )
    return f"| `{each.name}` | " + " | ".join(cell or "\N{EN DASH}" for cell in cells) + " |"


@pytest.mark.parametrize("participant", list(participants()), ids=lambda each: each.name)
def test_the_page_says_what_a_participant_may_say(participant: Participant):
    assert row_of(participant) in PAGE.splitlines()


def test_the_advised_limit_on_messages_leaves_room_for_the_largest():
    (advised,) = re.findall(r"`max_message_size = (\d+)`", PAGE)
    assert max(MAX_BODY_BYTES, MAX_CHANNEL_BODY_BYTES) * 1.5 < int(advised)


def test_the_participants_are_the_services_with_web_webhooks_and_relay():
    assert {each.name for each in participants()} == {*SERVICES, "web", "webhooks", "relay"}


def test_nobody_may_send_what_no_service_handles():
    sent = {type for each in participants() for type in each.sends}
    assert sent <= {type for service in SERVICES.values() for type in service.commands}


def test_what_only_staff_and_timers_say_is_said_by_the_relay_alone():
    sent = {type for each in participants() for type in each.sends}
    unsaid = {type for service in SERVICES.values() for type in service.commands} - sent
    assert {service_of(type) for type in unsaid} == {"checkout", "payments"}
    assert {type for type in unsaid if service_of(type) == "payments"} == {DeleteToken.to}


def test_the_relay_may_announce_every_event_and_nothing_else():
    words = {type.partition(".")[0] for type in EVENT_TYPES}
    assert {each.name: set(each.announces) for each in participants() if each.relays} == {"relay": words}
