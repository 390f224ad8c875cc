"""The list of disputes: charge-backs that are booked, claimed or reversed, and requests for information."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.models import MerchantAccess
from checkout.payments.actions import erase_payment
from checkout.payments.models import Evidence, EvidenceContent, Fact, Payment, Saga
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_dispute_changelist")


def charged_back(order, minor=300):
    payment = rows.captured(order)
    rows.operation(payment, "charge_back", minor, state="done")
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.CHARGED_BACK)
    return payment


def reversed_(order):
    payment = rows.captured(order)
    rows.operation(payment, "charge_back", 300, state="done")
    rows.operation(payment, "charge_back_reversal", 300, state="done")
    return payment


def claimed(order, status=Saga.Status.PARKED):
    payment = rows.captured(order)
    rows.claimed(payment)
    payment.sagas.update(status=status)
    Payment.objects.filter(pk=payment.pk).update(at_risk_minor=300)
    return payment


def told(payment, event, *, ago=timedelta()):
    Fact.objects.create(
        payment=payment, attempt=payment.attempts.get(), source="provider", kind="notified_other",
        data={"event": event}, recorded_at=timezone.now() - ago,
    )  # fmt: skip
    return payment


def listed(client, **query):
    """Return the order numbers and states of the disputes in the list."""
    page = client.get(LIST, query)
    assert page.status_code == 200
    return {row.order_reference: row.standing for row in page.context["cl"].result_list}


EVERY = {
    "LOST": "charged_back",
    "WON": "reversed",
    "OPEN": "decision",
    "ASKED": "asked",
    "QUESTION": "information",
}


@pytest.fixture
def every():
    charged_back("LOST")
    reversed_("WON")
    claimed("OPEN")
    claimed("ASKED", Saga.Status.RUNNING)
    told(rows.captured("QUESTION"), "INFORMATION_REQUESTED")
    claimed("DENIED", Saga.Status.COMPLETED)
    told(rows.captured("OTHER"), "REFUND_REQUESTED")
    rows.captured("FINE")


def test_every_dispute_is_listed_once_with_its_state(admin_client, every):
    assert listed(admin_client) == EVERY


@pytest.mark.parametrize(("order", "state"), EVERY.items())
def test_disputes_are_filtered_by_their_state(admin_client, every, order, state):
    assert listed(admin_client, standing=state) == {order: state}


def test_a_dispute_is_found_by_its_order_number_and_filtered_by_merchant(admin_client):
    charged_back("LOST")
    other = rows.merchant("other")
    told(rows.captured("THEIRS", owner=other), "INFORMATION_REQUESTED")
    assert listed(admin_client, q="lost") == {"LOST": "charged_back"}
    assert listed(admin_client, merchant__id__exact=other.pk) == {"THEIRS": "information"}


def test_the_list_tells_amount_and_what_is_known_and_leads_to_the_payment(admin_client):
    payment = charged_back("LOST", 450)
    told(payment, "DISPUTE_EXPIRED", ago=timedelta(days=3))
    html = admin_client.get(LIST).content.decode()
    assert '<span class="state tone-lost">charged back</span>' in html
    assert "The shopper&#x27;s bank took £4.50. The time to answer the dispute is over." in html
    assert f'href="{reverse("admin:payments_payment_change", args=[payment.pk])}">LOST</a>' in html
    began = timezone.now() - timedelta(days=3)
    assert f"{began:%-d %b %Y}, " in html


def reasons(client, payment):
    page = client.get(reverse("admin:payments_payment_change", args=[payment.pk]))
    return [reason.what for reason in page.context["attention"]]


def test_a_bank_that_asks_for_information_needs_attention_until_the_provider_tells_more(admin_client):
    payment = told(rows.captured("QUESTION"), "INFORMATION_REQUESTED", ago=timedelta(days=44))
    assert "answer it in the provider's portal" in reasons(admin_client, payment)[0]
    listed_payments = reverse("admin:payments_payment_changelist")
    found = admin_client.get(listed_payments, {"attention": "information"}).context["cl"].result_list
    assert list(found) == [payment]
    told(payment, "INFORMATION_SUPPLIED")
    assert reasons(admin_client, payment) == []
    told(payment, "INFORMATION_REQUESTED")
    assert len(reasons(admin_client, payment)) == 1, "it has asked once more"


def test_a_question_of_long_ago_does_not_wait_any_more(admin_client):
    payment = told(rows.captured("QUESTION"), "INFORMATION_REQUESTED", ago=timedelta(days=46))
    assert reasons(admin_client, payment) == []


def test_a_claim_tells_what_is_at_risk_and_who_acts_next(admin_client):
    claimed("OPEN")
    html = admin_client.get(LIST).content.decode()
    assert "£3.00" in html
    assert (
        "The shopper&#x27;s bank took money back, says a notification: say on the payment&#x27;s page" in html
    )


def page_of(payment, name="change", *more):
    return reverse(f"admin:payments_dispute_{name}", args=[payment.pk, *more])


def shown(client, payment):
    return client.get(page_of(payment)).content.decode()


def pdf(name="proof.pdf", content=b"%PDF-1.7 signed for by the shopper %%EOF\n"):
    return SimpleUploadedFile(name, content)


def test_the_page_of_a_dispute_has_the_sum_what_is_known_and_the_postings(admin_client):
    payment = charged_back("LOST", 450)
    operation = payment.operations.get(kind="charge_back")
    rows.post(payment, f"charged_back:{operation.reference}", 450, 450)
    page = shown(admin_client, payment)
    for text in ("£4.50", "charged back", "The shopper&#x27;s bank took £4.50.", "not recorded", "-£4.50"):
        assert text in page
    assert f'href="{reverse("admin:payments_payment_change", args=[payment.pk])}"' in page


def test_staff_record_the_reason_in_words_and_the_time_limit(admin_client):
    payment = charged_back("LOST")
    day = timezone.localdate() + timedelta(days=5)
    answer = admin_client.post(page_of(payment, "record"), {"reason_code": "10.4", "deadline": f"{day}"})
    assert answer["Location"] == page_of(payment)
    page = shown(admin_client, payment)
    assert "10.4: Fraud: the cardholder did not make this purchase online" in page
    assert f"{day:%-d %b %Y}" in page
    assert listed(admin_client, answer="week") == {"LOST": "charged_back"}
    assert listed(admin_client, answer="passed") == {}
    entry = entries().get()
    assert (entry.by, entry.action, entry.payment) == ("admin", "record", payment.reference)
    admin_client.post(page_of(payment, "record"), {"reason_code": "4853", "is_answered": "on"})
    assert "4853: The shopper disputes the purchase" in shown(admin_client, payment)
    assert listed(admin_client, answer="week") == {}


def test_an_answer_that_is_due_within_a_week_needs_attention(staff_client):
    client = staff_client("view_payment", "handle_dispute")
    for number, days in enumerate((-1, 0, 7, 8)):
        payment = charged_back(f"LOST-{number}")
        day = timezone.localdate() + timedelta(days=days)
        client.post(page_of(payment, "record"), {"deadline": f"{day}"})
    page = client.get(reverse("admin:payments_payment_attention"))
    counts = {row["label"]: row["count"] for row in page.context["rows"] if row["table"] == "disputes"}
    assert counts == {"To be answered within 7 days": 2}
    assert set(listed(client, answer="week")) == {"LOST-1", "LOST-2"}
    assert set(listed(client, answer="passed")) == {"LOST-0"}


def test_a_code_that_no_scheme_has_is_kept_and_other_text_refused(admin_client):
    payment = charged_back("LOST")
    admin_client.post(page_of(payment, "record"), {"reason_code": "c08"})
    assert "C08" in shown(admin_client, payment)
    page = admin_client.post(page_of(payment, "record"), {"reason_code": "<script>"})
    assert "A reason code looks like 10.4 or 4853." in page.content.decode()


def test_evidence_is_kept_once_and_downloaded_but_never_shown_by_our_origin(admin_client):
    payment = charged_back("LOST")
    for _ in range(2):
        form = {"file": pdf("../../proof<b>.pdf"), "description": "Signed for"}
        answer = admin_client.post(page_of(payment, "evidence"), form)
        assert answer["Location"] == page_of(payment)
    kept = Evidence.objects.get()
    assert (kept.name, kept.media_type, kept.added_by) == ("proof_b_.pdf", "application/pdf", "admin")
    assert "proof_b_.pdf" in shown(admin_client, payment)
    assert "Signed for" in shown(admin_client, payment)
    file = admin_client.get(page_of(payment, "download", kept.reference))
    assert b"".join(file.streaming_content) == b"%PDF-1.7 signed for by the shopper %%EOF\n"
    assert file["Content-Disposition"] == f'attachment; filename="evidence-{kept.pk}.pdf"'
    assert file["Content-Type"] == "application/octet-stream"
    assert file["X-Content-Type-Options"] == "nosniff"
    assert [entry.what for entry in entries()] == ["Added evidence", "Added evidence"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html><script>alert(1)</script></html>", "not a whole PDF, PNG or JPEG"),
        (b"%PDF-1.7 cut off", "not a whole PDF, PNG or JPEG"),
        (b"%PDF-" + 190_000 * b"x" + b"%%EOF", "at most 190 kB"),
        (b"MZ\x90", "not a whole PDF, PNG or JPEG"),
    ],
)
def test_another_file_whatever_its_name_or_a_larger_one_is_no_evidence(admin_client, content, why):
    payment = charged_back("LOST")
    page = admin_client.post(page_of(payment, "evidence"), {"file": pdf("proof.pdf", content)})
    assert why in page.content.decode()
    assert not Evidence.objects.exists()


def test_a_dispute_has_a_bounded_number_of_files(admin_client):
    payment = charged_back("LOST")
    for number in range(21):
        content = b"%PDF-" + str(number).encode() + b"%%EOF"
        last = admin_client.post(page_of(payment, "evidence"), {"file": pdf("a.pdf", content)})
        assert last.status_code == (302 if number < 20 else 200)
    assert Evidence.objects.count() == 20


def test_who_may_only_view_payments_downloads_and_adds_nothing(staff_client, admin_client):
    payment = charged_back("LOST")
    admin_client.post(page_of(payment, "evidence"), {"file": pdf()})
    client = staff_client("view_payment")
    assert client.get(page_of(payment, "download", Evidence.objects.get().reference)).status_code == 200
    assert f'href="{page_of(payment, "evidence")}"' not in shown(client, payment)
    for name, form in (("evidence", {"file": pdf()}), ("record", {"reason_code": "10.4"})):
        assert client.post(page_of(payment, name), form).status_code == 403


def test_evidence_of_another_merchant_or_payment_is_not_found(admin_client):
    payment, other = charged_back("LOST"), charged_back("OTHER")
    admin_client.post(page_of(payment, "evidence"), {"file": pdf()})
    reference = Evidence.objects.get().reference
    assert admin_client.get(page_of(other, "download", reference)).status_code == 404
    rows.merchant("rival")
    person = User.objects.create(username="clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    MerchantAccess.objects.create(user=person, merchants=["rival"])
    client = Client()
    client.force_login(person)
    assert client.get(page_of(payment, "download", reference)).status_code == 404
    assert client.post(page_of(payment, "evidence"), {"file": pdf()}).status_code == 302
    assert Evidence.objects.count() == 1


def test_what_is_erased_of_a_payment_includes_the_evidence(admin_client):
    payment = told(rows.authorised("ASKED"), "INFORMATION_REQUESTED")
    admin_client.post(page_of(payment, "evidence"), {"file": pdf()})
    erase_payment(payment.reference, by="ada", reason="Asked for it")
    assert not Evidence.objects.exists()
    assert not EvidenceContent.objects.exists()


def test_disputes_are_seen_by_those_who_may_view_payments_and_by_nobody_else(staff_client):
    charged_back("LOST")
    assert listed(staff_client("view_payment")) == {"LOST": "charged_back"}


def test_staff_who_may_not_view_payments_see_no_disputes(staff_client):
    client = staff_client("view_operation")
    assert client.get(LIST).status_code == 403
    assert LIST not in client.get(reverse("admin:index")).content.decode()


def test_more_disputes_take_no_more_queries(queries_for):
    charged_back("LOST-0")
    few = queries_for(LIST)
    for number in range(1, 20):
        claimed(f"OPEN-{number}")
        told(charged_back(f"LOST-{number}"), "INFORMATION_REQUESTED")
    assert queries_for(LIST) == few
