"""Words of lists and filters, as staff read them."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from checkout.backoffice.display.values import breakable
from checkout.payments.models import Event, Reconciliation
from checkout.receipts.models import Receipt
from tests.backoffice import rows


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("payment.capture_pending", "payment.<wbr>capture_<wbr>pending"),
        ("challengeRequired", "challenge<wbr>Required"),
        ("SENT_FOR_REFUND", "SENT_<wbr>FOR_<wbr>REFUND"),
        ("AUTHORISED", "AUTHORISED"),
        ("<b>\n.x", "&lt;b&gt;\n.<wbr>x"),
        ("", ""),
    ],
)
def test_a_name_breaks_between_its_words(name, shown):
    assert breakable(name) == shown


@pytest.mark.django_db
def test_the_lists_of_events_break_their_types(admin_client):
    payment = rows.payment("A-1")
    Event.objects.create(
        merchant=payment.merchant, payment=payment, type="payment.captured", sequence=1, data={"object": {}}
    )
    page = admin_client.get(reverse("admin:payments_event_changelist")).content.decode()
    assert ">payment.<wbr>captured</a>" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "title"),
    [
        ("receipts_receipt", "sent"),
        ("payments_providercall", "finished"),
        ("payments_outboxmessage", "published"),
        ("payments_providernotification", "dealt with"),
    ],
)
def test_a_filter_by_what_has_happened_says_yes_or_no(admin_client, table, title):
    page = admin_client.get(reverse(f"admin:{table}_changelist"), {"_facets": "True"})
    (found,) = [each for each in page.context["cl"].filter_specs if each.title == title]
    shown = [each["display"] for each in found.choices(page.context["cl"])]
    assert shown == ["All", "No (0)", "Yes (0)"]


@pytest.mark.django_db
def test_what_has_not_happened_yet_is_found(admin_client):
    for payment, sent_at in (("pay_1", None), ("pay_2", datetime.now(UTC))):
        Receipt.objects.create(payment_reference=payment, amount_minor=100, currency="GBP", sent_at=sent_at)
    page = admin_client.get(reverse("admin:receipts_receipt_changelist"), {"sent_at__isempty": "1"})
    assert [each.payment_reference for each in page.context["cl"].result_list] == ["pay_1"]


def test_a_reconciliation_names_the_zone_of_its_time():
    assert str(Reconciliation(started_at=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC))).endswith("03:04:05 UTC")


@pytest.mark.django_db
def test_the_api_is_spelt_as_everywhere(admin_client):
    page = admin_client.get(reverse("admin:api_apikey_changelist")).content.decode()
    assert ">API keys</a>" in page
    assert "Api" not in page
    assert str(Permission.objects.get(codename="add_apikey")).startswith("API | ")


@pytest.mark.django_db
def test_the_amounts_of_a_payments_tables_stay_beside_their_currency(admin_client):
    payment = rows.captured("A-1")
    page = admin_client.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert '<td class="amount">£12.50</td>' in page
    assert '<td class="amount">captured' not in page
