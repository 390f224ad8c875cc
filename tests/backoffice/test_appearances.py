"""The page on which staff set the look of a merchant."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from checkout.payments.logos import name_of
from checkout.payments.models import Appearance
from tests.backoffice import rows
from tests.web.test_logos import png

pytestmark = pytest.mark.django_db

ADD = "admin:payments_appearance_add"


def test_staff_set_the_look_of_a_merchant(staff_client):
    merchant = rows.merchant()
    client = staff_client("add_appearance", "view_appearance")
    sent = {
        "merchant": merchant.pk,
        "default_language": "de",
        "colour": "#0B5D4E",
        "support_email": "help@shop.example",
        "support_phone": "+44 20 7946 0000",
        "terms_url": "https://shop.example/terms",
        "privacy_url": "",
    }
    assert client.post(reverse(ADD), sent).status_code == 302
    [appearance] = Appearance.objects.all()
    assert (appearance.merchant, appearance.default_language, appearance.colour) == (
        merchant,
        "de",
        "#0B5D4E",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "green"),
        ("colour", "#12345"),
        ("default_language", "tlh"),
        ("support_phone", "call <b>1</b>"),
        ("terms_url", "javascript:alert(1)"),
        ("privacy_url", "data:text/html,x"),
    ],
)
def test_a_look_that_pages_cannot_show_is_refused(staff_client, field, value):
    client = staff_client("add_appearance", "view_appearance")
    answer = client.post(reverse(ADD), {"merchant": rows.merchant().pk, field: value})
    assert field in answer.context["adminform"].form.errors
    assert not Appearance.objects.exists()


def test_staff_upload_a_logo_and_remove_it(staff_client):
    merchant = rows.merchant()
    appearance = Appearance.objects.create(merchant=merchant, colour="#0b5d4e")
    client = staff_client("change_appearance", "view_appearance")
    change = reverse("admin:payments_appearance_change", args=[appearance.pk])
    kept = {"colour": "#0b5d4e", "initial-colour": "#0b5d4e"}
    image = SimpleUploadedFile("logo.exe", png(), content_type="text/html")
    assert client.post(change, {**kept, "image": image}).status_code == 302
    appearance.refresh_from_db()
    assert (appearance.logo_id, appearance.colour) == (name_of(png()), "#0b5d4e")
    assert f"/logos/{appearance.logo_id}" in client.get(change).text
    refused = client.post(change, {**kept, "image": SimpleUploadedFile("logo.png", b"<svg/>")})
    assert "image" in refused.context["adminform"].form.errors
    assert client.post(change, {**kept, "removes_logo": "on"}).status_code == 302
    appearance.refresh_from_db()
    assert appearance.logo is None


def test_a_preview_shows_the_saved_look_in_the_merchant_s_language(staff_client):
    look = {"colour": "#0b5d4e", "default_language": "de", "support_email": "help@shop.example"}
    appearance = Appearance.objects.create(merchant=rows.merchant(), **look)
    address = reverse("admin:payments_appearance_preview", args=[appearance.pk])
    page = staff_client("view_appearance").get(address)
    assert "--accent:#0b5d4e" in page.text
    assert "style-src 'self' 'nonce-" in page.headers["content-security-policy"]
    assert "12,50\N{NO-BREAK SPACE}€ bezahlen" in page.text
    assert "help@shop.example" in page.text


def test_only_staff_who_may_view_an_appearance_see_its_preview(staff_client):
    appearance = Appearance.objects.create(merchant=rows.merchant())
    address = reverse("admin:payments_appearance_preview", args=[appearance.pk])
    assert staff_client("view_payment").get(address).status_code == 403
