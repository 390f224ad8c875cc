"""The commands of the risk service, and their answers."""

from enum import StrEnum

from checkout.messages import Answer, Command


class RiskDecision(StrEnum):
    """The decision of the risk service about an attempt to pay."""

    ACCEPT = "accept"
    REJECT = "reject"


class RiskAssessed(Answer, frozen=True):
    decision: RiskDecision
    reasons: list[str] = []

    @property
    def says(self) -> RiskDecision:
        """The decision."""
        return self.decision


class AssessRisk(Command[RiskAssessed], frozen=True, forbid_unknown_fields=False):
    """Decide if an attempt to pay is accepted."""

    to = "risk.assess"
    is_open = True
    again = "assesses once per message"

    payment: str
    minor: int
    currency: str
    email: str = ""
    ip_address: str = ""
    attempt: str = ""
    merchant_code: str = ""
    is_test: bool = False
