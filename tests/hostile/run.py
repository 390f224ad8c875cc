"""One run: a calm phase, each attack alone, all together, a calm phase again, and the audit of the books."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from random import Random

import aiohttp

from checkout.payments.actions import status_token
from tests.faults import audit, resources
from tests.faults.client import open_session
from tests.faults.diary import Diary
from tests.faults.merchant.back_office import BackOffice
from tests.faults.merchant.endpoint import Endpoint, serving
from tests.faults.merchant.errands import Merchant
from tests.faults.merchant.program import Program as MerchantProgram
from tests.faults.merchant.requester import Patience
from tests.faults.recorder import NO_ANSWER, Recorder, Seen, now
from tests.faults.site import Site
from tests.faults.staff import Staff
from tests.hostile import costs, intruder, rogue
from tests.hostile.attackers import ATTACKS, Target
from tests.hostile.shoppers import Shoppers
from tests.hostile.verdict import ALL, CALM, CALM_AGAIN, Phase, Result, judged
from tests.support.broker_users import url_of
from tests.support.program import Program
from tests.support.spare_time import SpareTime, spare_time
from tests.support.waiting import wait_until

ROGUE = "rogue service"
NAMES = (*ATTACKS, *intruder.ATTACKS, ROGUE)
WARM_UP_SECONDS = 20
WARM_UP_PATHS = ("/", "/admin/login/", "/static/admin/css/base.css")
WARM_UP_REQUESTS = 40
# The most threads of a web process: 8 for the database and 4 of its connection pool, asyncio's (the number of
# processors plus 4), 4 for files, one for request bodies, and the main thread.
POOLED_THREADS = 8 + 4 + (4 + (os.cpu_count() or 1)) + 4 + 1 + 1
# The pause between two phases. If the work of an attack lasts longer, it counts towards the next phase.
REST_SECONDS = 8
# The number of orders whose codes an attacker knows, from own purchases.
KNOWN_ORDERS = 30
LAST_SAGA = "SELECT coalesce(max(id), 0) FROM payments_saga WHERE kind = 'purchase'"
SHOWN = 20
RESERVATION = "SELECT 1 FROM orders_reservation WHERE payment_reference = %s AND state = 'confirmed'"


@dataclass
class Run:
    """A run on a site that is ready. Django must be set up with the site's database.

    With `is_together`, attacks are made only together.
    """

    site: Site
    seconds: float
    shoppers_at_once: int
    attacks: Sequence[str]
    seed: int
    is_together: bool = False

    async def judge(self) -> Result:
        """Run all phases and judge the results."""
        result, recorder, stop = Result(), Recorder(), asyncio.Event()
        random = Random(self.seed)  # noqa: S311 (repeatable by design)
        watch, patience, web = costs.Watch(self.site), Patience(stop), self.site.stack.web_url
        endpoint, unending = Endpoint(random, is_well=True), Patience(asyncio.Event())
        async with open_session() as session, serving(endpoint) as url, asyncio.TaskGroup() as group:
            sealed = await audit.sealed_cards(session, self.site)
            program = MerchantProgram(session, web, recorder, patience, random)
            endpoint.secret = await program.add_endpoint(url)
            merchant = Merchant((BackOffice(patience), program), recorder, patience)
            shoppers = Shoppers(session, web, sealed, recorder, merchant, random, stop)
            paying = [group.create_task(shoppers.pay()) for _ in range(self.shoppers_at_once)]
            watching = group.create_task(watch.run())
            await asyncio.sleep(WARM_UP_SECONDS / 2)
            await _fill_pools(session, web)
            await asyncio.sleep(WARM_UP_SECONDS / 2)
            held = _with_full_pools(await resources.holdings(self.site))
            before = costs.resident(self.site)
            await self._phase(result, CALM, [], shoppers, watch)
            most = Counter(before)
            phases = [] if self.is_together else [(name, [name]) for name in self.attacks]
            if len(self.attacks) > 1:
                phases.append((ALL, list(self.attacks)))
            for name, attacks in phases:
                await self._phase(result, name, attacks, shoppers, watch)
                most |= Counter(watch.megabytes)
                await asyncio.sleep(REST_SECONDS)
            await self._phase(result, CALM_AGAIN, [], shoppers, watch)
            last_attack_at = now()
            stop.set()
            await asyncio.wait(paying)
            result.settled_after, moving = await audit.settle(
                self.site,
                Staff(self.site),
                MerchantProgram(session, web, recorder, unending, random),
                endpoint,
                last_attack_at,
            )
            result.notes += [f"moving still: {each}" for each in moving[:SHOWN]]
            at_rest = await asyncio.to_thread(audit.at_rest, self.site)
            await asyncio.sleep(audit.AFTERMATH_SECONDS)
            watching.cancel()
        after = costs.resident(self.site)
        result.memory = {name: (before[name], most[name], after[name]) for name in before}
        result.notes += [f"lost: {each}" for each in shoppers.lost]
        evidence = await asyncio.to_thread(
            audit.gather, self.site, recorder, Diary(), endpoint, sealed.values(), at_rest
        )
        # Any number of the attacker's messages may become dead letters, so none counts as missing.
        evidence.poison_sent = evidence.poison_found
        evidence.leaks = list(resources.leaks(held, await resources.holdings(self.site)))
        evidence.queued = await audit.remaining(self.site)
        result.violations = judged(evidence)
        return result

    async def _phase(
        self, result: Result, name: str, attacks: Sequence[str], shoppers: Shoppers, watch: costs.Watch
    ) -> None:
        print(f"{name}: {self.seconds:.0f} s", file=sys.stderr, flush=True)
        with ExitStack() as running:
            spare = running.enter_context(spare_time())
            programs = [await self._begin(attack, shoppers, spare, running) for attack in attacks]
            for program in programs:
                # Real attackers do not start their programs on our processors.
                await asyncio.to_thread(wait_until, partial(_has_told, program), f"{program.name} to begin")
            began, finished = now(), shoppers.finished
            watch.forget()
            before = await costs.read(self.site)
            await asyncio.sleep(self.seconds)
            after, seconds = await costs.read(self.site), now() - began
            told = sum((_told(program) for program in programs), Counter[str]())
        result.phases.append(
            Phase(
                name=name,
                seconds=seconds,
                seen=_answers(shoppers.recorder, began, began + seconds),
                purchases=shoppers.finished - finished,
                cpu_web=costs.used(before, after, "web"),
                cpu_services=sum(
                    costs.used(before, after, kind)
                    for kind in ("checkout", "payments", "risk", "orders", "ledger", "notifications", "relay")
                ),
                web_megabytes=max(megabytes for name, megabytes in watch.megabytes.items() if "web" in name),
                sockets=watch.sockets,
                questions=after.questions - before.questions,
                notifications=after.notifications - before.notifications,
                transactions=after.transactions - before.transactions,
                rows=after.rows - before.rows,
                told=told,
            )
        )

    async def _begin(self, name: str, shoppers: Shoppers, spare: SpareTime, running: ExitStack) -> Program:
        """Start an attack's process, which ends with the phase."""
        if name == ROGUE:
            arguments = ["-m", rogue.__name__, (await self._plan(shoppers.paid)).as_json()]
        elif name in intruder.ATTACKS:
            url = url_of(rogue.PARTICIPANT, self.site.stack.broker_url)
            arguments = ["-m", intruder.__name__, name, url]
        else:
            known = shoppers.paid[-KNOWN_ORDERS:]
            path = f"/ws/checkout/{known[-1]}/?token={status_token(known[-1])}" if known else ""
            target = Target(self.site.stack.web_url, [f"{payment}-1" for payment in known], path)
            arguments = ["-m", "tests.hostile.attackers", name, json.dumps(asdict(target))]
        log = self.site.folder / f"attack-{name.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)
        program = Program(name, [sys.executable, *arguments], log=log, environment=os.environ)
        program.start()
        running.callback(program.kill)
        # Real attackers use their own machines.
        spare.take(program.pid)
        return program

    async def _plan(self, paid: Sequence[str]) -> rogue.Plan:
        """Give a service's broker user all rights, as a careless operator might, and choose its targets."""
        user = f"checkout.{rogue.PARTICIPANT}"
        await self.site.rabbitmqctl("set_permissions", user, ".*", ".*", ".*")
        await self.site.rabbitmqctl("clear_topic_permissions", user)
        ((saga,),) = await asyncio.to_thread(self.site.rows, LAST_SAGA)
        sold = [each for each in paid if self.site.rows(RESERVATION, each)][-2:]
        refund, cancel = sold if len(sold) == 2 else ("", "")
        return rogue.Plan(url_of(rogue.PARTICIPANT, self.site.stack.broker_url), saga, refund, cancel)


def _with_full_pools(held: Sequence[resources.Holding]) -> list[resources.Holding]:
    """Raise the threads of web processes to their limit: pools may grow to it, and that is no leak."""
    return [
        replace(each, amount=max(each.amount, POOLED_THREADS))
        if each.what == "threads" and each.holder.partition("-")[0] == "web"
        else each
        for each in held
    ]


async def _fill_pools(session: aiohttp.ClientSession, gateway: str) -> None:
    """Send many requests at once, so that pools of threads and connections grow to their full sizes."""

    async def look(path: str) -> None:
        async with session.get(f"{gateway}{path}") as response:
            await response.read()

    await asyncio.gather(*(look(path) for path in WARM_UP_PATHS for _ in range(WARM_UP_REQUESTS)))


def _answers(recorder: Recorder, began: float, ended: float) -> list[Seen]:
    return [
        seen
        for history in recorder.histories.values()
        for seen in history
        if began <= seen.at < ended and seen.status != NO_ANSWER
    ]


def _has_told(program: Program) -> bool:
    return program.log.exists() and "\n" in program.text()


def _told(program: Program) -> Counter[str]:
    """Return the last counts that the attack printed."""
    lines = program.text().rpartition("\n")[0].splitlines() if program.log.exists() else []
    last = json.loads(lines[-1]) if lines and lines[-1][:1] in "[{" else {}
    return Counter(last[1] if isinstance(last, list) else last)
