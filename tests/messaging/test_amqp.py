"""Addresses of brokers."""

import ssl

import pika
import pytest

from checkout.messaging.amqp import connection_parameters


def test_an_address_is_taken_apart():
    parameters = connection_parameters("amqp://us%40er:p%2Fw@broker.example:5673/shop%2Fone", "name")
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("broker.example", 5673, "shop/one")
    assert isinstance(parameters.credentials, pika.PlainCredentials)
    assert (parameters.credentials.username, parameters.credentials.password) == ("us@er", "p/w")
    assert parameters.heartbeat == 10
    assert parameters.tcp_options is not None
    assert parameters.tcp_options["TCP_USER_TIMEOUT"] == 8000
    assert parameters.ssl_options is None


@pytest.mark.parametrize("path", ["", "/", "/%2F"])
def test_the_usual_virtual_host_may_be_left_out(path: str):
    assert connection_parameters(f"amqp://localhost{path}", "name").virtual_host == "/"


def test_amqps_verifies_certificate_and_host():
    parameters = connection_parameters("amqps://broker.example/", "name")
    assert parameters.port == 5671
    options = parameters.ssl_options
    assert options is not None
    assert options.server_hostname == "broker.example"
    assert options.context.verify_mode is ssl.CERT_REQUIRED
    assert options.context.check_hostname
    assert options.context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_any_other_scheme_is_refused():
    with pytest.raises(ValueError, match="amqp"):
        connection_parameters("http://localhost/", "name")
