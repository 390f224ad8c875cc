"""The crash points of the checkout, in addition to those of messaging (``messaging.crash_points``)."""

from messaging import crash_points

crash_points.define(
    "web.intent_committed",  # the command is in the outbox, and not published yet
    "web.notification_stored",  # a notification is in the database, and not acknowledged yet
    "payments.intent_committed",  # the next step is a call to a provider
    "payments.answered",  # the provider has answered, and the answer is not committed yet
    "timers.committed",  # the changes of a timer are committed, and its round has not ended
)
