"""The moves that a payment may make: from one state to the state in its next event."""

from checkout.states import COUNTED, HOLDING, PAYMENT_EDGES, PaymentState

_EDGES = {(source, edge.target) for edge in PAYMENT_EDGES for source in edge.sources}
_HELD = {source for edge in PAYMENT_EDGES if edge.event in HOLDING for source in edge.sources}
_FROM_HELD = {
    edge.target for edge in PAYMENT_EDGES if edge.event in COUNTED and PaymentState.AUTHORISED in edge.sources
}
# A payment whose money is held goes on, in the same move, to the state that its operations' sums determine.
MOVES = _EDGES | {(source, target) for source in _HELD for target in _FROM_HELD}
