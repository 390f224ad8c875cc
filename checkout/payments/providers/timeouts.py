"""The longest waits for a provider. The transport, which only the callers load, is a separate module."""

from checkout.payments.providers.base import Verb

CONNECT_SECONDS = 5.0
# GOV.UK Pay's measurements with Worldpay (alphagov/pay-connector, config.yaml): authorising has a median of
# 1.5 s and spikes to 80 s (10 and 20 s left too many outcomes unknown), cancel and refund 0.5 s, capture 0.2
# s. GOV.UK Pay waits 3 s for a capture and repeats it; we inquire after an unknown outcome, so a longer wait
# is cheaper for us.
READ_SECONDS = {
    Verb.AUTHORISE: 50.0,
    Verb.COMPLETE_CHALLENGE: 50.0,
    Verb.CAPTURE: 10.0,
    Verb.VOID: 10.0,
    Verb.REFUND: 10.0,
    Verb.INQUIRE: 10.0,
    Verb.LIST: 60.0,
    Verb.DELETE_TOKEN: 10.0,
}
