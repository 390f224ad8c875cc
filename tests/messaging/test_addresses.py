"""Addresses of brokers with one node and with several."""

import ssl
import traceback

import pika
import pytest

from messaging.rabbitmq.connection.addresses import Node, connection_parameters, in_order, nodes_of

CLUSTER = "amqp://user:pass%40word@rabbit-1.eu-1a,rabbit-2.eu-1b:5673/shop"


def test_an_address_is_taken_apart():
    (parameters,) = connection_parameters("amqp://us%40er:p%2Fw@broker.example:5673/shop%2Fone", "name")
    assert (parameters.host, parameters.port, parameters.virtual_host) == ("broker.example", 5673, "shop/one")
    assert isinstance(parameters.credentials, pika.PlainCredentials)
    assert (parameters.credentials.username, parameters.credentials.password) == ("us@er", "p/w")
    assert parameters.heartbeat == 10
    assert parameters.tcp_options is not None
    assert parameters.tcp_options["TCP_USER_TIMEOUT"] == 8000
    assert parameters.ssl_options is None


@pytest.mark.parametrize("path", ["", "/", "/%2F"])
def test_the_usual_virtual_host_may_be_left_out(path: str):
    assert connection_parameters(f"amqp://localhost{path}", "name")[0].virtual_host == "/"


def test_amqps_verifies_certificate_and_host():
    (parameters,) = connection_parameters("amqps://broker.example/", "name")
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


def test_the_address_of_a_cluster_has_several_nodes_each_with_its_port():
    nodes = nodes_of(CLUSTER)
    assert nodes == (Node("rabbit-1.eu-1a", 5672), Node("rabbit-2.eu-1b", 5673))
    assert nodes_of("amqps://a,b:1/")[0].port == 5671
    parameters = connection_parameters(CLUSTER, "name")
    assert {(each.host, each.port) for each in parameters} == {(node.host, node.port) for node in nodes}
    assert {each.virtual_host for each in parameters} == {"shop"}
    assert {vars(each.credentials)["password"] for each in parameters} == {"pass@word"}


def test_processes_are_spread_over_the_nodes_of_their_zone_first():
    nodes = nodes_of("amqp://a-1.east,a-2.east,b-1.west,b-2.west/")
    orders = [in_order(nodes, "west") for _ in range(200)]
    assert all({node.host for node in order[:2]} == {"b-1.west", "b-2.west"} for order in orders)
    assert {order[0].host for order in orders} == {"b-1.west", "b-2.west"}
    assert {order[2].host for order in orders} == {"a-1.east", "a-2.east"}
    assert {order[0] for order in (in_order(nodes) for _ in range(200))} == set(nodes)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("amqp://localhost:many/", "port"),
        ("amqp://user:secret@rabbit-1,rabbit-2,/", "no host"),
        ("amqp://user:secret@rabbit-1,:5673/", "no host"),
        ("amqp://user:secret/word@localhost/", "percent-encoded"),
        ("amqp://user:secret#word@localhost/", "percent-encoded"),
        ("amqp://user:secret?word@localhost/", "percent-encoded"),
        ("amqp://user:secret@[::1],127.0.0.1/", "IPv6"),
        ("amqp://user:secret[1@localhost/", "percent-encoded"),
        ("amqp://user:secret\u2100@localhost/", "percent-encoded"),
        ("amqp:/user:secret@localhost/", "amqp://"),
        ("amqp://localhost/?heartbeat=3", "no .heartbeat="),
        ("amqps://localhost/?ca_file=ca.pem", "no .ca_file="),
        ("amqp://localhost/?cafile=ca.pem", "amqps://"),
        ("amqps://localhost/?cafile=no-such-file.pem", "cafile=no-such-file.pem"),
        (f"amqps://localhost/?certfile={__file__}", "certfile="),
    ],
)
def test_an_address_with_a_mistake_is_refused_and_its_password_not_repeated(address: str, reason: str):
    with pytest.raises(ValueError, match=reason) as refusal:
        connection_parameters(address, "name")
    assert "secret" not in "".join(traceback.format_exception(refusal.value))
