"""The table of saved cards, with the data that may be shown and the provider's token, encrypted."""

from datetime import datetime, timedelta, timezone as zone
from hashlib import sha256
from typing import ClassVar

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.payments.models.payment import Attempt, Merchant, Payment, ProviderAccount
from checkout.payments.providers.saved_cards import IssuedToken, KeptToken, MerchantInitiated, StoredCard
from checkout.privacy.stored_secrets import is_sealed_with_newest_key, open_secret, seal_secret
from checkout.references import new_reference

# The last time zone in which a day ends.
LATEST_ZONE = zone(timedelta(hours=-12))


def _card_reference() -> str:
    return new_reference("card")


class SavedCard(models.Model):
    """A card that the provider stores for a merchant's customer. The row has no card number in any form.

    The token is encrypted like other secrets. When the card is removed, the token can no longer be charged.
    It is kept as ``token_to_delete`` until the provider has deleted its own copy, and is then erased.
    ``deletion_due_at`` is the time of the next request for the deletion, ``deletion_tries`` the number of
    requests so far. It is None if there is nothing to delete, or if the deletion is left to staff.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        REMOVED = "removed"

    reference = models.CharField(max_length=40, unique=True, default=_card_reference, editable=False)
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="saved_cards", db_index=False
    )
    customer_reference = models.CharField(max_length=64, help_text="The merchant's own id of its customer")
    provider_account = models.ForeignKey(
        ProviderAccount, on_delete=models.PROTECT, related_name="saved_cards"
    )
    shopper = models.CharField(
        max_length=64, help_text="The name under which the provider knows the customer"
    )
    sealed_token = models.TextField(blank=True)
    token_hash = models.CharField(max_length=64, help_text="A keyed hash by which the same token is known")
    scheme_transaction = models.CharField(
        max_length=56, blank=True, help_text="The card scheme's name of the payment that saved the card"
    )
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4)
    expiry = models.CharField(max_length=7, help_text="MM/YYYY, as printed on the card")
    valid_until = models.DateField(null=True, blank=True, help_text="The last day of the token")
    payment = models.ForeignKey(
        Payment,
        on_delete=models.PROTECT,
        related_name="saved_cards",
        help_text="With which it was saved last",
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.CharField(max_length=150, blank=True)
    token_to_delete = models.TextField(blank=True, default="")
    deletion_due_at = models.DateTimeField(null=True, blank=True)
    deletion_tries = models.PositiveSmallIntegerField(default=0)
    deletion_asked_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider said that it has no such token any more"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider_account", "token_hash"],
                condition=models.Q(state="active"),
                name="one_active_card_per_token",
            ),
            models.CheckConstraint(
                condition=models.Q(state="active") | models.Q(sealed_token=""),
                name="removed_card_has_no_token",
            ),
            models.CheckConstraint(
                condition=models.Q(state="removed") | models.Q(token_to_delete=""),
                name="active_card_keeps_its_token",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["customer_reference", "merchant", "-id"], name="cards_of_customer"),
            models.Index(fields=["token_hash"], name="cards_of_token"),
            models.Index(
                fields=["deletion_due_at"],
                condition=models.Q(deletion_due_at__isnull=False),
                name="tokens_to_delete",
            ),
        ]
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [("remove_savedcard", "Can remove saved cards")]

    def __str__(self) -> str:
        return self.reference

    @classmethod
    def of(cls, attempt: Attempt, issued: IssuedToken) -> "SavedCard":
        """Return a new, unsaved row for the card of an authorised attempt that the shopper wants to save."""
        payment = attempt.payment
        card = cls(
            merchant_id=payment.merchant_id,
            customer_reference=payment.customer_reference,
            provider_account_id=attempt.provider_account_id,
            shopper=shopper_name(payment.merchant, payment.customer_reference),
            token_hash=_hashes_of(issued.token)[0],
            scheme_transaction=issued.scheme_transaction,
            brand=issued.brand,
            last4=issued.last4,
            expiry=issued.expiry,
            valid_until=issued.valid_until,
            payment=payment,
        )
        card.sealed_token = seal_secret(issued.token, card.reference)
        return card

    @classmethod
    def with_token(cls, provider_account_id: int, token: str) -> QuerySet["SavedCard"]:
        """Return the active cards with this token, even if their hash was made with an earlier secret key."""
        return cls.objects.filter(
            provider_account_id=provider_account_id,
            token_hash__in=_hashes_of(token),
            state=cls.State.ACTIVE,
        )

    @classmethod
    def ever_with_token(cls, merchant_id: int, token: str) -> QuerySet["SavedCard"]:
        """Return the merchant's cards with this token, in any state and of any account, by their keys.

        Accounts of one merchant may share tokens, because the provider knows the customer by one name.
        """
        accounts = ProviderAccount.objects.filter(merchant=merchant_id)
        rows = cls.objects.filter(provider_account__in=accounts, token_hash__in=_hashes_of(token))
        return rows.order_by("pk")

    @classmethod
    def erased_like(cls, merchant_id: int, issued: IssuedToken) -> QuerySet["SavedCard"]:
        """Return the merchant's erased cards that may have had this token, by their keys.

        The hash of their token is erased, so any card with the same brand and last digits may have had the
        token.
        """
        accounts = ProviderAccount.objects.filter(merchant=merchant_id)
        rows = cls.objects.filter(provider_account__in=accounts, token_hash="", brand=issued.brand)
        return rows.filter(last4=issued.last4, deletion_asked_at__isnull=False).order_by("pk")

    def twins(self) -> QuerySet["SavedCard"]:
        """Return the other active cards with the same token; none if the token cannot be read."""
        try:
            token = open_secret(self.sealed_token, self.reference)
        except StoredSecretUnreadable:
            return SavedCard.objects.none()
        return SavedCard.with_token(self.provider_account_id, token).exclude(pk=self.pk)

    def remove(self, by: str) -> None:
        """Make the card unusable for ever, and plan the deletion of its token at the provider.

        An earlier charge may still be on its way, so the provider is asked only after the settling time, in
        which the charge arrives.
        """
        now = timezone.now()
        self.state, self.removed_at, self.removed_by = self.State.REMOVED, now, by[:150]
        self.sealed_token, self.token_to_delete = "", self.sealed_token
        self.deletion_due_at = now + conf.settling_time

    def may_be_deleted_after(self, moment: datetime) -> bool:
        """Return True if a deletion of the token at the provider may take effect after ``moment``.

        A request takes effect within the settling time, or never. If there was only one request, it takes
        effect before its answer.
        """
        if self.deletion_asked_at is None:
            return False
        if self.deletion_tries == 1 and self.deleted_at is not None and self.deleted_at < moment:
            return False
        return self.deletion_asked_at + conf.settling_time >= moment

    def end_deletion(self) -> None:
        """Erase the data for deleting the token and, if its customer is erased, the rest of the card."""
        self.token_to_delete, self.deletion_due_at = "", None
        if not self.customer_reference:
            self.shopper = self.token_hash = ""

    def renew(self, payment: Payment, issued: IssuedToken) -> None:
        """Update the card with the data of a later payment, with which the same token was saved again.

        The customer's consent is then the one given with that payment. An earlier payment whose outcome is
        found only now changes nothing.
        """
        if payment.pk < self.payment_id:
            return
        self.payment = payment
        self.expiry = issued.expiry
        self.valid_until = issued.valid_until or self.valid_until
        self.scheme_transaction = issued.scheme_transaction or self.scheme_transaction

    def sealed_again(self) -> dict[str, str]:
        """Return the encrypted and hashed columns, made with the newest secret key, if they differ.

        Raises ``StoredSecretUnreadable``.
        """
        changes: dict[str, str] = {}
        for name in ("sealed_token", "token_to_delete"):
            sealed = getattr(self, name)
            if sealed and not is_sealed_with_newest_key(sealed):
                token = open_secret(sealed, self.reference)
                changes |= {name: seal_secret(token, self.reference), "token_hash": _hashes_of(token)[0]}
        return changes

    @property
    def has_expired(self) -> bool:
        """Return True if the last day of the card or of its token is over in all time zones.

        The day ends in the issuer's time zone, which is not known. Until then the provider decides.
        """
        today = timezone.now().astimezone(LATEST_ZONE).date()
        month, _, year = self.expiry.partition("/")
        is_over = (int(year), int(month)) < (today.year, today.month)
        return is_over or (self.valid_until is not None and self.valid_until < today)

    @property
    def is_usable(self) -> bool:
        """Return True if the card was not removed and has not expired. The account is not checked."""
        return self.state == self.State.ACTIVE and not self.has_expired

    def opened(self, reason: str) -> StoredCard:
        """Return the card for a charge. ``reason`` is "" if the shopper has chosen the card.

        Raises ``StoredSecretUnreadable``.
        """
        return StoredCard(
            token=open_secret(self.sealed_token, self.reference),
            shopper=self.shopper,
            reason=MerchantInitiated(reason) if reason else None,
            scheme_transaction=self.scheme_transaction,
        )

    def doomed(self) -> KeptToken:
        """Return the token that the provider is to delete. Raises ``StoredSecretUnreadable``."""
        return KeptToken(token=open_secret(self.token_to_delete, self.reference), shopper=self.shopper)


def shopper_name(merchant: Merchant, customer_reference: str) -> str:
    """Return the name under which providers know a merchant's customer. It is always the same.

    It does not reveal the customer, and is short, because providers allow few characters. Customers of two
    merchants never have the same name.
    """
    digest = sha256(f"{merchant.code} {customer_reference}".encode()).hexdigest()
    return f"cus-{digest[:40]}"


def _hashes_of(token: str) -> list[str]:
    """Return the token's hash under each secret key, the newest key's first."""
    salt = "checkout.saved_cards.token"
    return [salted_hmac(salt, token, key, algorithm="sha256").hexdigest() for key in conf.secret_keys]
