"""Every program knows the same commands."""

import pytest

from checkout.message_registry import COMMANDS
from checkout.messages import Command
from checkout.participants import participants
from checkout.running.services import SERVICES
from messaging.access.participants import service_of


@pytest.mark.parametrize("type", sorted(COMMANDS))
def test_the_service_that_a_command_names_handles_it(type: str) -> None:
    assert type in SERVICES[service_of(type)].commands


def test_no_service_handles_a_command_without_a_class() -> None:
    assert {type for service in SERVICES.values() for type in service.commands} == set(COMMANDS)


def test_no_program_may_send_a_command_without_a_class() -> None:
    assert {type for each in participants() for type in each.sends} <= set(COMMANDS)


def test_every_class_of_commands_is_known_by_a_type_of_its_own() -> None:
    # Tests have commands of their own.
    ours = {each for each in Command.__subclasses__() if each.__module__.startswith("checkout.")}
    assert set(COMMANDS.values()) == ours
