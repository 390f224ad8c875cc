"""The moves that a payment may make: from a state, and to the state that its next event tells."""

from checkout.states import COUNTED, HOLDING, PAYMENT_EDGES, PaymentState

_EDGES = {(source, edge.target) for edge in PAYMENT_EDGES for source in edge.sources}
_HELD = {source for edge in PAYMENT_EDGES if edge.event in HOLDING for source in edge.sources}
_FROM_HELD = {
    edge.target for edge in PAYMENT_EDGES if edge.event in COUNTED and PaymentState.AUTHORISED in edge.sources
}
# A payment whose money is held goes on to the state of its operations' sums in the same move.
MOVES = _EDGES | {(source, target) for source in _HELD for target in _FROM_HELD}
