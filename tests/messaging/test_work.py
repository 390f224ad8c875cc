"""Lines of the log about a message that is handled."""

from messaging.envelope import Envelope, command_envelope
from messaging.logs import work
from messaging.worker.delivered_work import DeliveredWork

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKED = Envelope(
    type="greeter.greet",
    body=b"{}",
    message_id="1",
    headers={
        "subject": "greeting-1",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "baggage": "request_id=req_1, other=x,merchant=a shop",
    },
)


def test_a_line_names_message_subject_trace_and_request():
    assert DeliveredWork(ASKED).facts() == {
        "message_id": "1",
        "subject": "greeting-1",
        "trace_id": TRACE,
        "request_id": "req_1",
    }


def test_what_is_noted_meanwhile_travels_with_the_messages_that_it_causes():
    handling = DeliveredWork(ASKED)
    handling.note(merchant="shop")
    work.begin(handling)
    caused = command_envelope("greeter.wave", {})
    assert caused.headers["baggage"] == "request_id=req_1,merchant=shop"
    assert caused.headers["traceparent"] == ASKED.headers["traceparent"]


def test_a_message_without_any_of_it_is_handled_as_well():
    plain = DeliveredWork(Envelope(type="x", body=b"{}", message_id="2", headers={"traceparent": "strange"}))
    assert plain.facts() == {"message_id": "2"}
    assert plain.headers() == {"traceparent": "strange"}
