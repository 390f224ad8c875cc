"""The service object that the handlers of this package register with."""

from checkout.messaging.service import Service

service = Service("payments")
