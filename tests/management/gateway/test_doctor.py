"""The doctor finds faults, and says how to mend them."""

import os
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    Difference,
    Event,
    OutboxMessage,
    ProviderNotification,
    Reconciliation,
    Saga,
)
from checkout.reconciliation.schedule import time_to_compare, time_to_list
from checkout.webhooks.models import Delivery, WebhookEndpoint
from messaging.outbox.models import enqueue
from tests.management.gateway.conftest import Gateway, as_json
from tests.payments.service.conftest import an_account, an_attempt
from tests.support.given_up import give_up
from tests.support.program import Program, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _account(settings: Any, db: None) -> None:
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {"notification_secret": "kept-between-us_01"}}
    an_account()


def wrong(output: str) -> dict[str, str]:
    """Return the advice for each fault that was found."""
    return {each["text"]: each["advice"] for each in as_json(output)["findings"] if not each["ok"]}


@pytest.mark.usefixtures("readers")
def test_all_is_well(gateway: Gateway):
    code, output = gateway("doctor")
    assert "All is well." in output, output
    assert code == 0
    assert "queue checkout.commands.risk: 1 reader, 0 messages wait" in output
    assert "queue checkout.events.webhooks: 1 reader, 0 messages wait" in output
    assert not wrong(gateway("doctor", "--json")[1])


@pytest.mark.rabbitmq
def test_a_broker_without_queues_and_readers_is_not_well(gateway: Gateway, settings: Any, rabbitmq_url: str):
    settings.BROKER_URL = rabbitmq_url
    code, output = gateway("doctor", "--json")
    assert code == 1
    found = wrong(output)
    assert "manage.py broker_users" in found["exchange checkout.commands: missing"]
    assert found["queue checkout.commands.risk: missing"] == (
        "Start manage.py run_service risk, which makes it."
    )
    assert "run_relay" in found["queue checkout.dead: missing"]
    assert "manage.py run_webhooks" in found["queue checkout.events.webhooks: missing"]


@pytest.mark.rabbitmq
def test_a_program_that_does_not_run_is_named(gateway: Gateway, settings: Any, rabbitmq_url: str):
    from tests.management.gateway.conftest import Readers

    settings.BROKER_URL = rabbitmq_url
    Readers().stop()
    found = wrong(gateway("doctor", "--json")[1])
    assert found["queue checkout.commands.risk: no process reads it, 0 messages wait"] == (
        "Start manage.py run_service risk."
    )


@pytest.mark.slow
@pytest.mark.rabbitmq
@pytest.mark.postgresql
def test_a_program_that_runs_and_is_refused_by_the_broker_is_not_to_be_started(
    tmp_path: Path, rabbitmq_url: str, postgresql_url: str
):
    parts = urlsplit(rabbitmq_url)
    refused = parts._replace(netloc=f"{parts.username}:wrong@{parts.hostname}:{parts.port}").geturl()
    settings = {"DATABASE_URL": postgresql_url, "CHECKOUT_SINGLE_BROKER_USER": "true"}
    settings["DJANGO_SETTINGS_MODULE"] = "payments_gateway.settings"
    command = [sys.executable, "manage.py", "run_service", "risk"]
    program = Program(
        "risk", command, log=tmp_path / "log", environment={**os.environ, **settings, "BROKER_URL": refused}
    )
    program.start()
    try:
        program.wait_for_line("broker not reachable")
        found = doctor_of(postgresql_url, BROKER_URL=rabbitmq_url, CHECKOUT_SINGLE_BROKER_USER="true")
    finally:
        program.kill()
    advice = found["queue checkout.commands.risk: missing"]
    assert advice.startswith("risk runs")
    assert "BROKER_URL" in advice
    assert found["queue checkout.commands.orders: missing"].startswith("Start manage.py run_service orders")


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"password": "wrong"}, "authentication failed"), ({"path": "/nothing"}, '"nothing" does not exist')],
)
def test_a_refused_login_is_no_reason_to_start_the_database(
    postgresql_url: str, wrong: dict[str, str], reason: str
):
    parts = urlsplit(postgresql_url)
    if "password" in wrong:
        netloc = f"{parts.username}:{wrong['password']}@{parts.hostname}:{parts.port}"
        parts = parts._replace(netloc=netloc)
    else:
        parts = parts._replace(path=wrong["path"])
    [(text, advice)] = [
        each for each in doctor_of(parts.geturl()).items() if "default: not reached" in each[0]
    ]
    assert reason in text
    assert "Start" not in advice
    assert "DATABASE_URL" in advice


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("broker_url", [pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)], indirect=True)
def test_parked_messages_are_told_with_the_command_that_removes_them(gateway: Gateway, broker_url: str):
    import pika

    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", "checkout.parked", b"{}")
    [(text, advice)] = wrong(gateway("doctor", "--json")[1]).items()
    assert text.startswith("the broker fails at the first message of checkout.parked")
    assert "rabbitmqctl purge_queue -p" in advice
    assert advice.endswith("checkout.parked")


@pytest.mark.rabbitmq
def test_rights_and_bindings_are_compared_by_rabbitmqs_own_program(
    gateway: Gateway, settings: Any, rabbitmq_url: str, caplog: pytest.LogCaptureFixture
):
    from tests.management.gateway.conftest import Readers
    from tests.support.broker_users import let_do_anything, make_users, url_of
    from tests.support.environment import RABBITMQ_CONTROL

    make_users(rabbitmq_url)
    settings.BROKER_URL = rabbitmq_url
    readers = Readers()
    try:
        settings.BROKER_URL = url_of("web", rabbitmq_url)
        settings.MESSAGING_SINGLE_BROKER_USER = False
        code, output = gateway("doctor", "--control", RABBITMQ_CONTROL)
        assert code == 0, output
        assert "user checkout.web, that of web" in output
        assert "every program's user has exactly its rights" in output
        assert not [each for each in caplog.records if each.name.startswith("pika")], "a refusal is no fault"
        let_do_anything("risk", rabbitmq_url)
        found = wrong(gateway("doctor", "--json", "--control", RABBITMQ_CONTROL)[1])
        assert list(found) == ["other rights than they should have: checkout.risk"]
    finally:
        settings.BROKER_URL = rabbitmq_url
        readers.stop()


def test_a_broker_that_is_away_is_one_finding(gateway: Gateway, settings: Any):
    settings.BROKER_URL = "amqp://checkout.web:secret@127.0.0.1:1/"
    code, output = gateway("doctor")
    assert code == 1
    assert "not reached: no connection to 127.0.0.1:1" in output
    assert "Start RabbitMQ" in output
    assert "secret" not in output


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("amqp://a:secret@[::1],127.0.0.1/p", "IPv6"),
        ("amqp://a:secret@localhost/?heartbeat=3", "no ?heartbeat="),
        ("amqp://a:secret@localhost/?cafile=ca.pem", "begins with amqps://"),
        ("amqps://a:secret@localhost/?cafile=no-such.pem", "cafile=no-such.pem"),
    ],
)
def test_an_address_of_the_broker_that_is_wrong_is_to_be_corrected(
    gateway: Gateway, settings: Any, address: str, fault: str
):
    settings.BROKER_URL = address
    code, output = gateway("doctor", "--json")
    [(text, advice)] = [each for each in wrong(output).items() if each[0].startswith("not reached")]
    assert code == 1
    assert fault in text
    assert advice.startswith("Correct BROKER_URL")
    assert "secret" not in output


def test_the_host_of_a_broker_that_is_unknown_is_named(gateway: Gateway, settings: Any):
    settings.BROKER_URL = "amqp://a:secret@no-such-host.invalid/p"
    found = wrong(gateway("doctor", "--json")[1])
    [text] = [text for text in found if text.startswith("not reached")]
    assert text.startswith("not reached: no connection to no-such-host.invalid:5672: ")


@pytest.mark.rabbitmq
def test_a_refused_login_is_no_reason_to_start_the_broker(gateway: Gateway, settings: Any, rabbitmq_url: str):
    parts = urlsplit(rabbitmq_url)
    settings.BROKER_URL = parts._replace(netloc=f"nobody:x@{parts.hostname}:{parts.port}").geturl()
    found = wrong(gateway("doctor", "--json")[1])
    advice = found["not reached: nobody was refused: another password, or no such user"]
    assert "user, password and virtual host in BROKER_URL" in advice
    assert "Start" not in advice


def test_late_work_is_laid_to_the_relay(gateway: Gateway, attempt: Attempt):
    long_ago = timezone.now() - timedelta(hours=1)
    enqueue(OutboxMessage, "risk", "risk.assess", {}, subject="pay_1")
    OutboxMessage.objects.update(available_at=long_ago, last_error="unavailable: no broker")
    Saga.objects.create(
        kind="purchase",
        key="1",
        payment=attempt.payment,
        attempt=attempt,
        deadline_at=long_ago,
        look_at=long_ago,
    )
    DeadLetter.objects.create(fingerprint="1", message_id="1", type="risk.assess", body="{}")
    Event.objects.create(
        merchant=attempt.payment.merchant,
        payment=attempt.payment,
        type="payment.created",
        sequence=1,
        data={},
        created_at=long_ago,
    )
    found = wrong(gateway("doctor", "--json")[1])
    when = f"{long_ago:%Y-%m-%d %H:%M:%S}"
    relay = "Start manage.py run_relay, or see its log."
    late = f"1 message is late, the first since {when}, last error: unavailable: no broker"
    assert found[late] == relay
    assert found[f"some are not published, the first since {when}"] == relay
    assert found[f"deadlines of flows: 1 is late, the first since {when}"] == relay
    assert "dead-letters list" in found["1 dead letter waits for staff"]


def test_a_late_message_that_the_broker_rejects_is_not_laid_to_the_relay(gateway: Gateway, attempt: Attempt):
    enqueue(OutboxMessage, "risk", "risk.assess", {}, subject="pay_1")
    row = OutboxMessage.objects.filter(available_at__gt=timezone.now())
    row.update(available_at=timezone.now() - timedelta(hours=1), last_error="publish_rejected: no")
    OutboxMessage.objects.update(is_suspect=True)
    [(_, advice)] = [each for each in wrong(gateway("doctor", "--json")[1]).items() if "rejected" in each[0]]
    assert "Mend what the error names" in advice


def test_a_message_that_was_given_up_is_counted_among_the_dead_letters(gateway: Gateway, attempt: Attempt):
    enqueue(OutboxMessage, "risk", "risk.assess", {}, subject="pay_1")
    give_up(OutboxMessage.objects.get())
    found = wrong(gateway("doctor", "--json")[1])
    assert "dead-letters list" in found["1 dead letter waits for staff"]
    assert not any("late" in text for text in found)


def test_purchases_at_a_step_of_ones_own_that_is_not_configured_are_named(
    gateway: Gateway, attempt: Attempt, settings: Any
):
    settings.CHECKOUT_OWN_APPS = "tests.support.loyalty"
    for step in ("own_hold_points", "own_gone", "undo_gone", "own_gone"):
        key = str(Saga.objects.count())
        Saga.objects.create(
            kind="purchase", key=key, step=step, payment=attempt.payment, attempt=attempt, status="parked"
        )
    found = wrong(gateway("doctor", "--json")[1])
    advice = found["purchases stand at steps that are not configured: own_gone (2), undo_gone (1)"]
    assert "CHECKOUT_OWN_APPS" in advice


def test_books_that_the_provider_does_not_tell_are_named_with_what_to_do(gateway: Gateway, attempt: Attempt):
    account, long_ago = attempt.provider_account, timezone.now() - timedelta(hours=5)
    when = f"{long_ago:%Y-%m-%d %H:%M:%S}"
    Reconciliation.objects.create(
        account=account, started_at=long_ago, compared_until=long_ago, listed_until=long_ago
    )
    Reconciliation.objects.create(account=account, listed_until=timezone.now())
    Difference.objects.create(
        account=account, payment=attempt.payment, order_code="o-1", kind="unanswered", found_at=long_ago
    )
    found = wrong(gateway("doctor", "--json")[1])
    assert "See the log" in found[f"the books were compared only up to a time: twin payments until {when}"]
    advice = found[f"1 order is not told by its provider, the first since {when}"]
    assert "ask the provider" in advice
    assert "back office" in advice


def test_books_that_were_never_compared_are_named(gateway: Gateway, attempt: Attempt):
    assert not any("not compared" in text for text in wrong(gateway("doctor", "--json")[1]))
    Attempt.objects.update(created_at=timezone.now() - timedelta(hours=3))
    found = wrong(gateway("doctor", "--json")[1])
    assert "run_relay" in found["the books were not compared: twin never"]


def test_what_waits_for_staff_is_counted(gateway: Gateway, attempt: Attempt):
    account, payment = attempt.provider_account, attempt.payment
    Saga.objects.create(
        kind="purchase", key="1", step="capture", payment=payment, attempt=attempt, status="parked"
    )
    for order, about in (("o-1", payment), ("o-2", None)):
        Difference.objects.create(account=account, payment=about, order_code=order, kind="captured")
    ProviderNotification.objects.create(
        account=account, digest="1", body="", statements=[], state="unmatched"
    )
    code, output = gateway("doctor", "--json")
    assert code == 1
    [(text, advice)] = [each for each in wrong(output).items() if "stopped" in each[0]]
    assert "payments: It stopped and needs a decision (1)" in text
    assert "provider notifications: Unmatched (1)" in text
    assert "differences: Open (2)" in text
    assert advice.endswith("/admin/payments/payment/attention/")


def test_books_that_were_compared_to_the_end_are_in_order(gateway: Gateway, attempt: Attempt):
    account, long_ago = attempt.provider_account, timezone.now() - timedelta(minutes=70)
    Reconciliation.objects.create(account=account, started_at=long_ago, compared_until=long_ago)
    row = {"account": account, "payment": attempt.payment, "kind": "unanswered"}
    Difference.objects.create(**row, order_code="o-1")
    long_ago -= timedelta(hours=9)
    Difference.objects.create(**row, order_code="o-2", found_at=long_ago, dealt_with_at=timezone.now())
    found = wrong(gateway("doctor", "--json")[1])
    assert not any("the books were compared" in text or "not told by their" in text for text in found)


def test_marks_that_wait_for_what_the_provider_shows_late_are_in_order(gateway: Gateway, attempt: Attempt):
    account, now = attempt.provider_account, timezone.now()
    Reconciliation.objects.create(account=account, started_at=now - timedelta(days=1))
    began = now - 2 * conf.reconciliation_interval + timedelta(minutes=1)
    Reconciliation.objects.create(
        account=account,
        started_at=began,
        compared_until=began - time_to_compare(),
        listed_until=began - time_to_list(),
    )
    found = wrong(gateway("doctor", "--json")[1])
    assert not any("the books were compared" in text for text in found)


def test_late_webhooks_are_laid_to_their_sender(gateway: Gateway):
    long_ago = timezone.now() - timedelta(hours=1)
    for state, pause in (("enabled", None), ("enabled", timezone.now()), ("disabled", None)):
        endpoint = WebhookEndpoint.objects.create(
            merchant="shop", url="https://shop.example/", state=state, paused_until=pause
        )
        Delivery.objects.create(endpoint=endpoint, event="evt_1", event_type="t", next_try_at=long_ago)
    when = f"{long_ago:%Y-%m-%d %H:%M:%S}"
    assert wrong(gateway("doctor", "--json")[1])[f"1 is late, the first since {when}"] == (
        "Start manage.py run_webhooks, or see its log."
    )


@pytest.mark.parametrize("result", ["secret unreadable", "no secret"])
def test_webhooks_that_cannot_be_signed_are_named_with_what_to_do(gateway: Gateway, result: str):
    later = timezone.now() + timedelta(minutes=5)
    for state in ("enabled", "disabled"):
        endpoint = WebhookEndpoint.objects.create(merchant="shop", url="https://shop.example/", state=state)
        Delivery.objects.create(
            endpoint=endpoint, event="evt_1", event_type="t", next_try_at=later, last_result=result
        )
    advice = wrong(gateway("doctor", "--json")[1])[
        "1 is not sent, because the secrets of their endpoints cannot be read"
    ]
    assert "SECRET_KEY_FALLBACKS" in advice
    Delivery.objects.update(state="delivered", next_try_at=None)
    assert "each can be signed" in gateway("doctor")[1]


@pytest.fixture
def attempt() -> Attempt:
    from checkout.payments.models import ProviderAccount

    return an_attempt(ProviderAccount.objects.get())


def test_a_merchant_without_an_account_is_named(gateway: Gateway):
    from checkout.payments.models import Merchant

    Merchant.objects.create(code="new-shop", name="A new shop")
    code, output = gateway("doctor", "--json")
    text = "the merchant new-shop has no account, and its programs cannot create payments"
    assert code == 1
    assert wrong(output)[text] == "Add one in the back office."


def test_an_account_without_credentials_is_named(gateway: Gateway, settings: Any):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    found = wrong(gateway("doctor", "--json")[1])
    assert "twin: CHECKOUT_PROVIDER_CREDENTIALS has no entry for the account 'twin'." in found


def test_a_provider_is_asked_only_if_that_is_wanted(gateway: Gateway):
    assert "as expected" not in gateway("doctor")[1]
    assert "it answered that it has no order doctor-" in gateway("doctor", "--call", "--json")[1]


def test_settings_for_production_are_checked_as_check_deploy_does(gateway: Gateway, settings: Any):
    settings.CHECKOUT_TRY_OUT = False
    found = wrong(gateway("doctor", "--json")[1])
    assert any(text.startswith("checkout.E002: PUBLIC_URL is not https://") for text in found)


@pytest.mark.postgresql
def test_postgresql_is_reached_and_its_clock_compared(postgresql_url: str):
    seen = doctor_of(postgresql_url)
    assert "default: its clock agrees with ours" in seen
    assert any(text.startswith("default: reached, PostgreSQL") for text in seen)
    assert seen[next(text for text in seen if "the processes may use 102" in text)] == ""


@pytest.mark.postgresql
def test_too_few_connections_for_the_processes_pools_are_wrong(postgresql_url: str):
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} CONNECTION LIMIT 97".encode())
    seen = doctor_of(postgresql_url)
    told = next(text for text in seen if "the processes may use 102" in text)
    assert told.startswith("default: 97 connections are allowed")
    assert "max_connections" in seen[told]
    # Fewer connections are enough for smaller pools.
    seen = doctor_of(postgresql_url, CHECKOUT_DATABASE_POOL_SIZE="9")
    assert seen[next(text for text in seen if "the processes may use 92" in text)] == ""


@pytest.mark.postgresql
def test_connections_that_are_nearly_used_up_are_wrong(postgresql_url: str):
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} CONNECTION LIMIT 12".encode())
        with ExitStack() as others:
            for _ in range(10):
                others.enter_context(psycopg.connect(postgresql_url))
            seen = doctor_of(postgresql_url, CHECKOUT_DATABASE_POOL_SIZE="1")
    assert "hardly anybody" in seen[next(text for text in seen if "the processes may use 12" in text)]


def doctor_of(database_url: str, **more: str) -> dict[str, str]:
    """Return the advice for all lines that the doctor prints about this database."""
    environment = {**os.environ, "DATABASE_URL": database_url, "BROKER_URL": "memory://", **more}
    environment["DJANGO_SETTINGS_MODULE"] = "payments_gateway.settings"
    done = run([sys.executable, "manage.py", "gateway", "doctor", "--json"], environment)
    assert done.stdout, done.stderr
    return {each["text"]: each["advice"] for each in as_json(done.stdout)["findings"]}
