"""Internals of a library are used only with the release for which that was written."""

import pytest
import structlog

from messaging.libraries.versions import is_made_for
from messaging.rabbitmq import direct_connection
from tests.support.libraries import installed


@pytest.mark.parametrize(
    ("version", "is_it"), [("1.4.4", True), ("1.4", True), ("1.40.0", False), ("1.5.0", False)]
)
def test_a_release_has_the_versions_that_begin_with_it(version, is_it):
    with installed("pika", version):
        assert is_made_for("pika", "1.4", "test") == is_it


def test_another_release_is_logged_once():
    with installed("pika", "1.5.0"), structlog.testing.capture_logs() as lines:
        assert [is_made_for("pika", "1.4", "test") for _ in range(3)] == [False] * 3
    assert [(line["shortcut"], line["installed"], line["made_for"]) for line in lines] == [
        ("test", "1.5.0", "1.4")
    ]


def test_another_pika_is_used_by_its_public_interface():
    with installed("pika", "1.5.0"):
        assert not direct_connection.is_possible.__wrapped__()
