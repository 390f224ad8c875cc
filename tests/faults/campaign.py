"""One campaign, from the first shopper to the report."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.faults import audit, resources, settings
from tests.faults.client import open_session
from tests.faults.crowd import Crowd
from tests.faults.diary import Diary
from tests.faults.evidence import Evidence
from tests.faults.injectors.keeper import Keeper
from tests.faults.injectors.storm import Storm
from tests.faults.invariants import violations_of
from tests.faults.merchant.back_office import BackOffice
from tests.faults.merchant.cards import CardKeeper
from tests.faults.merchant.endpoint import Endpoint, serving
from tests.faults.merchant.errands import Merchant
from tests.faults.merchant.portal import PortalUser
from tests.faults.merchant.program import Program
from tests.faults.merchant.requester import Patience
from tests.faults.recorder import Recorder, now
from tests.faults.report import Report
from tests.faults.site import Site
from tests.faults.staff import Staff
from tests.faults.timeline import timeline
from tests.faults.watch import Watch
from tests.faults.weather import blowing, by_number, provider_faults, roll_in_good_weather

PROGRESS_SECONDS = 10
WARM_UP = 40
WARM_UP_SECONDS = 30
# The share of payments that are made without faults before the others, for comparison.
CALM_SHARE = 0.08
# The campaign ends at this multiple of the wanted payments, even if some fault has not occurred yet.
OVERTIME = 1.5
TIMELINES = 3
# At this interval, in seconds, the provider begins or stops capturing with the authorisation.
SECONDS_OF_ONE_WAY = 15.0
PAYMENTS_OF_A_SHORT_FORM = 600
CALMEST = 15.0


@dataclass(frozen=True)
class Extent:
    """The length of a campaign: at least so many payments, and at least so many minutes of faults.

    After `at_most_minutes` of faults no more payments begin, even if faults or payments are missing. In each
    of `rounds` every crash point is reached once. `patience` multiplies the duration of lasting faults.
    `shoppers` is the number of concurrent shoppers.
    """

    payments: int
    minutes: float
    at_most_minutes: float
    seed: int
    shoppers: int
    rounds: int = 1
    patience: float = 1

    @property
    def calmness(self) -> float:
        """Return the factor by which faults are rarer than in the short campaign, which lasts only minutes.

        If most purchases met several faults, few would reach the later steps, and faults there would not
        occur.
        """
        return min(CALMEST, max(1, self.payments / PAYMENTS_OF_A_SHORT_FORM))


async def run(site: Site, extent: Extent, mutant: str = "") -> Report:
    """Run a campaign on a site that is ready. Django must be set up with the site's database."""
    report, diary = Report(extent.seed, mutant), Diary()
    recorder, stop = Recorder(), asyncio.Event()
    endpoint = Endpoint(Random(f"{extent.seed}:endpoint"))  # noqa: S311 (repeatable by design)
    async with open_session() as session, serving(endpoint) as url, asyncio.TaskGroup() as group:
        sealed = await audit.sealed_cards(session, site)
        patience = Patience(stop)
        program = Program(
            session,
            site.stack.web_url,
            recorder,
            patience,
            Random(f"{extent.seed}:program"),  # noqa: S311
        )
        endpoint.secret = await program.add_endpoint(url)
        # The auditor's requests go on after `stop` has ended all others.
        unending = Patience(asyncio.Event())
        auditor = Program(session, site.stack.web_url, recorder, unending, Random(extent.seed))  # noqa: S311
        back_office = BackOffice(patience)
        merchant = Merchant((back_office, program), recorder, patience)
        crowd = Crowd(
            group,
            session,
            site.stack.web_url,
            sealed,
            recorder,
            merchant,
            CardKeeper(program, back_office, recorder),
            PortalUser(session, site.stack.sandbox_url, recorder, patience),
            extent.seed,
            stop,
            at_once=extent.shoppers,
        )
        random = Random(extent.seed)  # noqa: S311 (repeatable by design)
        keeper = Keeper(site, diary, random, extent.rounds, extent.calmness)
        storm = Storm(
            site=site,
            keeper=keeper,
            diary=diary,
            recorder=recorder,
            session=session,
            random=random,
            over=asyncio.Event(),
            patience=extent.patience,
            purchases=lambda: crowd.gone,
            calmness=extent.calmness,
        )
        watch = Watch(site, session)
        began = now()
        beside = [
            group.create_task(work)
            for work in (
                keeper.run(),
                watch.run(),
                back_office.change_ways_of_capturing(SECONDS_OF_ONE_WAY),
                _tell_progress(crowd, keeper, diary, began),
            )
        ]
        await crowd.send_in(WARM_UP)
        await crowd.thin_out(WARM_UP_SECONDS)
        before = await resources.holdings(site)
        await crowd.send_in(int(extent.payments * CALM_SHARE))
        calm_until = now()
        rolling = group.create_task(roll_in_good_weather(storm))
        while not rolling.done():
            await crowd.send_one_in()
        storm_began, before_the_storm = now(), crowd.started
        async with blowing(storm) as rounds:
            while not _is_enough(
                extent, before_the_storm, crowd.started, keeper, rounds, now() - storm_began
            ):
                await crowd.send_one_in()
        report.provider_faults = await provider_faults(storm)
        last_fault_at, staff = now(), Staff(site, recorder.used_portal)
        endpoint.is_well = True
        (report.settled_after, report.moving), _ = await asyncio.gather(
            audit.settle(site, staff, auditor, endpoint, last_fault_at),
            crowd.leave(settings.QUIESCENCE_SECONDS),
        )
        at_rest = await asyncio.to_thread(audit.at_rest, site)
        await asyncio.sleep(audit.AFTERMATH_SECONDS)
        await audit.let_events_arrive(site, at_rest)
        await staff.compare_books()
        for task in beside:
            task.cancel()
    report.faults = by_number(storm, report.provider_faults)
    report.crash_points, report.crash_points_missed = keeper.hits, keeper.missed
    report.notes += [f"not done: {each}" for each in diary.not_done]
    report.duration = now() - began
    report.kinds = crowd.kinds
    report.looks = watch.looks
    report.requeued, report.settled, report.read = staff.requeued, staff.settled, staff.read
    report.copies, report.in_portal = staff.copies, len(recorder.used_portal)
    report.with_saved_card = len(recorder.chosen)
    report.reviewed = len(staff.reviewed)
    report.notes += [f"lost: {each}" for each in crowd.lost]
    for reference, seconds in crowd.seconds.items():
        chosen = report.calm if crowd.began[reference] + seconds < calm_until else report.stormy
        chosen.append(seconds)
    report.webhooks, report.repeated = endpoint.behaved, len(recorder.repeated)
    evidence = await asyncio.to_thread(
        audit.gather, site, recorder, diary, endpoint, sealed.values(), at_rest
    )
    held = await resources.holdings(site)
    evidence.leaks = list(resources.leaks(before, held, len(site.databases.addresses)))
    evidence.queued = await audit.remaining(site)
    _judge(report, evidence, watch)
    return report


async def _tell_progress(crowd: Crowd, keeper: Keeper, diary: Diary, began: float) -> None:
    told = 0
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        texts = [f"{each.number} {each.text}" for each in diary.injections[told:]]
        told += len(texts)
        line = f"{now() - began:6.0f} s  {crowd.started} payments, {crowd.present} under way"
        left = f"{len(keeper.missed)} crash points left"
        print("; ".join([line, left, *texts]), file=sys.stderr, flush=True)


def _is_enough(
    extent: Extent,
    before_the_storm: int,
    payments: int,
    keeper: Keeper,
    rounds: Sequence[asyncio.Event],
    seconds: float,
) -> bool:
    """Return True after enough payments and minutes, with every fault and crash point, or at a limit."""
    if seconds > extent.at_most_minutes * 60:
        return True
    in_the_storm = payments - before_the_storm
    is_long_enough = payments >= extent.payments and seconds >= extent.minutes * 60
    if not is_long_enough or in_the_storm < extent.payments / 2:
        return False
    is_complete = keeper.tours_are_over and all(each_was.is_set() for each_was in rounds)
    return is_complete or in_the_storm > extent.payments * OVERTIME


def _judge(report: Report, evidence: Evidence, watch: Watch) -> None:
    report.payments = len(evidence.payments)
    report.traits = Counter(trait for order in evidence.orders.values() for trait in order.traits)
    report.states = Counter(payment.state for payment in evidence.payments.values())
    report.responses = Counter(seen.status for history in evidence.histories.values() for seen in history)
    report.violations = [*watch.violations, *violations_of(evidence)]
    guilty = dict.fromkeys(each.payment for each in report.violations if each.payment)
    for reference in list(guilty)[:TIMELINES]:
        report.timelines[reference] = list(timeline(evidence, reference))
