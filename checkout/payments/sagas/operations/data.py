"""The data of the sagas of operations, and the names of their steps."""

from enum import StrEnum

from checkout.messages import Body
from checkout.payments.sagas.definition import Decision


class At(StrEnum):
    """The steps of an operation's saga, besides the first one, which is named after the operation's kind.

    These names are stored in the rows of sagas, so a name never changes.
    """

    AWAIT_PROVIDER = "await_provider"
    INQUIRE = "inquire"
    CONFLICTED = "conflicted"
    FINISHED = "finished"
    REFUSED = "refused"


# The steps at which the operation's outcome is not known yet, besides the first step of each kind.
UNTOLD = (At.AWAIT_PROVIDER, At.INQUIRE, At.CONFLICTED)


class OperationData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of the saga of one operation.

    ``inquiries`` counts the inquiries without result, ``tries`` the requests without result, ``denials``
    those of these requests that the provider has answered, and ``undecided`` the answers that do not show
    whether the request arrived. ``is_booked`` means that the ledger has got the outcome, ``is_included`` that
    the capture was requested with the authorisation, ``is_doubted`` that a notification contradicts the
    operation, and the provider has confirmed neither yet. ``returns`` counts how often the outcome was booked
    back.
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
