"""Password hashing with the product's settings; other tests use a faster hasher."""

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from payments_gateway import settings as product


def test_a_password_is_stored_as_its_scrypt_hash(settings):
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    stored = make_password("correct horse battery staple")
    assert identify_hasher(stored).algorithm == "scrypt"
    assert check_password("correct horse battery staple", stored)
    assert not check_password("correct horse battery Staple", stored)


@pytest.mark.parametrize("password", ["elevenchars", "password1234"])
def test_a_short_or_common_password_is_not_taken(settings, password):
    validators = get_password_validators(settings.AUTH_PASSWORD_VALIDATORS)
    with pytest.raises(ValidationError):
        validate_password(password, password_validators=validators)
    validate_password("correct horse battery staple", password_validators=validators)
