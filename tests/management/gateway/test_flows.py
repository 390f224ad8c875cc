"""Sagas that have not ended, on the command line, and resuming those that have stopped."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError
from django.db import connection
from django.utils import timezone

from checkout.backoffice.models import MerchantAccess
from checkout.payments.models import Attempt, Fact, OutboxMessage, Saga, SagaStep
from checkout.payments.sagas.purchase.data import At
from tests.management.gateway.conftest import Gateway, as_json
from tests.payments.service.conftest import an_account, an_attempt
from tests.support.program import ROOT

pytestmark = pytest.mark.django_db
WHY = "The stock is not reserved, and the answer to why was lost."


def a_flow(attempt: Attempt, **fields: Any) -> Saga:
    """Return a purchase that has asked at its step twice, and got an error once."""
    saga = Saga.objects.create(
        kind="purchase",
        key=attempt.order_code,
        payment=attempt.payment,
        attempt=attempt,
        **{"step": At.RESERVE_STOCK, "data": {}, **fields},
    )
    for number, outcome in enumerate(("error: busy", "")):
        SagaStep.objects.create(
            saga=saga,
            name=At.RESERVE_STOCK,
            command="orders.reserve",
            correlation_id=f"{saga.pk}-{number}",
            body_sha256="",
            outcome=outcome,
        )
    return saga


@pytest.fixture
def running() -> Saga:
    return a_flow(an_attempt(an_account()))


@pytest.fixture
def parked(running: Saga) -> Saga:
    saga = a_flow(an_attempt(running.attempt.provider_account, "A-2"), status=Saga.Status.PARKED)
    Fact.objects.create(
        payment=saga.payment,
        attempt=saga.attempt,
        source="saga",
        kind="saga_parked",
        data={"saga": saga.kind, "step": saga.step, "why": WHY},
    )
    return saga


@pytest.fixture
def ada(db: None) -> str:
    user = get_user_model()._default_manager.create(username="ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="resume_saga"))
    MerchantAccess.objects.create(user=user, is_unlimited=True)
    get_user_model()._default_manager.create(username="bob", is_staff=True)
    return "ada"


def listed(gateway: Gateway, *options: str) -> list[dict[str, Any]]:
    return list(as_json(gateway("flows", "--json", *options)[1])["flows"])


def test_open_flows_are_listed_with_step_tries_and_error(gateway: Gateway, running: Saga, parked: Saga):
    ended = a_flow(an_attempt(running.attempt.provider_account, "A-3"), status=Saga.Status.COMPLETED)
    found = {flow["number"]: flow for flow in listed(gateway)}
    assert set(found) == {running.pk, parked.pk}, ended
    assert found[running.pk] | {"since": "", "begun_at": ""} == {
        "number": running.pk,
        "kind": "purchase",
        "key": running.key,
        "payment": running.payment.reference,
        "merchant": running.payment.merchant.code,
        "status": "running",
        "step": "reserve_stock",
        "since": "",
        "begun_at": "",
        "deadline_at": None,
        "tries": 2,
        "error": "error: busy",
    }
    assert found[parked.pk]["error"] == WHY
    assert "parked   purchase  reserve_stock  2      The stock is not" in gateway("flows")[1]


def test_filters_choose_flows(gateway: Gateway, running: Saga, parked: Saga):
    old = timezone.now() - timedelta(minutes=30)
    Saga.objects.filter(pk=running.pk).update(updated_at=old)
    for options, expected in {
        ("--status", "parked"): [parked.pk],
        ("--payment", running.payment.reference): [running.pk],
        ("--older-than", "20"): [running.pk],
        ("--kind", "capture"): [],
        ("--step", "reserve_stock", "--merchant", running.payment.merchant.code): [running.pk, parked.pk],
    }.items():
        assert [flow["number"] for flow in listed(gateway, *options)] == expected, options


def test_no_more_than_a_screen_is_listed_unless_all_are_wanted(
    gateway: Gateway, running: Saga, parked: Saga, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("checkout.management.gateway.flows.MOST", 1)
    assert "… and 1 more." in gateway("flows")[1]
    assert len(listed(gateway, "--all")) == 2


def test_flows_that_have_stopped_are_tried_again_after_a_question(
    gateway: Gateway, running: Saga, parked: Saga, ada: str, monkeypatch: pytest.MonkeyPatch
):
    resumed = OutboxMessage.objects.filter(type="checkout.resume_saga")
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert "Nothing was changed." in gateway("flows", "--try-again", "--by", ada)[1]
    assert not resumed.exists()
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert "1 flow will be tried again" in gateway("flows", "--try-again", "--by", ada)[1]
    assert resumed.get().subject == parked.payment.reference
    assert parked.payment.facts.filter(kind="saga_resumed", data__by="ada").exists()


def test_a_flow_of_another_merchant_is_not_tried_again(gateway: Gateway, parked: Saga, ada: str):
    MerchantAccess.objects.filter(user__username=ada).update(is_unlimited=False, merchants=["elsewhere"])
    gateway("flows", "--try-again", "--yes", "--by", ada)
    assert not OutboxMessage.objects.filter(type="checkout.resume_saga").exists()


def test_a_program_tries_again_without_a_question(gateway: Gateway, parked: Saga, ada: str):
    gateway("flows", "--try-again", "--yes", "--by", ada)
    assert OutboxMessage.objects.filter(type="checkout.resume_saga").count() == 1
    assert "No such flow has stopped" in gateway("flows", "--kind", "void", "--try-again", "--by", ada)[1]


@pytest.mark.parametrize(("options", "fault"), [((), "Say who does it"), (("--by", "bob"), "bob may not do")])
def test_who_may_not_resume_in_the_back_office_may_not_here(
    gateway: Gateway, parked: Saga, ada: str, options: tuple[str, ...], fault: str
):
    with pytest.raises(CommandError, match=fault):
        gateway("flows", "--try-again", "--yes", *options)


@pytest.mark.postgresql
def test_the_view_for_sql_shows_the_same(gateway: Gateway, running: Saga, parked: Saga):
    with connection.cursor() as cursor:
        cursor.execute((ROOT / "deployment" / "postgresql" / "views.sql").read_text())
        cursor.execute("SELECT * FROM gateway_operations.flows ORDER BY number")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute("SELECT * FROM gateway_operations.late_messages")
    times = ("since", "begun_at", "deadline_at")
    expected = sorted(listed(gateway), key=lambda flow: flow["number"])
    for row, flow in zip(rows, expected, strict=True):
        assert {name: value for name, value in row.items() if name not in times} == {
            name: value for name, value in flow.items() if name not in times
        }
