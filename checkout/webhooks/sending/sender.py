"""The sender, which leases due deliveries, posts them concurrently, and records outcomes in batches.

Any number of senders may run at once. If one dies between an attempt and its recording, the delivery is due
again after its lease, and is sent once more with the same id.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import structlog
from django.db import Error, InterfaceError, OperationalError

from checkout import tallies
from checkout.conf import conf
from checkout.webhooks import signing
from checkout.webhooks.sending.claims import Job, claim, give_back
from checkout.webhooks.sending.client import Answer, Client
from checkout.webhooks.sending.recording import Outcome, record
from checkout.webhooks.waking import woken_by_writes
from messaging import traces
from messaging.concurrency.database import in_thread, warn_unless_away

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
# Outcomes within this time are recorded together.
GATHERING_SECONDS = 0.02
DATABASE_PAUSE_SECONDS = 1.0
# The time in which attempts under way may end when the process stops.
FINISH_SECONDS = 10.0


class Sender:
    """A sender with one HTTP client, which the caller closes."""

    def __init__(
        self,
        client: Client,
        *,
        concurrency: int | None = None,
        per_endpoint: int | None = None,
        per_merchant: int | None = None,
        poll_seconds: float = POLL_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        self._client = client
        self._concurrency = concurrency or conf.webhook_concurrency
        self._per_endpoint = per_endpoint or conf.webhook_endpoint_concurrency
        self._per_merchant = per_merchant or conf.webhook_merchant_concurrency
        self._poll_seconds = poll_seconds
        self._finish_seconds = finish_seconds
        self._tasks: dict[asyncio.Task[None], Job] = {}
        # The number of attempts of each endpoint and merchant that are under way or not recorded yet.
        self._in_flight: Counter[int] = Counter()
        self._of_merchants: Counter[str] = Counter()
        self._outcomes: list[Outcome] = []
        self._woken = asyncio.Event()
        self._has_outcomes = asyncio.Event()
        self._is_ending = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop`` is set. Then finish the attempts under way, or give their deliveries back."""
        stopping = asyncio.create_task(stop.wait())
        recording = asyncio.create_task(self._record_always())
        try:
            with woken_by_writes(self._woken):
                while not stop.is_set():
                    # Cleared before the query, so that a row written during the query wakes the sender again.
                    self._woken.clear()
                    await self._begin_due()
                    await self._until_woken(stopping)
        finally:
            stopping.cancel()
            await self._finish()
            # The recording task is not cancelled, because its batch would be recorded twice.
            self._is_ending = True
            self._has_outcomes.set()
            await asyncio.gather(recording, return_exceptions=True)
            await self._record_all()

    async def send_due(self) -> int:
        """Send the due deliveries once, and record the results. Return the number of deliveries."""
        begun = await self._begin_due()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._record_all()
        return begun

    async def _until_woken(self, stopping: asyncio.Task[Literal[True]]) -> None:
        waking = asyncio.create_task(self._woken.wait())
        await asyncio.wait(
            {waking, stopping}, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        waking.cancel()

    async def _begin_due(self) -> int:
        free = self._concurrency - self._in_flight.total()
        if free <= 0:
            return 0
        try:
            jobs = await in_thread(
                claim,
                free,
                self._per_endpoint,
                self._per_merchant,
                dict(self._in_flight),
                dict(self._of_merchants),
            )
        except Error as error:
            # If an error interrupts the leasing, deliveries that were leased already become due after their
            # lease.
            warn_unless_away("webhooks cannot be read", error)
            return 0
        except Exception:
            # An unreadable row must not stop all others, now and after every restart.
            log.exception("webhooks not taken")
            return 0
        for job in jobs:
            self._count(job, 1)
            task = asyncio.create_task(self._send(job))
            self._tasks[task] = job
            task.add_done_callback(self._end)
        return len(jobs)

    async def _send(self, job: Job) -> None:
        if job.problem:
            answer = Answer(error=job.problem, is_ours=True)
        else:
            # The database's time, because receivers compare it with their own clocks. If this process had a
            # wrong clock, all receivers would refuse its webhooks.
            signed = signing.headers(job.message_id, int(job.at.timestamp()), job.body, job.keys)
            with traces.entry(
                "send webhook", "client", {"merchant": job.merchant}, about=job.payment, headers={}
            ) as span:
                answer = await self._client.post(job.url, signed, job.body, merchant=job.merchant)
                if not answer.is_success:
                    span.fail(_outcome_of(answer))
        _note(job, answer)
        self._outcomes.append(Outcome(job, answer, job.at))
        self._has_outcomes.set()

    def _end(self, task: asyncio.Task[None]) -> None:
        job = self._tasks.pop(task)
        if task.cancelled() or task.exception() is not None:
            self._count(job, -1)

    def _count(self, job: Job, number: int) -> None:
        self._in_flight[job.endpoint] += number
        self._of_merchants[job.merchant] += number

    async def _record_always(self) -> None:
        while not self._is_ending:
            await self._has_outcomes.wait()
            await asyncio.sleep(GATHERING_SECONDS)
            if not await self._record_all():
                await asyncio.sleep(DATABASE_PAUSE_SECONDS)

    async def _record_all(self) -> bool:
        """Record the outcomes so far.

        If the database is unavailable, keep them for later and return False.
        """
        self._has_outcomes.clear()
        batch = self._outcomes[:]
        if not batch:
            return True
        try:
            await in_thread(record, batch)
        except (OperationalError, InterfaceError) as error:
            warn_unless_away("webhooks not recorded yet", error, count=len(batch))
            self._has_outcomes.set()
            return False
        except Exception:
            log.exception("webhooks not recorded together", count=len(batch))
            await self._record_each(batch)
        del self._outcomes[: len(batch)]
        for outcome in batch:
            self._count(outcome.job, -1)
        # There is room to lease other deliveries.
        self._woken.set()
        return True

    async def _record_each(self, batch: Sequence[Outcome]) -> None:
        """Record the outcomes one by one. If one cannot be recorded, its delivery is tried again later."""
        for outcome in batch:
            try:
                await in_thread(record, [outcome])
            except Exception:
                log.exception("webhook not recorded", message_id=outcome.job.message_id)

    async def _finish(self) -> None:
        """Wait for the attempts under way for a limited time, and give back the other deliveries."""
        if not self._tasks:
            return
        _, left = await asyncio.wait(self._tasks, timeout=self._finish_seconds)
        jobs = [self._tasks[task] for task in left]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # If the database is unavailable, the deliveries become due after their lease.
        with contextlib.suppress(Error):
            await in_thread(give_back, jobs)


def _note(job: Job, answer: Answer) -> None:
    """Count an attempt by its outcome."""
    seconds = answer.duration_ms / 1000
    tallies.webhook_attempts.note(seconds, _outcome_of(answer))
    if answer.is_success:
        tallies.webhook_lags.note(job.age_seconds + seconds)


def _outcome_of(answer: Answer) -> str:
    """Return a label for metrics: delivered, a class of statuses, or the kind of error."""
    return answer.error or ("delivered" if answer.is_success else f"status_{(answer.status or 0) // 100}xx")
