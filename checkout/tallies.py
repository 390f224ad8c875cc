"""Numbers about payments that this process counts (``messaging.tallies``)."""

from messaging.tallies import Tally, Times

# The last bound is a day, because a merchant's program may be unavailable for so long.
_LAG_BOUNDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 21_600.0, 86_400.0)

steps = Tally("flow_steps", "Steps that flows have taken.", "kind", "step", "status")
provider_calls = Times(
    "provider_call_seconds", "Time of requests to providers, by their outcome.", "account", "verb", "outcome"
)
webhook_attempts = Times("webhook_attempt_seconds", "Time of attempts to send a webhook.", "outcome")
webhook_lags = Times(
    "webhook_lag_seconds", "Time from an event to its confirmed webhook.", bounds=_LAG_BOUNDS
)
pushes = Tally("pushes", "States sent to pages over WebSockets.")
