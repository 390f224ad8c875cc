"""The service object that the handlers of this package register with."""

from checkout.messaging.service import Service
from checkout.services.questions import require_open_question

service = Service("payments", admit=require_open_question)
