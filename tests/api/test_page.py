"""The commands on the page about the API work as they are written."""

import json
import os
import re
import subprocess

import pytest

from tests.api.running_web import prepared_web, start
from tests.support.pages import blocks_of, text_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
BLOCKS = blocks_of(text_of("docs/api.md"), "sh")


def outputs_of(block, **variables):
    """Run the commands of a block. Return the output of each: one JSON document per command."""
    done = subprocess.run(
        ["bash", "-ec", block], capture_output=True, text=True, timeout=120, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    decoder, text, found = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].strip()
    return found


def test_the_commands_of_the_page(tmp_path):
    with prepared_web(tmp_path) as (program, url):
        start(program, url)
        create, read, refund, cards, session, webhook = (
            block.replace("http://localhost:8000", url) for block in BLOCKS
        )
        created, payment = outputs_of(create + """echo '"'$PAYMENT'"'""")
        assert payment == created["id"]
        assert created["checkout_url"].startswith(url)
        settings = "".join(line + "\n" for line in create.splitlines() if re.match(r"(KEY|API)=", line))
        found, events, cancelled = outputs_of(settings + read, PAYMENT=created["id"])
        assert found == created
        assert [each["payment"] for each in events["data"]] == [created["id"]]
        assert cancelled["state"] == "cancelled"
        [refused] = outputs_of(settings + refund, PAYMENT=created["id"])
        assert refused["code"] == "not_possible_now", "it was not paid"
        [saved] = outputs_of(settings + cards)
        assert (saved["object"], saved["data"]) == ("list", [])
        [offered] = outputs_of(settings + session, PAYMENT=created["id"])
        assert offered["code"] == "not_possible_now", "it is cancelled, and names no customer"
        made, pinged, listed, deleted = outputs_of(settings + webhook)
        assert made["secret"].startswith("whsec_")
        assert [each["id"] for each in listed["data"]] == [pinged["id"]]
        assert deleted["deleted"]
