"""Events are CloudEvents, as the public SDK reads and writes them."""

import time
from datetime import UTC, datetime

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import amqp
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as PublicEvent
from msgspec.structs import replace

from messaging.cloud_events import CloudEvent, read
from messaging.envelope import EVENT_HEADERS, Envelope
from messaging.errors import MalformedMessage
from messaging.topology import Topology

MADE = CloudEvent(
    type="parcel.sent",
    source="/post",
    data={"weight": 7},
    subject="parcel_1",
    id="evt_1",
    time=datetime(2026, 11, 28, 9, 30, 0, 125_000, tzinfo=UTC),
    sequence=12,
    audience="shop",
)


def by_sdk(envelope: Envelope) -> BaseCloudEvent:
    """Return the event as the SDK understands the message."""
    properties = {"content-type": envelope.content_type}
    message = amqp.AMQPMessage(properties, dict(envelope.headers), envelope.body)
    return amqp.from_binary(message, JSONFormat(), PublicEvent)


def from_sdk(event: PublicEvent) -> Envelope:
    """Return a message as the SDK writes it, with the properties that our contract requires."""
    message = amqp.to_binary(event, JSONFormat())
    return Envelope(
        type=event.get_type(),
        message_id=event.get_id(),
        content_type=message.properties["content-type"],
        headers=message.application_properties,
        body=message.application_data,
    )


def test_the_sdk_reads_what_we_write() -> None:
    event = by_sdk(MADE.envelope())
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "evt_1",
        "type": "parcel.sent",
        "source": "/post",
        "subject": "parcel_1",
        "time": MADE.time,
        "sequence": "0000000012",
        "audience": "shop",
        "datacontenttype": "application/json",
    }
    assert event.get_data() == {"weight": 7}


def test_we_read_what_the_sdk_writes() -> None:
    """The SDK uses the other prefix, and writes the time as a number."""
    event = PublicEvent(
        {
            "type": "parcel.sent",
            "source": "/post",
            "id": "evt_1",
            "subject": "parcel_1",
            "time": MADE.time,
            "sequence": "0000000012",
            "audience": "shop",
            "datacontenttype": "application/json",
        },
        {"weight": 7},
    )
    assert replace(read(from_sdk(event)), data=MADE.data) == MADE


def test_we_read_what_we_write_with_either_prefix() -> None:
    sent = MADE.envelope()
    other = {name.replace(*EVENT_HEADERS): value for name, value in sent.headers.items()}
    assert sorted(other) != sorted(sent.headers)
    for envelope in (sent, replace(sent, headers=other)):
        assert read(envelope) == replace(MADE, data=b'{"weight":7}')


def test_an_event_without_optional_attributes_has_no_empty_ones() -> None:
    plain = CloudEvent(type="parcel.sent", source="/post", data={})
    names = {name for name in plain.envelope().headers if name.startswith(EVENT_HEADERS)}
    assert names == {f"cloudEvents:{name}" for name in ("specversion", "id", "type", "source", "time")}
    assert read(plain.envelope()).sequence == 0


def test_sequences_are_in_order_as_texts() -> None:
    texts = [
        str(replace(MADE, sequence=number).envelope().headers["cloudEvents:sequence"])
        for number in (1, 2, 9, 10, 99, 100, 2_000_000_000)
    ]
    assert texts == sorted(texts)


def test_the_routing_key_ends_with_the_audience_if_there_is_one() -> None:
    topology = Topology("post")
    assert MADE.routing_key(topology) == "parcel.sent.shop"
    assert replace(MADE, audience="").routing_key(topology) == "parcel.sent"


def test_the_attributes_belong_to_the_event_and_do_not_travel_on() -> None:
    envelope = MADE.envelope({"baggage": "kept", "traceparent": "00-1"})
    assert envelope.travelling_headers() == {"baggage": "kept", "traceparent": "00-1"}


def test_a_time_without_an_offset_is_utc_wherever_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of another project has a time zone of its own."""
    sent = MADE.envelope()
    headers = {**sent.headers, "cloudEvents:time": "2026-11-28T09:30:00.125"}
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        event = read(replace(sent, headers=headers))
    time.tzset()
    assert event.time == MADE.time


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("id", "evt_2"),
        ("id", ""),
        ("type", "parcel.lost"),
        ("source", ""),
        ("time", "yesterday"),
        ("time", 10**18),
        ("sequence", "-1"),
        ("sequence", "twelve"),
        ("sequence", "9" * 50),
    ],
)
def test_what_is_no_event_is_malformed(name: str, value: str | int) -> None:
    sent = MADE.envelope()
    with pytest.raises(MalformedMessage):
        read(replace(sent, headers={**sent.headers, f"cloudEvents:{name}": value}))


def test_an_event_whose_data_is_not_json_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="text/plain"):
        read(replace(MADE.envelope(), content_type="text/plain"))
