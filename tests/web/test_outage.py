"""The back office, the shop and the pages of payments while the database is down, and after an error."""

import pytest
from django.core.handlers.exception import convert_exception_to_response
from django.db import IntegrityError, InterfaceError, OperationalError
from django.test import Client, RequestFactory
from django.urls import include, path

from checkout.web.views.errors import server_error
from payments_gateway.urls import urlpatterns as product


def fail(request, error, reference=""):
    raise {"away": OperationalError, "closed": InterfaceError, "mistake": IntegrityError}[error]


urlpatterns = [
    path("fail/<error>/", fail),
    path("fail/<error>/of/<reference>/", fail),
    path("staff/", include(([path("fail/<error>/", fail)], "admin"), namespace="staff")),
    *product,
]
handler500 = server_error

PAYMENT = f"pay_{'0' * 32}"
DO_NOT_PAY_AGAIN = "do not pay again before you have seen where your payment stands"


@pytest.fixture
def client(settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("error", ["away", "closed"])
def test_a_database_that_is_away_is_a_reason_to_come_again(client, error):
    answer = client.get(f"/fail/{error}/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert b"<h1>Not available right now</h1>" in answer.content


@pytest.mark.parametrize("error", ["away", "mistake"])
def test_a_shopper_who_may_have_paid_is_led_to_where_the_payment_stands(client, error):
    page = client.get(f"/fail/{error}/of/{PAYMENT}/").content.decode()
    assert f'href="/checkout/{PAYMENT}/"' in page
    assert "Nothing is lost" not in page
    assert (DO_NOT_PAY_AGAIN in page) == (error == "mistake")


def test_staff_and_programs_read_of_a_mistake_without_the_sentence_for_shoppers(client):
    staff = client.get("/staff/fail/mistake/").content.decode()
    assert ("This is our fault." in staff, DO_NOT_PAY_AGAIN in staff) == (True, False)
    program = client.get("/fail/mistake/", headers={"accept": "application/json"})
    assert program.json()["detail"] == "This is our fault."


def test_a_mistake_of_ours_is_not_taken_for_an_outage(client):
    assert client.get("/fail/mistake/").status_code == 500


@pytest.mark.parametrize(("error", "status"), [(OperationalError("gone"), 503), (KeyError("a mistake"), 500)])
def test_a_database_that_goes_away_behind_the_view_is_told_apart_from_a_mistake_of_ours(error, status):
    @convert_exception_to_response
    def session_middleware(_request):
        raise error

    response = session_middleware(RequestFactory().get("/"))
    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status == 503)
