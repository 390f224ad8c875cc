"""The void: it releases an authorisation of which nothing was captured. No money moves, nothing is booked.

When it is done it signals the purchase, which gives the stock back, or cancels an order that was confirmed.
"""

from checkout import commands
from checkout.sagas.operation import OperationData, OperationSaga


class Void(OperationSaga):
    """The definition of the void saga."""

    kind = "void"

    def command(self, data: OperationData) -> commands.VoidPayment:
        return commands.VoidPayment(payment=data.payment, attempt=data.attempt, operation=data.operation)
