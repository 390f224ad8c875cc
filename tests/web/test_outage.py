"""The back office and the shop while the database is down."""

import pytest
from django.core.handlers.exception import convert_exception_to_response
from django.db import IntegrityError, InterfaceError, OperationalError
from django.test import Client, RequestFactory
from django.urls import path

from payments_gateway.urls import urlpatterns as product


def fail(request, error):
    raise {"away": OperationalError, "closed": InterfaceError, "mistake": IntegrityError}[error]


urlpatterns = [path("fail/<error>/", fail), *product]


@pytest.fixture
def client(settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("error", ["away", "closed"])
def test_a_database_that_is_away_is_a_reason_to_come_again(client, error):
    answer = client.get(f"/fail/{error}/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert b"<h1>Not available right now</h1>" in answer.content


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
