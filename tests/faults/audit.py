"""The end of a campaign: wait until all work has ended, then gather the evidence."""

import asyncio
from collections.abc import Iterable

import aiohttp

from checkout.tryout.card import Card
from tests.faults import habits, secrets, settings
from tests.faults.diary import Diary
from tests.faults.evidence import AtRest, Evidence, read_books, read_database
from tests.faults.invariants import ON_THE_WAY, RETURNED
from tests.faults.merchant.endpoint import Endpoint
from tests.faults.merchant.program import Program
from tests.faults.recorder import Recorder, now
from tests.faults.site import Site
from tests.faults.staff import Staff

# The time in which a listener connects again, after its longest pause, and gets the events in its queue.
LISTENING_SECONDS = 60
# The time for published messages to be handled. RESTLESS does not count messages that are still in a queue.
AFTERMATH_SECONDS = 5
# The number of times that queues are read before a message counts as left over. A timer's retry is in a queue
# only briefly.
LOOKS_AT_QUEUES = 60
# A query to the leaders of quorum queues, in Erlang. `list_queues` shows the last number that a node noted,
# and has shown old numbers for more than 20 s after another node was stopped.
QUORUM_QUEUES = """
    Counts = fun(State) -> [
        rabbit_fifo:query_messages_total(State),
        rabbit_fifo:query_messages_ready(State),
        rabbit_fifo:query_messages_checked_out(State),
        rabbit_fifo:query_consumer_count(State)
    ] end,
    [
        begin
            {resource, _, queue, Name} = amqqueue:get_name(Queue),
            {ok, {_, Numbers}, _} = ra:leader_query(amqqueue:get_pid(Queue), Counts),
            io:format("~s\\t~b\\t~b\\t~b\\t~b\\tquorum~n", [Name | Numbers])
        end || Queue <- rabbit_amqqueue:list(), amqqueue:get_type(Queue) =:= rabbit_quorum_queue
    ]."""
# A process with a wrong clock may have set the expiry of a challenge this long before the shopper saw the
# challenge, or may compare it this long after the shopper got the answer to the return.
LONGEST_CALL_SECONDS = 30.0
CLOCK_WRONG = "F14"
CARDS = (habits.GOOD, habits.CHALLENGED, habits.EMPTY, habits.REJECTED)

# A parked saga waits for staff, even if its operation is done and the refund is in doubt.
RESTLESS = """
    SELECT reference || ' is ' || state FROM payments_payment WHERE state = ANY (%s)
    UNION ALL
    SELECT kind || ' saga of ' || key || ' is ' || status || ' at ' || step FROM payments_saga
    WHERE status IN ('running', 'parked')
    UNION ALL
    SELECT kind || ' ' || reference || ' is ' || state FROM payments_operation
    WHERE state NOT IN ('done', 'refused')
    UNION ALL
    SELECT 'saved card ' || reference || ' is to be deleted' FROM payments_savedcard
    WHERE deletion_due_at IS NOT NULL"""
OWED = "SELECT 1 FROM payments_outboxmessage WHERE published_at IS NULL LIMIT 1"
EVENTS_OWED = """
    SELECT 1 FROM payments_event event LEFT JOIN payments_eventposition position ON true
    WHERE event.id > coalesce(last_pk, 0) OR jsonb_exists(under_way, event.id::text) LIMIT 1"""
TOLD = """
    SELECT message_id FROM payments_outboxmessage
    WHERE type IN ('ledger.post', 'notifications.send_receipt', 'notifications.send_refund_receipt')"""

# Facts that change no payment, and that explain what happened to one.
FACTS = (RETURNED, "personal_data_erased", "dead_letter_sent_again", "dead_letter_dealt_with")

EVENT_IDS = "SELECT reference FROM payments_event"
EVENTS_UP_TO = "SELECT reference FROM payments_event WHERE id <= %s"
LAST_EVENT = "SELECT coalesce(max(id), 0) FROM payments_event"


async def sealed_cards(session: aiohttp.ClientSession, site: Site) -> dict[str, str]:
    """Return one sealed card per kind. The sandbox accepts the same one any number of times."""
    async with session.get(f"{site.stack.sandbox_url}/worldpay/cse/public-key.txt") as response:
        key = await response.text()
    return {holder: Card(holder).sealed(key) for holder in CARDS}


async def settle(
    site: Site, staff: Staff, program: Program, endpoint: Endpoint, since: float
) -> tuple[float | None, list[str]]:
    """Return the seconds until all work has ended, and None.

    If it has not ended in QUIESCENCE_SECONDS, return None and a text about the work that goes on. Work
    includes telling the merchant's endpoint every event. Meanwhile staff handle everything that is parked for
    them, and the merchant's program requests the webhooks again that its endpoint has missed.
    """
    moving: list[str] = []
    while now() - since < settings.QUIESCENCE_SECONDS:
        await staff.send_dead_letters_again()
        await staff.read_what_no_program_can()
        bank = await site.set_scenario({})
        is_bank_at_rest = not (bank["open_plans"] or bank["open_notifications"])
        if is_bank_at_rest and now() - since > settings.SETTLING_SECONDS:
            await staff.settle_parked_operations()
            await staff.settle_untold()
            await staff.settle_contradictions()
        moving = await asyncio.to_thread(_moving, site)
        if not is_bank_at_rest:
            moving.append("the provider has not carried out or told everything")
        # The books are compared only when all other work has ended, because each comparison asks the
        # provider.
        moving = moving or await staff.settle_differing()
        if not moving:
            moving = await asyncio.to_thread(_untold, site, endpoint)
            if not moving:
                return now() - since, []
            for event in await program.undelivered():
                await program.have_sent_again(event)
        await asyncio.sleep(1)
    return None, moving


def _moving(site: Site) -> list[str]:
    """Return texts about unfinished work in our databases, and about sagas that wait for staff."""
    moving = [text for (text,) in site.rows(RESTLESS, [*ON_THE_WAY, "authorised", "conflicted"])]
    if is_anything_owed(site):
        moving.append("a message or an event has not been published")
    if not is_everything_told_done(site):
        moving.append("a posting or a receipt has not been made")
    return moving


def _untold(site: Site, endpoint: Endpoint) -> list[str]:
    """Return texts about the events that the merchant's endpoint has not received."""
    return [f"event {event} was not told" for (event,) in site.rows(EVENT_IDS) if event not in endpoint.told]


def is_anything_owed(site: Site) -> bool:
    """Return True if a message or an event has not been published yet."""
    return any(site.databases.everywhere(OWED)) or bool(site.rows(EVENTS_OWED))


def is_everything_told_done(site: Site) -> bool:
    """Return True if services have carried out the commands for whose replies no saga waits."""
    told = {message_id for (message_id,) in site.rows(TOLD)}
    return told <= site.databases.handled()


def at_rest(site: Site) -> AtRest:
    """Return the last ids of messages and events; later ones need not have been delivered yet."""
    ((event,),) = site.rows(LAST_EVENT)
    return AtRest(site.databases.last_owed(), event)


async def let_events_arrive(site: Site, rest: AtRest) -> None:
    """Wait until the listener has all events up to those ids, for LISTENING_SECONDS at most."""
    due = {event for (event,) in await asyncio.to_thread(site.rows, EVENTS_UP_TO, rest.event)}
    for _ in range(LISTENING_SECONDS):
        if due <= await asyncio.to_thread(site.listener.heard):
            return
        await asyncio.sleep(1)


def gather(
    site: Site, recorder: Recorder, diary: Diary, endpoint: Endpoint, sealed: Iterable[str], rest: AtRest
) -> Evidence:
    """Gather the evidence from the databases, the provider's books, the logs and the merchant."""
    evidence = Evidence(
        histories=recorder.histories,
        asked=recorder.asked,
        repeated=recorder.repeated,
        told=endpoint.told,
        endpoint_faults=endpoint.faults,
        # Before the events are read, because they are published only after they were written.
        heard=site.listener.heard(),
        mishaps=[*diary.mishaps, *site.listener.mishaps()],
        poison_sent=diary.poisoned,
        late_returns=late_returns(recorder, diary),
        ticked=recorder.ticked,
        removed=recorder.removed,
        erased=recorder.erased,
        charges_refused=recorder.charges_refused,
        card_faults=recorder.card_faults,
        used_portal=recorder.used_portal,
    )
    read_database(evidence, site.databases, FACTS, diary.excused, rest)
    read_books(evidence, site.stack.sandbox_url)
    searched = secrets.Secrets(Card(habits.GOOD), sealed)
    evidence.secrets = list(secrets.search(site, searched))
    return evidence


def late_returns(recorder: Recorder, diary: Diary) -> set[str]:
    """Return the payments with late returns of which no return met a wrong clock.

    A payment is judged as a whole: the return that was accepted may be any of them.
    """
    unsure = {
        each.payment
        for each in recorder.late_returns
        if any(
            injection.number == CLOCK_WRONG
            for injection in diary.between(
                each.began - LONGEST_CALL_SECONDS, each.ended + LONGEST_CALL_SECONDS
            )
        )
    }
    return {each.payment for each in recorder.late_returns} - unsure


async def remaining(site: Site) -> dict[str, int]:
    """Return the messages left by queue, described for the report, after waiting for empty queues."""
    queued = await _queued(site)
    for _ in range(LOOKS_AT_QUEUES):
        if not any(queued.values()):
            break
        await asyncio.sleep(1)
        queued = await _queued(site)
    return queued


async def _queued(site: Site) -> dict[str, int]:
    """Return the number of messages by queue, except reply queues of processes, which may be dead."""
    columns = ("name", "messages", "messages_ready", "messages_unacknowledged", "consumers", "type")
    listed = await site.rabbitmqctl("list_queues", "--quiet", "--no-table-headers", *columns)
    classic = [line for line in listed.splitlines() if line.endswith("classic") and ".node." not in line]
    queued = {}
    for line in [*classic, *(await site.rabbitmqctl("eval", QUORUM_QUEUES)).splitlines()]:
        if "\t" not in line:
            continue  # the result of `eval`
        name, messages, ready, delivered, consumers, _ = line.split("\t")
        details = f"{ready} ready, {delivered} unacknowledged, {consumers} consumers"
        queued[f"{name} ({details})"] = int(messages)
    return queued
