"""Knobs of the sandbox, which cause faults in tests (``docs/sandbox.md``)."""

from collections.abc import Mapping
from typing import Any

import requests

from checkout.tryout.browser import NotReachable

TIMEOUT_SECONDS = 10


class KnobsRefused(Exception):
    """The sandbox has refused the posted knobs."""


def set_knobs(sandbox_url: str, knobs: Mapping[str, Any]) -> None:
    """Post knobs to the sandbox. Raises ``NotReachable`` and ``KnobsRefused``."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{sandbox_url}/scenarios/", json=knobs, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise NotReachable(f"The sandbox at {sandbox_url} does not answer: {error}") from error
    if not answer.ok:
        raise KnobsRefused(f"The sandbox refused {list(knobs)}: {answer.status_code} {answer.text[:200]}")
