"""A program with a client library, as in its README, whose payment a shopper pays."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from checkout.conf.api import TRY_OUT_API_KEY
from tests.api.clients.between import Fault, between
from tests.flows.stack.shopping import shopper_at
from tests.support.pages import blocks_of, text_of
from tests.support.program import Program
from tests.support.stack import Stack

# The address of the gateway in the README.
URL = "http://localhost:8000"
# Each request that moves money is carried out first, and its answer lost; then it is refused twice.
FAULTS: tuple[Fault, ...] = ("lost", "limited", "busy")


def program_of(library: str, language: str) -> str:
    """Return the first program in the README of a library, such as ``python``."""
    return blocks_of(text_of(f"clients/{library}/README.md"), language)[0]


def assert_pays(
    stack: Stack, folder: Path, source: str, save: Callable[[str], Sequence[str]], **environment: str
) -> None:
    """Run the program on a bad connection, pay its payment as a shopper does, and check the result.

    ``save`` stores the source, and returns the command that runs it.
    """
    with between(stack.web_url, *FAULTS) as bad:
        command = save(source.replace(URL, bad.url))
        program = Program("pay", command, log=folder / "log", environment={**os.environ, **environment})
        program.start()
        try:
            program.wait_for_line("/checkout/", seconds=120)
            [address] = re.findall(r"\S+/checkout/\S+", program.text())
            shopper = shopper_at(stack)
            shopper.reference = address.rstrip("/").rpartition("/")[2]
            shopper.pay(shopper.browser.open(address))
            assert program.wait(seconds=180) == 0, program.text()
        finally:
            program.kill()
    assert program.text().splitlines()[-1] == "refund of 250"
    for path, keys in bad.keys.items():
        assert (len(keys), len(set(keys))) == (len(FAULTS) + 1, 1), f"{path}: {keys}"
    assert len(bad.keys) == 2, "the payment and its refund"
    read = requests.get(
        f"{stack.web_url}/api/v1/payments/{shopper.reference}/operations?kind=refund",
        headers={"Authorization": f"Bearer {TRY_OUT_API_KEY}"},
        timeout=20,
    )
    assert [each["amount"] for each in read.json()["data"]] == [250], "it was refunded once"
