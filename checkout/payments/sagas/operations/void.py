"""The void: it releases an authorisation of which nothing was captured. No money moves, nothing is booked.

When it is done it signals the purchase, which gives the stock back, or cancels an order that was confirmed.
"""

from checkout.payments.messages import VoidPayment
from checkout.payments.sagas.operations.flow import OperationSaga


class Void(OperationSaga):
    """The definition of the void saga."""

    kind = "void"
    asks = VoidPayment
