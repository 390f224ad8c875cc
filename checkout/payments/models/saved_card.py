"""Cards that shoppers have saved: what may be shown of them, and the provider's sealed token."""

from hashlib import sha256
from typing import ClassVar

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.payments.models.payment import Attempt, Merchant, Payment, ProviderAccount, new_reference
from checkout.payments.providers.saved_cards import IssuedToken, MerchantInitiated, StoredCard
from checkout.privacy.stored_secrets import open_secret, seal_secret


def _card_reference() -> str:
    return new_reference("card")


class SavedCard(models.Model):
    """A card that the provider keeps for one customer of a merchant. It has no card number, sealed or not.

    The token is sealed like other secrets, and is erased when the card is removed.
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
        ]
        indexes: ClassVar = [
            models.Index(fields=["customer_reference", "merchant", "-id"], name="cards_of_customer")
        ]
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [("remove_savedcard", "Can remove saved cards")]

    def __str__(self) -> str:
        return self.reference

    @classmethod
    def of(cls, attempt: Attempt, issued: IssuedToken) -> "SavedCard":
        """Return the unsaved card of an authorised attempt whose shopper wants it saved."""
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
        """Return the active cards with this token, also those whose hash an earlier secret key has made."""
        return cls.objects.filter(
            provider_account_id=provider_account_id,
            token_hash__in=_hashes_of(token),
            state=cls.State.ACTIVE,
        )

    def twins(self) -> QuerySet["SavedCard"]:
        """Return the other active cards with the same token; none if the token cannot be read."""
        try:
            token = open_secret(self.sealed_token, self.reference)
        except StoredSecretUnreadable:
            return SavedCard.objects.none()
        return SavedCard.with_token(self.provider_account_id, token).exclude(pk=self.pk)

    def renew(self, payment: Payment, issued: IssuedToken) -> None:
        """Take over what a later payment, with which the card was saved again, says of the same token.

        From then on the card lives by the consent that was given with this payment, which is the latest. An
        earlier payment whose outcome is found only now changes nothing.
        """
        if payment.pk < self.payment_id:
            return
        self.payment = payment
        self.expiry = issued.expiry
        self.valid_until = issued.valid_until or self.valid_until
        self.scheme_transaction = issued.scheme_transaction or self.scheme_transaction

    @property
    def has_expired(self) -> bool:
        """Return True after the last day of the card or of its token."""
        today = timezone.now().date()
        month, _, year = self.expiry.partition("/")
        is_over = (int(year), int(month)) < (today.year, today.month)
        return is_over or (self.valid_until is not None and self.valid_until < today)

    @property
    def is_usable(self) -> bool:
        """Return True if the card is there and has not expired. Its account is another question."""
        return self.state == self.State.ACTIVE and not self.has_expired

    def opened(self, reason: str) -> StoredCard:
        """Return the card for a charge. Raises ``StoredSecretUnreadable``."""
        return StoredCard(
            token=open_secret(self.sealed_token, self.reference),
            shopper=self.shopper,
            reason=MerchantInitiated(reason),
            scheme_transaction=self.scheme_transaction,
        )


def shopper_name(merchant: Merchant, customer_reference: str) -> str:
    """Return the name under which providers know a merchant's customer, which is always the same.

    It tells nothing of the customer. Providers allow few characters. Two merchants with one account share
    no customer.
    """
    digest = sha256(f"{merchant.code} {customer_reference}".encode()).hexdigest()
    return f"cus-{digest[:40]}"


def _hashes_of(token: str) -> list[str]:
    """Return the token's hash under each secret key, that of the newest first."""
    salt = "checkout.saved_cards.token"
    return [salted_hmac(salt, token, key, algorithm="sha256").hexdigest() for key in conf.secret_keys]
