"""Events as CloudEvents 1.0 in binary mode: attributes are headers, and the body is the data.

The CloudEvents binding is for AMQP 1.0. ``docs/messages.md`` describes our mapping of it onto AMQP 0-9-1.
"""

from messaging.cloud_events.event import AUDIENCE, CloudEvent
from messaging.cloud_events.reading import attributes_of, read

__all__ = ["AUDIENCE", "CloudEvent", "attributes_of", "read"]
