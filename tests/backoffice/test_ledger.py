"""The ledger's pages: the newest postings first, balances, and the provider's debt by day and merchant."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.models import MerchantAccess
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import DailyTotal, LedgerEntry
from checkout.ledger.service import ACCOUNTS, CAPTURED, IN_PROCESS, service
from checkout.payments.models import DeadLetter
from checkout.payments.timers.ledger_days import count_changed_days
from tests.backoffice import rows
from tests.payments.service.delivering import command, deliver

pytestmark = pytest.mark.django_db
ENTRIES = reverse("admin:ledger_ledgerentry_changelist")
TOTALS = reverse("admin:ledger_dailytotal_changelist")


def post(kind, minor, *, reference="op_1", merchant="example", currency="GBP"):
    body = PostEntries(
        payment="pay_1",
        kind=kind,
        reference=reference,
        minor=minor,
        currency=currency,
        merchant_code=merchant,
    )
    assert deliver(service, command(body)).reply.ok


def table(response):
    return [[str(cell) for cell in row] for row in response.context["balances"].rows]


def clerk(*merchants):
    person = User.objects.create(username="clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    MerchantAccess.objects.create(user=person, merchants=list(merchants))
    browser = Client()
    browser.force_login(person)
    return browser


def test_the_provider_owes_what_it_captured_less_what_it_gave_back(admin_client):
    post("capture_requested", 1250)
    post("captured", 1250)
    post("capture_requested", 500, reference="op_2")
    post("refunded", 300, reference="op_3")
    post("charged_back", 200, reference="op_4")
    post("charge_back_reversed", 50, reference="op_5")
    post("capture_requested", 900, reference="op_6", merchant="rival", currency="EUR")
    count_changed_days()
    page = admin_client.get(TOTALS)
    assert table(page) == [
        ["example", "£12.50", "-£3.00", "-£1.50", "£8.00", "£5.00"],
        ["rival", "€0.00", "€0.00", "€0.00", "€0.00", "€9.00"],
    ]
    assert "neither the provider&#x27;s fees nor its pay-outs" in page.content.decode().replace("'", "&#x27;")
    assert table(admin_client.get(TOTALS, {"merchant": "rival"}))[0][0] == "rival"


def test_balances_of_accounts_are_those_of_all_entries(admin_client):
    for number, kind in enumerate(ACCOUNTS):
        post(kind, 100 + number, reference=f"op_{number}")
    count_changed_days()
    balances = {row[1]: row[2] for row in table(admin_client.get(ENTRIES))}
    for account in {each for sides in ACCOUNTS.values() for each in sides}:
        minor = sum(LedgerEntry.objects.filter(account=account).values_list("amount_minor", flat=True))
        assert balances[account].replace("£", "") == f"{minor / 100:.2f}"


def test_the_newest_postings_are_first(admin_client):
    post("captured", 100)
    post("refunded", 50, reference="op_2")
    listed = admin_client.get(ENTRIES).context["cl"].result_list
    assert [entry.posting for entry in listed] == [
        *("refunded:op_2",) * 2,
        *("captured:op_1",) * 2,
    ]


def test_a_day_is_counted_again_when_more_is_posted_and_never_twice(admin_client):
    post("captured", 100)
    count_changed_days()
    count_changed_days()
    post("captured", 150, reference="op_2")
    count_changed_days()
    [total] = DailyTotal.objects.all()
    assert (total.day, total.postings, total.minor) == (datetime.now(UTC).date(), 2, 250)


def test_a_long_backlog_is_counted_in_batches(monkeypatch):
    monkeypatch.setattr("checkout.ledger.daily_totals.BATCH", 4)
    of_long_ago = {
        "payment_reference": "pay_1",
        "currency": "GBP",
        "posted_at": timezone.now() - timedelta(2),
    }
    LedgerEntry.objects.bulk_create(
        LedgerEntry(posting=f"captured:op_{number}", account=account, amount_minor=minor, **of_long_ago)
        for number in range(5)
        for account, minor in ((CAPTURED, 100), (IN_PROCESS, -100))
    )
    work = [count_changed_days() for _ in range(3)]
    assert [each.has_more for each in work] == [True, True, False]
    assert DailyTotal.objects.get().postings == 5


def test_a_clerk_sees_the_balances_of_the_own_merchant_alone():
    post("captured", 1250)
    count_changed_days()
    browser = clerk("rival")
    assert table(browser.get(TOTALS)) == table(browser.get(ENTRIES)) == []
    assert table(browser.get(TOTALS, {"merchant": "example"})) == []


def test_what_the_ledger_lacks_is_said_beside_its_balances(admin_client):
    payment = rows.paid("ORDER-1")
    rows.difference(payment, kind="refunded")
    rows.dead_letter(payment.reference)
    DeadLetter.objects.update(type=PostEntries.to)
    page = admin_client.get(TOTALS).content.decode()
    assert "1 posting could not be made yet" in page
    assert "1 difference from the provider" in page
