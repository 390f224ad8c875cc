"""The form of the log's lines, which a setting chooses."""

import json
import os
import sys

import pytest

from tests.support.program import run

WRITE = """
import logging, structlog
structlog.get_logger("ours").info("payment ended", payment="pay_1", amount=1250, card="4444333322221111")
try:
    raise RuntimeError("a defect")
except RuntimeError:
    logging.getLogger("theirs").exception("failed")
"""


def written(log_format: str) -> list[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "BROKER_URL": ""}
    done = run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", WRITE],
        {**environment, "CHECKOUT_LOG_FORMAT": log_format},
    )
    return done.stderr.strip().splitlines()


def test_each_line_is_a_json_object_if_the_setting_says_so():
    ours, theirs = map(json.loads, written("json"))
    assert (ours["event"], ours["level"], ours["payment"], ours["amount"]) == (
        "payment ended",
        "info",
        "pay_1",
        1250,
    )
    assert ours["timestamp"].endswith("Z")
    assert "4444333322221111" not in ours["card"]
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("failed", "error", "theirs")
    assert "RuntimeError: a defect" in theirs["exception"]


def test_by_default_it_is_in_logfmt():
    ours, *_ = written("logfmt")
    assert 'level=info event="payment ended"' in ours


@pytest.mark.parametrize("wrong", ["yaml", "JSON"])
def test_another_format_is_refused(wrong: str):
    [line] = written(wrong)
    assert line.startswith("CHECKOUT_LOG_FORMAT: ")
