"""The risk service, which decides if an attempt to pay is accepted.

It checks block lists, a limit for the amount, and velocity: the number of attempts from one e-mail address or
IP address within the last hour. An IPv6 address counts as its /64 network. Concurrent assessments do not see
each other, so a limit may be exceeded by the number of assessments that run at the same time.
"""

import ipaddress
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from checkout.conf import conf
from checkout.conf.networks import identity_of
from checkout.mail import email_addresses
from checkout.privacy import pseudonyms
from checkout.risk.messages import AssessRisk, RiskAssessed, RiskDecision
from checkout.risk.models import BlockedValue, RiskAssessment
from checkout.service import Service
from messaging.compiled_queries import insert_in_batch
from messaging.worker.service import Message, require_proof

service = Service("risk", admit=require_proof, records_last=True)

VELOCITY_WINDOW = timedelta(hours=1)


@service.handles(AssessRisk)
def assess(command: AssessRisk, message: Message) -> RiskAssessed:
    """Accept or reject an attempt to pay, and store the decision with its reasons."""
    # Test cards cost nothing. If tests counted, anybody could block the owner of an e-mail address.
    email_hash = pseudonyms.of_email(command.email, is_test=command.is_test)
    ip_address = _ip_address(command.ip_address)
    reasons = [
        *_blocked(command, ip_address),
        *_too_large(command),
        *_too_often(email_hash, ip_address),
    ]
    decision = RiskDecision.REJECT if reasons else RiskDecision.ACCEPT
    assessment = RiskAssessment(
        payment_reference=command.payment,
        email_hash=email_hash,
        ip_address=ip_address,
        amount_minor=command.minor,
        currency=command.currency,
        decision=decision,
        reasons=reasons,
    )
    insert_in_batch(assessment)
    return RiskAssessed(decision=decision, reasons=reasons)


def _ip_address(text: str) -> str | None:
    """Return the address by which the shopper is counted; None if the text is not an address."""
    try:
        return identity_of(text)
    except ValueError:
        return None


def _blocked(command: AssessRisk, ip_address: str | None) -> list[str]:
    kinds = BlockedValue.Kind
    is_this_one = Q(pk=None)
    if command.email:
        is_this_one |= Q(kind=kinds.EMAIL, value=email_addresses.identity_of(command.email))
    if ip_address:
        is_this_one |= Q(kind=kinds.IP_ADDRESS, value=ip_address)
    found = BlockedValue.objects.filter(is_this_one).order_by("kind").values_list("kind", flat=True)
    return [f"{kind}_blocked" for kind in found.distinct()]


def _too_large(command: AssessRisk) -> list[str]:
    limit = conf.risk_amount_limits.get(command.currency)
    return ["amount_too_large"] if limit is not None and command.minor > limit else []


def _too_often(email_hash: str, ip_address: str | None) -> list[str]:
    recent = RiskAssessment.objects.filter(assessed_at__gt=timezone.now() - VELOCITY_WINDOW).order_by()
    reasons = []
    if email_hash:
        limit = conf.risk_payments_per_email
        if recent.filter(email_hash=email_hash)[limit - 1 : limit].exists():
            reasons.append("email_too_often")
    if ip_address and not ipaddress.ip_address(ip_address).is_loopback:
        limit = conf.risk_payments_per_ip_address
        if recent.filter(ip_address=ip_address)[limit - 1 : limit].exists():
            reasons.append("ip_address_too_often")
    return reasons
