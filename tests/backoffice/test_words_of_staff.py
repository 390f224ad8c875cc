"""Pages of staff use the words of staff: those of engineers stay on the pages behind Internals."""

import re

import pytest
from django.urls import reverse

from checkout.backoffice.navigation import SECTIONS
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

OF_ENGINEERS = re.compile(r"\b(sagas?|parked|dead letters?|requeue\w*)\b", re.IGNORECASE)


def read(client, address):
    """Return the text of the content of a page, without its menu and the unfolded details of each hop."""
    html = client.get(address, follow=True).content.decode()
    content = html[html.index("<main") : html.index("</main>")]
    content = re.sub(r'<p class="detail">.*?</p>', "", content, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", content)


@pytest.fixture
def trouble(db):
    """Create a payment with a failed step, a stopped saga, and a refund without an outcome."""
    refund = rows.waiting(rows.captured("A-1"), "refund", 300)
    rows.dead_letter(refund.payment.reference)
    rows.saga(refund.payment, "parked", "confirm_order")
    return refund


def test_the_pages_on_which_staff_decide_have_no_words_of_engineers(admin_client, trouble):
    payment = trouble.payment
    for address in (
        reverse("admin:payments_payment_attention"),
        reverse("admin:payments_payment_changelist"),
        reverse("admin:payments_payment_change", args=[payment.pk]),
        reverse("admin:payments_payment_settle", args=[payment.pk]),
        reverse("admin:payments_operation_change", args=[trouble.pk]),
        reverse("admin:payments_operation_settle", args=[trouble.pk]),
    ):
        assert OF_ENGINEERS.findall(read(admin_client, address)) == [], address


def test_every_list_outside_internals_has_no_words_of_engineers(admin_client, trouble):
    for section in SECTIONS:
        if not section.is_internal:
            for label in section.models:
                name = label.lower().replace(".", "_")
                address = reverse(f"admin:{name}_changelist")
                assert OF_ENGINEERS.findall(read(admin_client, address)) == [], address
