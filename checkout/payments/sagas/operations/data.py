"""The data of the sagas of operations, and the names of their steps."""

from enum import StrEnum

from checkout.messages import Body
from checkout.payments.sagas.definition import Decision


class At(StrEnum):
    """The steps of an operation's saga, besides the first one, which has the name of its kind.

    Rows of sagas have these names, so a name is never changed.
    """

    AWAIT_PROVIDER = "await_provider"
    INQUIRE = "inquire"
    CONFLICTED = "conflicted"
    FINISHED = "finished"
    REFUSED = "refused"


# The steps, besides the first one of each kind, at which the operation's outcome is not known yet.
UNTOLD = (At.AWAIT_PROVIDER, At.INQUIRE, At.CONFLICTED)


class OperationData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of the saga of one operation.

    ``inquiries`` and ``tries`` count the questions and requests without result, ``denials`` those requests
    that the provider has answered, and ``undecided`` the answers that did not tell whether the operation
    arrived. ``is_booked`` means that the ledger was told the outcome, ``is_included`` that the provider was
    asked for it with the authorisation, ``is_doubted`` that a notification contradicts it, of which the
    provider has yet to say more. ``returns`` counts how often the outcome was booked back.
    """

    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str
    merchant_code: str = ""
    inquiries: int = 0
    tries: int = 0
    denials: int = 0
    undecided: int = 0
    is_included: bool = False
    is_accepted: bool = False
    is_booked: bool = False
    is_doubted: bool = False
    returns: int = 0


OperationDecision = Decision[OperationData]
