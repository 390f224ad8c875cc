"""One campaign from the first shopper to the verdict."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp

from checkout.states import PAYMENT_EDGES
from checkout.tryout.card import Card
from tests.faults import habits, resources, secrets, settings
from tests.faults.client import open_session
from tests.faults.crowd import Crowd
from tests.faults.evidence import Evidence, read_books, read_database
from tests.faults.invariants import ON_THE_WAY, violations_of
from tests.faults.merchant import Merchant
from tests.faults.recorder import Recorder, now
from tests.faults.report import Report
from tests.faults.site import Site
from tests.faults.timeline import timeline
from tests.faults.watch import Watch

WARM_UP = 40
WARM_UP_SECONDS = 30
# Of the payments, those that are made before anything is broken, to compare with.
CALM_SHARE = 0.08
BATCH = 10
TIMELINES = 3
CARDS = (habits.GOOD, habits.CHALLENGED, habits.EMPTY, habits.REJECTED)

RESTLESS = """
    SELECT (SELECT count(*) FROM checkout_payment WHERE state = ANY (%s))
         + (SELECT count(*) FROM checkout_saga WHERE status = 'running')
         + (SELECT count(*) FROM checkout_operation WHERE state NOT IN ('done', 'refused'))
         + (SELECT count(*) FROM checkout_outboxmessage WHERE published_at IS NULL)"""


@dataclass(frozen=True)
class Extent:
    """How long a campaign goes on: at least so many payments, and at least so many minutes."""

    payments: int
    minutes: float
    seed: int


async def run(site: Site, extent: Extent, mutant: str = "") -> Report:
    """Run a campaign on a site that is ready. Needs Django set up with the site's database."""
    report = Report(extent.seed, mutant)
    recorder, stop = Recorder(), asyncio.Event()
    async with open_session() as session:
        sealed = await _sealed_cards(session, site)
        merchant = Merchant(recorder, stop)
        crowd = Crowd(session, site.stack.web_url, sealed, recorder, merchant, extent.seed, stop)
        began = now()
        await crowd.send_in(WARM_UP)
        await crowd.thin_out(WARM_UP_SECONDS)
        before = await resources.holdings(site)
        watch = Watch(site, session)
        watching = asyncio.create_task(watch.run())
        await crowd.send_in(int(extent.payments * CALM_SHARE))
        calm_until = now()
        while crowd.started < extent.payments or now() - began < extent.minutes * 60:
            await crowd.send_in(BATCH)
        await crowd.leave(settings.QUIESCENCE_SECONDS)
        last_fault_at = now()
        report.settled_after = await _settle(site, last_fault_at)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    report.duration = now() - began
    report.kinds = crowd.kinds
    report.looks = watch.looks
    report.notes += [f"lost: {each}" for each in crowd.lost]
    for reference, seconds in crowd.seconds.items():
        chosen = report.calm if crowd.began[reference] + seconds < calm_until else report.stormy
        chosen.append(seconds)
    evidence = await asyncio.to_thread(_gather, site, recorder, sealed.values())
    evidence.leaks = list(resources.leaks(before, await resources.holdings(site)))
    evidence.queued = await _queued(site)
    _judge(report, evidence, watch)
    return report


async def _sealed_cards(session: aiohttp.ClientSession, site: Site) -> dict[str, str]:
    """One sealed card per kind: the sandbox takes it as often as it comes."""
    async with session.get(f"{site.stack.sandbox_url}/worldpay/cse/public-key.txt") as response:
        key = await response.text()
    return {holder: Card(holder).sealed(key) for holder in CARDS}


async def _settle(site: Site, since: float) -> float | None:
    """Seconds until everything had come to rest; None when it had not by the end of all patience."""
    restless = [*ON_THE_WAY, "authorised"]
    while now() - since < settings.QUIESCENCE_SECONDS:
        if not (await asyncio.to_thread(site.rows, RESTLESS, restless))[0][0]:
            return now() - since
        await asyncio.sleep(1)
    return None


def _gather(site: Site, recorder: Recorder, sealed: Iterable[str]) -> Evidence:
    evidence = Evidence(histories=recorder.histories, asked=recorder.asked)
    read_database(evidence, site.stack.database_url, {edge.event for edge in PAYMENT_EDGES})
    read_books(evidence, site.stack.sandbox_url)
    searched = secrets.Secrets(Card(habits.GOOD), sealed)
    evidence.secrets = list(secrets.search(site, searched))
    return evidence


async def _queued(site: Site) -> dict[str, int]:
    """Messages by queue. What waits for a process that has gone is nobody's."""
    table = await site.rabbitmqctl("list_queues", "--quiet", "--no-table-headers", "name", "messages")
    lengths = dict(line.split("\t") for line in table.splitlines())
    return {name: int(count) for name, count in lengths.items() if ".node." not in name}


def _judge(report: Report, evidence: Evidence, watch: Watch) -> None:
    report.payments = len(evidence.payments)
    report.states = Counter(payment.state for payment in evidence.payments.values())
    report.responses = Counter(seen.status for history in evidence.histories.values() for seen in history)
    report.violations = [*watch.violations, *violations_of(evidence)]
    guilty = dict.fromkeys(each.payment for each in report.violations if each.payment)
    for reference in list(guilty)[:TIMELINES]:
        report.timelines[reference] = list(timeline(evidence, reference))
