"""Password hashing with the product's settings; other tests use a faster hasher."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from checkout.conf.published import DEVELOPMENT_PASSWORD
from payments_gateway import settings as product


def test_a_password_is_stored_as_its_scrypt_hash(settings):
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    stored = make_password("correct horse battery staple")
    assert identify_hasher(stored).algorithm == "scrypt"
    assert check_password("correct horse battery staple", stored)
    assert not check_password("correct horse battery Staple", stored)


@pytest.mark.parametrize(
    "password",
    [
        "elevenchar1",
        "password1234",
        "correct horse battery staple",
        "4711-0815-4711",
        "checkout-admin",
        "Checkout-Admin-2026",
        "Payments.Gateway.1",
        "P4yment5-G4teway-99",
        "Sunshine-2026!",
        "P@ssw0rd-123456",
        "annika.petersen-77",
        "pay.example-2026",
    ],
)
def test_a_short_common_or_guessable_password_is_not_taken(settings, password):
    settings.PUBLIC_URL = "https://pay.example"
    person = User(username="annika", last_name="Petersen")
    validators = get_password_validators(settings.AUTH_PASSWORD_VALIDATORS)
    with pytest.raises(ValidationError):
        validate_password(password, user=person, password_validators=validators)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple 9", "7c1f0e5a9b3d48c6", "twenty7payments-a-minute"]
)
def test_a_long_password_of_other_words_is_taken(settings, password):
    validators = get_password_validators(settings.AUTH_PASSWORD_VALIDATORS)
    validate_password(password, user=User(username="annika"), password_validators=validators)


@pytest.mark.django_db
def test_the_published_password_of_a_try_out_opens_no_other_installation(settings, rf):
    User.objects.create_superuser("admin", password=DEVELOPMENT_PASSWORD)
    for is_try_out in (True, False):
        settings.CHECKOUT_TRY_OUT = is_try_out
        known = authenticate(rf.get("/admin/login/"), username="admin", password=DEVELOPMENT_PASSWORD)
        assert (known is not None) == is_try_out
