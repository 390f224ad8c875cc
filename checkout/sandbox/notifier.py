"""Posts notifications until the merchant answers 200 and exactly `[OK]`."""

import asyncio
import time

import requests

from checkout.sandbox.bell import Bell
from checkout.sandbox.configuration import Configuration
from checkout.sandbox.outgoing import Line, Outgoing, Pending

ACCEPTED = "[OK]"
TIME_OUT_SECONDS = 10


class Notifier:
    """One line of notifications: the first one blocks the others until it is accepted or given up."""

    def __init__(self, line: Line, outgoing: Outgoing, configuration: Configuration, bell: Bell) -> None:
        self._line = line
        self._outgoing = outgoing
        self._configuration = configuration
        self._session = requests.Session()
        # A proxy of the developer's environment must not see messages for this machine.
        self._session.trust_env = False
        self._rung = bell.listen()

    async def run(self) -> None:
        """Runs until cancelled."""
        done = 0
        while True:
            self._rung.clear()
            pending = self._outgoing.head(self._line, after=done)
            if pending is None:
                await self._rung.wait()
                continue
            answer = await asyncio.to_thread(self._post, pending.body)
            is_closed = answer == ACCEPTED or self._is_too_old(pending)
            self._outgoing.record(pending, answer, closed=is_closed)
            if is_closed:
                done = pending.id
            else:
                await asyncio.sleep(self._wait_seconds(pending.tries))

    def _post(self, body: bytes) -> str:
        """The answer in a few words; `[OK]` only for an acceptance."""
        try:
            response = self._session.post(
                self._configuration.notification_url,
                data=body,
                headers={"Content-Type": "text/xml; charset=utf-8"},
                timeout=TIME_OUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return type(error).__name__
        if response.status_code == 200 and response.content == ACCEPTED.encode():
            return ACCEPTED
        return f"{response.status_code}, body of {len(response.content)} bytes is not {ACCEPTED}"

    def _is_too_old(self, pending: Pending) -> bool:
        return time.time() > pending.at + self._configuration.notification_lifetime_seconds

    def _wait_seconds(self, tries: int) -> float:
        wait = self._configuration.retry_first_seconds * 2.0 ** min(tries, 30)
        return min(wait, self._configuration.retry_longest_seconds)
