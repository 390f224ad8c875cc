"""No card number, security code or encrypted card is stored, logged or published anywhere."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import pika
import pytest
import requests

from checkout.privacy.card_seal import seal_card
from messaging.access.proofs import prove
from messaging.envelope import Envelope
from tests.flows.stack.secrets_search import (
    DEAD,
    DISK,
    EVENTS,
    MAIL,
    SECOND_SEAL,
    UNDER_WAY,
    Secrets,
    eavesdrop,
    under_way,
    written_by,
)
from tests.flows.stack.shopping import CHALLENGE, Customer, paid_once, rows, shopper_at, until_handled
from tests.flows.stack.surroundings import paused
from tests.flows.stack.wire import CSRF, CSRF_COOKIE, FORM, Wire
from tests.support.broker_users import url_of
from tests.support.databases import database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost, queue_lengths
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.long, pytest.mark.timeout(400)]

CVC = "739"
# A card number that is sent in fields for other data, and never in a purchase.
LOOSE_NUMBER = "6011000990139424"
# A message that `dead_letters` publishes contains these in its body.
SENT_BY_THE_TEST = {f"card number {LOOSE_NUMBER}", f"security code {CVC}"}


@dataclass
class Evidence:
    stack: Stack
    secrets: Secrets
    written: dict[str, str]
    under_way: dict[str, str]

    def found(self) -> dict[str, set[str]]:
        return self._found_in(self.written)

    def found_under_way(self) -> dict[str, set[str]]:
        found = self._found_in(self.under_way)
        if DISK in found:
            # Other tests share the broker, and send card numbers to check that they are refused.
            found[DISK] = {secret for secret in found[DISK] if not secret.startswith("card number")}
        return {place: secrets - SENT_BY_THE_TEST for place, secrets in found.items()}

    def _found_in(self, places: dict[str, str]) -> dict[str, set[str]]:
        found = {place: self.secrets.found_in(text) for place, text in places.items()}
        return {place: secrets for place, secrets in found.items() if secrets}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[Evidence]:
    """Yield everything that is stored after purchases of several kinds, including failures."""
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(tmp_path_factory.mktemp("searched"), broker_url=broker_url, database_url=database_url) as stack,
    ):
        eavesdrop(stack)
        paying = [
            frictionless(stack),
            challenged(stack),
            interrupted_before_the_provider_is_called(stack),
        ]
        shoppers = [*paying, refused(stack), interrupted_while_the_provider_is_called(stack)]
        for shopper in paying:
            paid_once(stack, shopper)
        card_numbers_in_wrong_fields(stack, shoppers[0])
        dead_letters(stack, sealed=seal_card(shoppers[0].card.made[0], f"{shoppers[0].reference}-1"))
        secrets = Secrets()
        secrets.add_number(LOOSE_NUMBER)
        for shopper in shoppers:
            secrets.add_card(shopper.card)
        yield Evidence(stack, secrets, written_by(stack), under_way(stack))


def test_no_card_data_is_found_anywhere(evidence):
    assert evidence.found() == {}
    assert len(evidence.secrets.pieces) > 50
    never_empty = {
        "table payments_payment",
        "table payments_fact",
        "table payments_outboxmessage",
        "table payments_inboxmessage",
        "table payments_providercall",
        "table payments_providernotification",
        "table payments_deadletter",
        f"queue {EVENTS}",
        "log of payments",
        "log of web",
        "mail",
    }
    assert {place for place in never_empty if not evidence.written[place]} == set()


def test_services_and_the_brokers_disk_have_a_card_under_its_second_seal_only(evidence):
    """The second seal is found there, which shows that the search covers these places."""
    assert evidence.found_under_way() == {place: {SECOND_SEAL} for place in evidence.under_way}
    assert f"queue {UNDER_WAY}" in evidence.under_way


def test_the_search_finds_what_is_there(evidence):
    """A secret is put into each kind of place, each in another notation."""
    stack, secrets = evidence.stack, evidence.secrets
    piece = next(iter(secrets.pieces))
    grouped = "6011 0009 9013 9424"
    a_fact = """INSERT INTO payments_fact (payment_id, source, kind, data, text, recorded_at)
        SELECT id, 'clock', 'planted', jsonb_build_object('note', %s::text), '', now()
        FROM payments_payment LIMIT 1"""
    rows(stack, a_fact, f"…{piece}…")
    rows(stack, "UPDATE payments_payment SET description = %s", grouped)
    with stack.programs["relay"].log.open("a") as log:
        log.write(f"cvc={CVC}\n")
    mail = MAIL / "planted.log"
    mail.write_text("6011-0009-9013-9424")
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        channel = connection.channel()
        channel.basic_publish("checkout.events", "payment.planted", f'{{"a": "{LOOSE_NUMBER}"}}'.encode())
        # A running relay would move the letter to the database, without the secret, before the search.
        stack.programs["relay"].terminate()
        properties = pika.BasicProperties(headers={"sealed": f"eyJ.{piece}"})
        channel.basic_publish(DEAD, "", b"{}", properties)
    try:
        planted = Evidence(stack, secrets, written_by(stack), {}).found()
    finally:
        mail.unlink()
        stack.programs["relay"].start()
    assert set(planted) == {
        "table payments_fact",
        "table payments_payment",
        "log of relay",
        "mail",
        f"queue {EVENTS}",
        f"queue {DEAD}",
    }


def frictionless(stack: Stack) -> Customer:
    shopper = shopper_at(stack, number="4444333322221111", cvc=CVC)
    shopper.pay(shopper.order())
    return shopper


def challenged(stack: Stack) -> Customer:
    shopper = shopper_at(stack, CHALLENGE, number="5555555555554444", cvc=CVC)
    shopper.decide(shopper.pay(shopper.order()), "approve")
    return shopper


def refused(stack: Stack) -> Customer:
    shopper = shopper_at(stack, "REFUSED51", number="4917610000000000", cvc=CVC)
    assert "Payment not made" in shopper.pay(shopper.order()).text
    return shopper


def interrupted_before_the_provider_is_called(stack: Stack) -> Customer:
    """Kill the payments service while it handles the card's command, which the broker delivers again."""
    payments = stack.programs["payments"]
    shopper = shopper_at(stack, number="4000000000002701", cvc=CVC)
    checkout = shopper.order()
    with ThreadPoolExecutor(1) as window:
        with paused(payments):
            paying = window.submit(shopper.pay, checkout)
            wait_until(
                lambda: queue_lengths(stack.broker_url)["checkout.commands.payments"],
                "the card to be handed on",
            )
            payments.kill()
        payments.start()
        paying.result()
    return shopper


def interrupted_while_the_provider_is_called(stack: Stack) -> Customer:
    """Kill the payments service during the provider call: the outcome is unknown, and the card is lost."""
    payments = stack.programs["payments"]
    slow = {"knob": {"verb": "submit", "delay_ms": 3_000}}
    requests.post(f"{stack.sandbox_url}/scenarios/", json=slow, timeout=10).raise_for_status()
    shopper = shopper_at(stack, number="5200000000002235", cvc=CVC)
    checkout = shopper.order()
    form, values = shopper.fill_in(checkout)
    with ThreadPoolExecutor(1) as window:
        paying = window.submit(shopper.browser.submit, checkout, form, values)
        calls = "SELECT 1 FROM payments_providercall WHERE key LIKE %s AND finished_at IS NULL"
        wait_until(lambda: rows(stack, calls, f"{shopper.reference}%"), "the provider to be called")
        payments.kill()
        payments.start()
        paying.result()
    until_handled(stack, shopper, "payments.authorise")
    return shopper


def card_numbers_in_wrong_fields(stack: Stack, shopper: Customer) -> None:
    for field in ("device_data_reference", "card_number", "encrypted_card"):
        for number in (LOOSE_NUMBER, "6011 0009 9013 9424", "6011-0009-9013-9424"):
            form = {"csrfmiddlewaretoken": CSRF, "attempt_number": "1", field: number, "cvc": CVC}
            answer = Wire(stack.web_url).request(
                "POST",
                f"/checkout/{shopper.reference}/pay/",
                body=urlencode(form).encode(),
                headers=[FORM, CSRF_COOKIE],
            )
            assert answer.status == 400
            assert LOOSE_NUMBER not in answer.text
    for path in (f"/orders/{LOOSE_NUMBER}/", f"/nothing/?card={LOOSE_NUMBER}", f"/checkout/{LOOSE_NUMBER}/"):
        assert Wire(stack.web_url).request("GET", path).status in (400, 404)


def dead_letters(stack: Stack, *, sealed: str) -> None:
    """Send commands with a card that become dead letters: malformed, not JSON, or always failing."""
    bodies = {
        "payments.authorise": ("checkout", b'{"attempt": 5}'),
        "risk.assess": ("checkout", f"card={LOOSE_NUMBER}&cvc={CVC}".encode()),
        "checkout.review_payment": ("relay", b'{"payment": "pay_unknown"}'),
    }
    for number, (type, (sender, body)) in enumerate(bodies.items()):
        proven = prove(Envelope(type=type, body=body, message_id=f"dead-{number}")).headers
        address = pika.URLParameters(url_of(sender, stack.broker_url))
        with pika.BlockingConnection(address) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            properties = pika.BasicProperties(
                type=type,
                message_id=f"dead-{number}",
                content_type="application/json",
                delivery_mode=2,
                timestamp=int(datetime.now(UTC).timestamp()),
                headers={**proven, "sealed": sealed, "schema-version": 1},
                user_id=f"checkout.{sender}",
            )
            service = type.partition(".")[0]
            channel.basic_publish("checkout.commands", service, body, properties, mandatory=True)
    kept = "SELECT count(*) FROM payments_deadletter"
    wait_until(lambda: rows(stack, kept) == [(len(bodies),)], "the dead letters")
