"""Posting of notifications until the merchant answers 200 and exactly `[OK]`."""

import asyncio
import time

import requests

from sandbox.changes import ChangeSignal, changed_within
from sandbox.clock import Clock
from sandbox.configuration import Configuration
from sandbox.notifications.outgoing import Line, Outgoing, Pending

ACCEPTED = "[OK]"
LOST = "lost on the way"
TIME_OUT_SECONDS = 10


class Notifier:
    """One line of notifications: the first one blocks the others until it is accepted or given up."""

    def __init__(
        self,
        line: Line,
        outgoing: Outgoing,
        configuration: Configuration,
        clock: Clock,
        changes: ChangeSignal,
    ) -> None:
        self._line = line
        self._outgoing = outgoing
        self._configuration = configuration
        self._clock = clock
        self._session = requests.Session()
        # A proxy in the developer's environment must not receive messages for this machine.
        self._session.trust_env = False
        self._session.verify = str(configuration.ca_file or "") or True
        self._changes = changes

    async def run(self) -> None:
        """Run until cancelled."""
        done = 0
        with self._changes.listening() as changed:
            while True:
                changed.clear()
                done = self._outgoing.closed_up_to(self._line, after=done)
                pending = self._outgoing.head(self._line, after=done)
                if pending is None:
                    due = self._outgoing.next_due(self._line, after=done)
                    await changed_within(changed, None if due is None else max(0, due - time.time()))
                    continue
                is_closed = await self._deliver(pending)
                self._changes.notify()
                if not is_closed:
                    await self._pause(pending.tries, changed)

    async def _pause(self, tries: int, changed: asyncio.Event) -> None:
        """Wait until the next attempt, which comes sooner if the clock is made faster."""
        since = time.monotonic()
        while (left := since + self._wait_seconds(tries) - time.monotonic()) > 0:
            changed.clear()
            await changed_within(changed, left)

    async def _deliver(self, pending: Pending) -> bool:
        """Deliver a notification once. Return True if no further attempt is to follow."""
        if pending.plan == "never" or (pending.plan == "first_try_lost" and not pending.tries):
            answer = LOST
        else:
            answer = await asyncio.to_thread(self._post, pending)
        is_closed = answer == ACCEPTED or pending.plan in {"once", "never"} or self._is_too_old(pending)
        self._outgoing.record(pending, answer, closed=is_closed)
        return is_closed

    def _post(self, pending: Pending) -> str:
        """Post a notification. Return a summary of the answer, which is `[OK]` only for an acceptance.

        The answer is read only as far as is needed to tell it from `[OK]`.
        """
        try:
            with self._session.post(
                self._configuration.notification_url,
                data=pending.body,
                headers={"Content-Type": pending.content_type},
                timeout=TIME_OUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = b""
                for part in response.iter_content(len(ACCEPTED) + 1):
                    body += part
                    if len(body) > len(ACCEPTED):
                        break
        except requests.RequestException as error:
            return type(error).__name__
        if response.status_code == 200 and body == ACCEPTED.encode():
            return ACCEPTED
        return f"{response.status_code}, and the body is not {ACCEPTED}"

    def _is_too_old(self, pending: Pending) -> bool:
        lifetime = self._clock.seconds(self._configuration.notification_lifetime_seconds)
        return time.time() > pending.at + lifetime

    def _wait_seconds(self, tries: int) -> float:
        wait = self._configuration.retry_first_seconds * 2.0 ** min(tries, 30)
        return self._clock.seconds(min(wait, self._configuration.retry_longest_seconds))
