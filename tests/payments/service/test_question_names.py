"""The correlation id of a saga's command cannot be guessed, and stays the same in repetitions."""

import re

import msgspec
import pytest

from checkout.payments import service as payments
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, Saga, SagaStep
from checkout.payments.sagas.service import service
from messaging.envelope import Envelope, Reply, encode_body, new_message_id
from messaging.worker.service import NotEntitled, Obsolete
from tests.payments.service.delivering import admit, command, deliver
from tests.payments.service.replying import answered, deliver_reply

pytestmark = pytest.mark.django_db
RANDOM = re.compile(r"\b[0-9a-f]{32}$")


@pytest.fixture
def submission(attempt: Attempt) -> Envelope:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    return command(body, sealed="approve")


@pytest.fixture
def saga(submission: Envelope) -> Saga:
    deliver(service, submission)
    return Saga.objects.get()


def test_a_reply_to_a_name_that_can_be_counted_moves_nothing(saga):
    for guess in (f"{saga.pk}::{saga.step}:{saga.version}", f"{saga.pk}::risk:", f"{saga.pk}::risk:{0:032x}"):
        envelope = Envelope(
            type="reply",
            body=Reply.success({"decision": "accept"}).encode(),
            message_id=new_message_id(),
            correlation_id=guess,
        )
        assert deliver_reply(envelope).commands == []
        saga.refresh_from_db()
        assert saga.step == "assess_risk"


def test_every_question_has_random_bits_of_its_own(saga):
    answered(saga, decision="accept")
    names = SagaStep.objects.values_list("correlation_id", flat=True)
    found = {match[0] for name in names if (match := RANDOM.search(name))}
    assert len(names) == len(found) == 2


def test_a_question_has_the_deadline_of_its_step(saga, submission):
    again = deliver(service, submission)
    [asked] = [envelope for envelope in again.commands if envelope.type == "risk.assess"]
    assert saga.deadline_at is not None
    assert asked.deadline == round(saga.deadline_at.timestamp() * 1000)


def test_a_question_that_is_published_again_after_a_crash_keeps_its_name(saga, submission):
    again = deliver(service, submission)
    [asked] = [envelope for envelope in again.commands if envelope.type == "risk.assess"]
    assert asked.correlation_id == saga.awaiting


def test_a_program_that_learns_the_name_of_an_open_question_can_only_repeat_it(saga):
    asked = asked_to_authorise(saga)
    admit(payments.service, asked)
    body = msgspec.json.decode(asked.body)
    body["attempt"] = "another"
    with pytest.raises(NotEntitled, match="its saga has asked for another"):
        admit(payments.service, msgspec.structs.replace(asked, body=encode_body(body)))


def test_the_same_words_cannot_be_sent_as_another_command(saga):
    asked = asked_to_authorise(saga)
    with pytest.raises(NotEntitled, match=r"has asked for this payments\.abandon"):
        admit(payments.service, msgspec.structs.replace(asked, type="payments.abandon"))


def test_a_question_for_whose_answer_its_saga_waits_no_more_is_not_carried_out(saga):
    asked = asked_to_authorise(saga)
    answered(saga, outcome="refused", refusal_reason="card_invalid")
    with pytest.raises(Obsolete):
        admit(payments.service, asked)


def test_a_question_whose_digest_is_missing_is_not_taken_for_asked(saga):
    asked = asked_to_authorise(saga)
    SagaStep.objects.update(body_sha256="")
    with pytest.raises(NotEntitled, match="its saga has asked for another"):
        admit(payments.service, asked)


def asked_to_authorise(saga: Saga) -> Envelope:
    answered(saga, decision="accept")
    saga.refresh_from_db()
    [asked] = answered(saga, reserved=True, missing=[]).commands
    assert asked.type == "payments.authorise"
    return asked
