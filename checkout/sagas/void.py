"""The void: an authorisation of which nothing was captured is released. No money moves, nothing is booked.

The purchase hears when it is done, and gives the stock back: that is the end of an order that was confirmed.
"""

from checkout import commands
from checkout.sagas.operation import OperationData, OperationSaga


class Void(OperationSaga):
    """The definition of the void saga."""

    kind = "void"

    def command(self, data: OperationData) -> commands.VoidPayment:
        return commands.VoidPayment(payment=data.payment, attempt=data.attempt, operation=data.operation)
