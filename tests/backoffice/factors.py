"""Second factors of staff, and the codes that their apps show."""

from base64 import b32decode

from django_otp.oath import totp

from checkout.backoffice.log_in.second_factor.models import AuthenticatorApp


def give_factor(user, secret=b"a secret of 20 bytes"):
    """Set up an authenticator app for ``user``, and return it."""
    app = AuthenticatorApp.of(user, secret, -1)
    app.save()
    return app


def code_of(user):
    """Return the code that the user's app shows now."""
    return f"{totp(AuthenticatorApp.objects.get(user=user).secret()):06}"


def code_shown(page):
    """Return the code of an app that has scanned the image on the page for a new device."""
    return f"{totp(b32decode(page.context['secret'].replace(' ', ''))):06}"
