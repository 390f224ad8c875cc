"""The crash points of the checkout, beside those of messaging (``messaging.crash_points``)."""

from messaging import crash_points

crash_points.define(
    "web.intent_committed",  # the command is in the outbox, nothing is published
    "web.notification_stored",  # a notification is in the database, its sender has no acknowledgement
    "payments.intent_committed",  # a provider is about to be asked
    "payments.answered",  # the provider has answered, its answer is not committed
    "timers.committed",  # what a timer decided is committed, the round is not over
)
