"""The service object that the handlers of this package register with."""

from checkout.payments.sagas.open_questions import require_open_question
from messaging.worker.service import Service

service = Service("payments", admit=require_open_question)
