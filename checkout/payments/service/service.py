"""The service object that the handlers of this package register with."""

from checkout.payments.sagas.open_questions import require_open_question
from checkout.service import Service

service = Service("payments", admit=require_open_question, records_last=True)
