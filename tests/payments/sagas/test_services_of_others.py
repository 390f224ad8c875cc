"""The commands of a purchase contain everything that other implementations of our services need."""

from tests.payments.sagas.test_purchase import a_purchase


def test_services_of_others_are_told_what_they_need() -> None:
    about = {"merchant_code": "shop", "order_reference": "A-1"}
    receipt = {**about, "merchant": "The Shop", "locale": "de-AT", "description": "Tea", "lines": []}
    saga = a_purchase(**receipt, is_test=True).asks(
        "risk.assess", merchant_code="shop", attempt="pay_1-1", is_test=True
    )
    saga.answered(decision="accept").asks("orders.reserve", **about).answered(reserved=True)
    saga.answered(outcome="approved").told("capture_accepted").answered()
    saga.tells("notifications.send_receipt", **receipt, minor=1250, currency="EUR", attempt="pay_1-1")
