"""The tables of rules for approval by a second member of staff, and of requests for it.

The tables of users are elsewhere, so a request has the key and the name of each user.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.models.payment import Merchant, Payment


class Matter(models.TextChoices):
    """The kinds of actions that may need a second member of staff."""

    MONEY = "money", "refunds and captures above an amount"
    SETTLEMENT = "settlement", "settling books"
    KEYS = "keys", "new API keys"
    ACCOUNTS = "accounts", "provider accounts"


class ApprovalRule(models.Model):
    """A kind of action of a merchant that a second member of staff must approve. Without rules, none is."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="approval_rules")
    matter = models.CharField(max_length=12, choices=Matter.choices)
    currency = models.CharField(
        max_length=3, blank=True, help_text="Of refunds and captures; empty for other matters"
    )
    above_minor = models.BigIntegerField(
        "above", default=0, help_text="The largest amount that one member of staff may move, in minor units"
    )

    class Meta:
        verbose_name = "rule of approval"
        verbose_name_plural = "rules of approval"
        ordering: ClassVar = ["merchant", "matter", "currency"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "matter", "currency"], name="a_matter_has_one_rule_of_approval"
            ),
            models.CheckConstraint(
                condition=(Q(matter=Matter.MONEY) & ~Q(currency=""))
                | (~Q(matter=Matter.MONEY) & Q(currency="")),
                name="only_money_has_a_currency",
            ),
            models.CheckConstraint(condition=Q(above_minor__gte=0), name="a_limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.get_matter_display()} {self.currency}".strip()

    @property
    def above(self) -> Money:
        """The largest amount that one member of staff may move alone."""
        return Money(self.above_minor, self.currency)


def _expiry() -> Any:
    return timezone.now() + conf.approval_lifetime


class ApprovalRequest(models.Model):
    """An action that a member of staff requests, and that another one has to approve.

    ``content`` has what is needed to carry the action out, and ``seen`` the state on which the requester's
    decision is based. If that has changed, the action is not carried out. ``key`` makes a form that is sent
    twice one request.

    A request that is approved is carried out in the same transaction and done, except for an API key: its
    secret is shown to the requester alone, who carries it out. The database refuses that a requester decides,
    that a request is decided after its time or a second time, and that a decided one is changed (PostgreSQL).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for approval"
        APPROVED = "approved", "approved, and not carried out yet"
        DONE = "done", "approved and done"
        DECLINED = "declined", "declined"
        WITHDRAWN = "withdrawn", "withdrawn by its requester"

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="approval_requests")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="approval_requests"
    )
    matter = models.CharField(max_length=12, choices=Matter.choices)
    action = models.CharField(max_length=20)
    what = models.CharField("what would happen", max_length=300)
    amount_minor = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    content = models.JSONField(default=dict)
    seen = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    key = models.CharField(max_length=100, unique=True)
    requested_by = models.CharField(max_length=150)
    requested_by_user = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=_expiry)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_by_user = models.BigIntegerField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.CharField("reason of the decision", max_length=300, blank=True)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        permissions: ClassVar = [
            ("approve_money", "Can approve refunds, captures and settlements of others"),
            ("approve_configuration", "Can approve API keys and provider accounts of others"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                name="requests_for_approval",
                condition=Q(state__in=["waiting", "approved"]),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(decided_by_user=None) | ~Q(decided_by_user=F("requested_by_user")),
                name="nobody_approves_for_oneself",
            ),
            models.CheckConstraint(
                condition=(Q(state__in=["waiting", "withdrawn"]) & Q(decided_by_user=None))
                | (
                    Q(state__in=["approved", "done", "declined"])
                    & Q(decided_by_user__isnull=False)
                    & Q(decided_at__isnull=False)
                ),
                name="a_decision_has_its_decider",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "done"]) | Q(decided_at__lt=F("expires_at")),
                name="nothing_is_approved_after_its_time",
            ),
        ]

    def __str__(self) -> str:
        return self.what

    @property
    def amount(self) -> Money | None:
        """The money that would move; None if the action moves none."""
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)

    @property
    def is_expired(self) -> bool:
        """True if nobody has acted in time, so that the request can no longer be decided or carried out."""
        return self.state in (self.State.WAITING, self.State.APPROVED) and self.expires_at <= timezone.now()

    @property
    def is_waiting(self) -> bool:
        """True if the request can be decided."""
        return self.state == self.State.WAITING and not self.is_expired


def waiting_for_approval() -> Q:
    """Return the condition of requests that can be decided."""
    return Q(state=ApprovalRequest.State.WAITING, expires_at__gt=timezone.now())


def approved_and_not_done() -> Q:
    """Return the condition of requests that their requesters may carry out now."""
    return Q(state=ApprovalRequest.State.APPROVED, expires_at__gt=timezone.now())
