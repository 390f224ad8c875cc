"""The URLs of the shop, the checkout, notifications and health checks."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from checkout.references import form_of
from checkout.web import notifications
from checkout.web.views import (
    cancellation,
    challenge,
    checkout,
    customer,
    errors,
    health,
    links,
    logos,
    returning,
    shop,
    status,
)


class PaymentReference(StringConverter):
    """The only valid form of a payment reference, so that no other text reaches the database."""

    regex = form_of("pay")


class ChallengeToken(StringConverter):
    """Base64url text of a length that a token may have."""

    regex = r"[\w-]{16,128}"


class CustomerToken(StringConverter):
    """A signed text of a length that a token of a customer session may have."""

    regex = r"[\w:-]{32,160}"


class SavedCardReference(StringConverter):
    """The only valid form of a saved card's reference."""

    regex = form_of("card")


class LogoName(StringConverter):
    """The digest and the type of an image."""

    regex = r"[0-9a-f]{64}\.(?:png|jpg)"


register_converter(CustomerToken, "customer_token")
register_converter(SavedCardReference, "card")
register_converter(LogoName, "logo")
register_converter(PaymentReference, "payment")
register_converter(ChallengeToken, "token")

app_name = "checkout"
urlpatterns = [
    path("", shop.shop, name="shop"),
    path("orders/<slug:order_reference>/", shop.order, name="order"),
    path("checkout/<payment:reference>/", checkout.checkout, name="checkout"),
    path("checkout/<payment:reference>/pay/", checkout.pay, name="pay"),
    path("checkout/<payment:reference>/cancel/", cancellation.give_up, name="give_up"),
    path("checkout/<payment:reference>/customer/<customer_token:token>/", customer.identify, name="identify"),
    path("checkout/<payment:reference>/cards/<card:card>/remove/", customer.remove_card, name="remove_card"),
    path("checkout/<payment:reference>/captcha/", checkout.captcha, name="captcha"),
    path("checkout/<payment:reference>/challenge/", challenge.challenge, name="challenge"),
    path(
        "checkout/<payment:reference>/challenge/return/<token:token>/",
        challenge.challenge_return,
        name="challenge_return",
    ),
    path("checkout/<payment:reference>/status/", status.status, name="status"),
    path("checkout/<payment:reference>/status.json", status.status_json, name="status_json"),
    path("checkout/<payment:reference>/return/", returning.return_to_shop, name="return_to_shop"),
    path("checkout/<payment:reference>/result/", status.result, name="result"),
    path("logos/<logo:name>", logos.logo, name="logo"),
    path("pay/<token:token>/", links.payment_link, name="payment_link"),
    path("pay/<token:token>/qr.svg", links.link_qr_code, name="link_qr_code"),
    path("notifications/<slug:account>/", notifications.receive, name="notifications"),
    path("notifications/<slug:account>/<str:secret>/", notifications.receive, name="proven_notifications"),
    re_path(r"^notifications/", errors.no_such_program_address),
    path("livez", health.live, name="live"),
    path("readyz", health.ready, name="ready"),
]
