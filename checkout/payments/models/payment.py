"""Payments and their rows: merchant, provider account, attempt, operation, fact."""

import re
from datetime import timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.json import KT
from django.db.models.functions import Upper
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.providers.base import Account, EventKind
from checkout.payments.providers.proof import PREFIX
from checkout.payments.providers.registry import account_errors
from checkout.references import new_reference
from checkout.states import HOLDING, Actor, AttemptState, PaymentState, attempt_machine, payment_machine
from messaging.compiled_queries import update_in_batch

# The longest that a page or poll waits for the changes of a payment (``group_expiry`` of the channel layer).
WATCH = timedelta(days=1)
_IS_OFFSET = re.compile(r"-?[0-9]{1,4}")
# The time zones of the world: local time is up to 14 hours ahead of UTC, and up to 12 hours behind it.
_OFFSETS = range(-840, 721)


def _payment_reference() -> str:
    return new_reference("pay")


def _operation_reference() -> str:
    return new_reference("op")


class Merchant(models.Model):
    """The owner of payments and provider accounts. It sees only its own."""

    class AttackMode(models.TextChoices):
        AUTOMATIC = "automatic"
        ON = "on"
        OFF = "off"

    code = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    return_origins = models.JSONField(
        default=list, blank=True, help_text="Origins that a payment's return URL may have"
    )
    attack_mode = models.CharField(
        max_length=10,
        choices=AttackMode.choices,
        default=AttackMode.AUTOMATIC,
        help_text="When cards are challenged and new addresses slowed: automatic is after many declines",
    )
    attacked_until = models.DateTimeField(
        null=True, blank=True, help_text="The end of the attack mode that many declines have begun"
    )
    is_live = models.BooleanField(
        default=False,
        help_text="Its payments are real: its programs use live keys, otherwise test keys",
    )

    class Meta:
        permissions: ClassVar = [("protect_merchant", "Can set the attack mode of merchants")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_under_attack(self) -> bool:
        """True while every attempt is challenged and clients with new addresses are slowed."""
        if self.attack_mode != self.AttackMode.AUTOMATIC:
            return self.attack_mode == self.AttackMode.ON
        return self.attacked_until is not None and self.attacked_until > timezone.now()


class ProviderAccount(models.Model):
    """A merchant's account with a provider. Secrets come from the environment, by ``code``."""

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="provider_accounts")
    code = models.SlugField(unique=True, help_text="Names the notification address and the credentials")
    provider = models.SlugField(help_text="Which adapter speaks to it, for example worldpay_wpg")
    merchant_code = models.CharField(max_length=100, help_text="The provider's name for the merchant")
    endpoint = models.URLField()
    options = models.JSONField(default=dict, blank=True)
    accepted_brands = models.JSONField(
        default=list, blank=True, help_text="The card brands that the form names; none if all are accepted"
    )

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """Refuse addresses that no provider may have (``checkout.payments.providers.addresses``)."""
        faults: dict[str, list[str]] = {}
        for field, fault in account_errors(self.provider, self.endpoint, self.options):
            faults.setdefault(field, []).append(fault)
        if faults:
            raise ValidationError(faults)

    def opened(self) -> Account:
        """Return the account with its credentials. Raises ``ProviderMisconfigured`` if there are none.

        Credentials that prove notifications are left out, because no adapter needs them.
        """
        credentials = conf.provider_credentials(self.code)
        return Account(
            code=self.code,
            provider=self.provider,
            merchant_code=self.merchant_code,
            endpoint=self.endpoint,
            credentials={name: value for name, value in credentials.items() if not name.startswith(PREFIX)},
            options=self.options,
        )


class Payment(models.Model):
    """The payment for one order: the amount owed, and the state that it has reached."""

    State = PaymentState

    class AnswerTier(models.TextChoices):
        """The way in which a result reaches the shopper (see docs/architecture.md)."""

        HELD = "held"
        PUSHED = "pushed"
        POLLED = "polled"

    reference = models.CharField(max_length=40, unique=True, default=_payment_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="payments")
    order_reference = models.CharField(max_length=100, help_text="The merchant's own order number")
    description = models.CharField(max_length=50)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    lines = models.JSONField(default=list, blank=True, help_text="What was ordered: sku and quantity")
    customer_reference = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="The merchant's own id of its customer",
    )
    shopper_email = models.EmailField(blank=True)
    return_url = models.CharField(max_length=500, blank=True)
    cancel_url = models.CharField(max_length=500, blank=True)
    locale = models.CharField(
        max_length=35, blank=True, help_text="The language of the shopper's pages (BCP 47)"
    )
    metadata = models.JSONField(default=dict, blank=True, help_text="The merchant's own names and values")
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="After this moment no attempt starts, and the unpaid payment expires"
    )
    captures_automatically = models.BooleanField(default=True)
    made_with = models.JSONField(default=dict, blank=True, help_text="Its link or saved card")
    is_rest_released = models.BooleanField(
        default=False, help_text="The provider has released what was not captured"
    )
    held_since = models.DateTimeField(null=True, blank=True, help_text="When it was authorised first")
    state = models.CharField(
        max_length=30, default=PaymentState.OPEN, choices=[(s.value, s.value) for s in PaymentState]
    )
    refusal_reason = models.CharField(max_length=50, blank=True)
    at_risk_minor = models.PositiveBigIntegerField(
        default=0, help_text="What disputes claim that are known, and neither booked nor denied yet"
    )
    watched_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a page or poll began to wait for its changes"
    )
    answer_tier = models.CharField(
        max_length=6,
        choices=AnswerTier.choices,
        blank=True,
        default="",
        editable=False,
        help_text="How the first result reached the shopper",
    )
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "order_reference"], name="one_payment_per_order"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payment_amount_is_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at"]),
            models.Index(fields=["state", "updated_at"]),
            models.Index(Upper("order_reference"), name="payments_by_order_number"),
            models.Index(Upper("shopper_email"), "merchant", models.F("id").desc(), name="payments_by_email"),
            models.Index(fields=["amount_minor", "merchant", "-id"], name="payments_by_amount"),
            models.Index(fields=["merchant", "customer_reference", "-id"], name="payments_of_customer"),
            models.Index(fields=["merchant", "-id"], name="payments_of_merchant"),
            models.Index(fields=["merchant", "state", "-id"], name="payments_by_state"),
            models.Index(
                fields=["expires_at"],
                name="payments_to_expire",
                condition=models.Q(expires_at__isnull=False, state__in=["open", "refused"]),
            ),
        ]
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [
            ("request_capture", "Can capture payments"),
            ("request_void", "Can void payments"),
            ("request_refund", "Can refund payments"),
            ("cancel_payment", "Can cancel payments that were not paid"),
            ("review_payment", "Can have the provider asked about conflicted payments"),
            ("accept_payment", "Can accept payments that were authorised without authentication"),
            ("note_payment", "Can leave notes about payments"),
            ("erase_payment", "Can erase the personal data of payments"),
            ("export_payment", "Can export lists of payments and other records as files"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def amount(self) -> Money:
        """The amount owed."""
        return Money(self.amount_minor, self.currency)

    @property
    def is_overdue(self) -> bool:
        """True if the payment was not paid in time: no attempt starts, and a timer will expire it."""
        is_late = self.expires_at is not None and self.expires_at <= timezone.now()
        return is_late and PaymentState(self.state).may_be_paid

    @property
    def may_be_cancelled(self) -> bool:
        """True if the payment can be cancelled. A running attempt may already be too far for this."""
        state = PaymentState(self.state)
        return state.may_be_paid or state.is_under_way

    @property
    def is_watched(self) -> bool:
        """True if a page or poll may be waiting for the payment's changes."""
        return self.watched_at is not None and self.watched_at > timezone.now() - 2 * WATCH

    def apply(self, event: str, actor: Actor, *, then: str = "", refusal_reason: str | None = None) -> None:
        """Move to the state that ``event`` leads to, and save. Raises ``IllegalTransition``.

        Call ``events.move_payment``, which records the event as well. With ``then``, the payment goes on by
        that event in the same move. ``version`` counts the moves. Without ``refusal_reason``, the reason of
        the last refusal stays.
        """
        self.state = payment_machine.next(self.state, event, actor)
        if then:
            self.state = payment_machine.next(self.state, then, Actor.SAGA)
        if refusal_reason is not None:
            self.refusal_reason = refusal_reason
        if event in HOLDING and self.held_since is None:
            self.held_since = timezone.now()
        self.version += 1
        update_in_batch(self, "state", "version", "refusal_reason", "held_since")


# The conditions on attempts that were authorised although the shopper was not authenticated.
AUTHENTICATION_FAILED = models.Q(three_d_secure__status="failed")
UNAUTHENTICATED = AUTHENTICATION_FAILED & models.Q(state=AttemptState.AUTHORISED)


class Attempt(models.Model):
    """One try at paying, with one provider and one card."""

    State = AttemptState

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    provider_account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT)
    order_code = models.CharField(max_length=64, unique=True, help_text="The provider's name for this try")
    session_id = models.CharField(max_length=64)
    session_state = models.CharField(
        max_length=2_000, blank=True, help_text="What the provider wants back with the next message"
    )
    state = models.CharField(
        max_length=30, default=AttemptState.CREATED, choices=[(s.value, s.value) for s in AttemptState]
    )
    browser = models.JSONField(default=dict)
    device_data_reference = models.CharField(max_length=100, blank=True)
    demands_challenge = models.BooleanField(
        default=False,
        help_text="The issuer is to challenge the shopper: attack mode, or its own demand",
    )
    saves_card = models.BooleanField(
        default=False, help_text="The shopper wants the card saved for the next purchase"
    )
    language = models.CharField(
        max_length=5, blank=True, default="", help_text="The language of the pages on which it was made"
    )
    saved_card = models.ForeignKey(
        "SavedCard", on_delete=models.PROTECT, null=True, blank=True, related_name="attempts", db_index=False
    )
    merchant_initiated = models.CharField(
        max_length=12,
        blank=True,
        default="",
        help_text="Why a saved card is charged without the shopper",
    )
    capture_reference = models.CharField(
        max_length=40, blank=True, default="", help_text="Our name for an included capture"
    )
    challenge = models.JSONField(null=True, blank=True)
    challenge_count = models.PositiveSmallIntegerField(default=0)
    challenge_token_hash = models.CharField(max_length=64, blank=True, db_index=True)
    challenge_expires_at = models.DateTimeField(null=True, blank=True)
    called_off_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody wanted the payment cancelled during this try"
    )
    three_d_secure = models.JSONField(default=dict, blank=True)
    card = models.JSONField(default=dict, blank=True, help_text="Brand, last four digits, expiry")
    refusal_reason = models.CharField(max_length=50, blank=True)
    refusal_code = models.CharField(max_length=50, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "number"], name="attempts_are_numbered")
        ]
        indexes: ClassVar = [
            models.Index(KT("card__last4"), name="attempts_by_last_four"),
            models.Index(
                fields=["payment"], name="attempts_unauthenticated", condition=AUTHENTICATION_FAILED
            ),
        ]
        ordering: ClassVar = ["payment", "number"]

    def __str__(self) -> str:
        return self.order_code

    @property
    def minutes_behind_utc(self) -> int | None:
        """Minutes that the shopper's local time is behind UTC; None if the browser reported no real zone."""
        told = self.browser.get("time_zone", "")
        minutes = int(told) if _IS_OFFSET.fullmatch(told) else None
        return minutes if minutes in _OFFSETS else None

    def apply(self, event: str, actor: Actor) -> None:
        """Move to the state that ``event`` leads to, without saving. Raises ``IllegalTransition``.

        Call ``events.move_attempt``, which saves the attempt.
        """
        self.state = attempt_machine.next(self.state, event, actor)


# The name of the purchase as the requester of operations. It has a space, which no user's name may have.
PURCHASE = "the purchase"


class MerchantOfPayment(models.ForeignKey[Merchant, Merchant]):
    """A copy of the merchant of a row's payment, for indexes. It is filled in when the row is inserted."""

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """See ``Field``."""
        if add and model_instance.merchant_id is None:
            model_instance.merchant_id = model_instance.payment.merchant_id
        return super().pre_save(model_instance, add)


class Operation(models.Model):
    """One capture, void or refund, with its own reference, amount and outcome.

    A charge-back and its reversal are operations of the issuer: they are done before we learn of them.
    """

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        VOID = "void"
        REFUND = "refund"
        CHARGE_BACK = "charge_back", "charge-back"
        CHARGE_BACK_REVERSAL = "charge_back_reversal", "charge-back reversal"

    class State(models.TextChoices):
        REQUESTED = "requested"
        PENDING = "pending"
        DONE = "done"
        REFUSED = "refused"
        UNKNOWN = "unknown"

    reference = models.CharField(max_length=40, unique=True, default=_operation_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="operations")
    merchant = MerchantOfPayment(
        Merchant, on_delete=models.PROTECT, related_name="+", db_index=False, editable=False
    )
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="operations")
    kind = models.CharField(max_length=24, choices=Kind.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REQUESTED)
    idempotency_key = models.CharField(
        max_length=100, blank=True, help_text="A second request with the same key gets the same operation"
    )
    requested_by = models.CharField(
        max_length=150, blank=True, help_text="A user's name, the flow or the clock"
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why it was asked for")
    refusal_reason = models.CharField(max_length=50, blank=True)
    parked_reason = models.CharField(
        max_length=500, blank=True, default="", help_text="Why its flow waits for staff"
    )
    is_idle = models.BooleanField(
        default=False, help_text="Parked, and nothing of it can be at the provider: it reserves no money"
    )
    is_withdrawn = models.BooleanField(
        default=False, help_text="It never leaves us again, whatever becomes of it"
    )
    doubt = models.CharField(
        max_length=20, blank=True, default="", help_text="Why evidence speaks against it"
    )
    doubted_at = models.DateTimeField(null=True, blank=True, help_text="Since when evidence does")
    metadata = models.JSONField(default=dict, blank=True, help_text="The merchant's own names and values")
    is_final = models.BooleanField(
        default=False, help_text="A capture after which nothing more may be captured"
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="operation_amount_is_positive"
            ),
            models.UniqueConstraint(
                fields=["payment", "idempotency_key"],
                condition=~models.Q(idempotency_key=""),
                name="one_operation_per_idempotency_key",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["kind", "-created_at"], name="operations_by_kind"),
            models.Index(fields=["merchant", "-id"], name="operations_of_merchant"),
            models.Index(fields=["merchant", "kind", "state", "-id"], name="operations_by_state"),
            models.Index(
                fields=["payment"],
                name="operations_without_end",
                condition=models.Q(state__in=["requested", "pending", "unknown"]),
            ),
        ]
        ordering: ClassVar = ["created_at"]
        permissions: ClassVar = [
            ("settle_operation", "Can say what became of an operation or of what the provider reported"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_of_purchase(self) -> bool:
        """True if the purchase itself captures or releases."""
        return self.requested_by == PURCHASE

    @property
    def amount(self) -> Money:
        """The amount of the operation."""
        return Money(self.amount_minor, self.currency)


# Prefixes of the kinds of facts that record proven statements, and hints.
NOTIFIED, HINTED = "notified_", "hinted_"
# The facts that record staff's decisions: on an operation, on a notification's claim, on an attempt's
# figures.
OPERATION_SETTLED, CLAIM_SETTLED = "operation_settled_by", "claim_settled_by"
PAYMENT_SETTLED = "payment_settled_by"
# The condition on facts of proven events that move no money, such as steps of a dispute.
OTHER_EVENT = models.Q(kind=f"{NOTIFIED}{EventKind.OTHER}")


class Fact(models.Model):
    """A record of something received or decided that has no event; ``text`` is scrubbed.

    Facts are append-only, except that erasing a payment's personal data erases their texts.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="facts")
    attempt = models.ForeignKey(
        Attempt, on_delete=models.PROTECT, null=True, blank=True, related_name="facts"
    )
    source = models.CharField(max_length=10, choices=[(a.value, a.value) for a in Actor])
    kind = models.CharField(max_length=60)
    data = models.JSONField(default=dict, blank=True)
    text = models.TextField(blank=True)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["payment"], name="facts_of_other_events", condition=OTHER_EVENT)
        ]
        ordering: ClassVar = ["recorded_at", "pk"]

    def __str__(self) -> str:
        return f"{self.source}: {self.kind}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the fact. A fact that exists already is never changed."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)
