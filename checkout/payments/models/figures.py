"""The table of figures about payments by the hour, for the first page of the back office."""

from enum import StrEnum
from typing import ClassVar

from django.db import models

from checkout.payments.models.payment import Merchant


class Figure(StrEnum):
    """The names of the figures.

    Payments are counted in the hour in which they were created, with their attempts. Money that went back is
    counted in the hour in which the refund was requested, or the charge-back was booked. The figures whose
    names end with ``MINOR`` are sums in minor units, and all others are numbers.
    """

    CREATED = "created"
    # Payments with at least one attempt, payments that were ever authorised, and payments whose money is
    # held, was taken, or went back after it had been taken.
    TRIED = "tried"
    AUTHORISED = "authorised"
    PAID = "paid"
    PAID_MINOR = "paid_minor"
    # Attempts, by the provider's answer; those with a challenge are counted once more.
    APPROVED = "approved"
    REFUSED = "refused"
    CHALLENGED = "challenged"
    CHALLENGE_PASSED = "challenge_passed"
    CHALLENGE_FAILED = "challenge_failed"
    # Payments, by the way in which their first result reached the shopper (``Payment.AnswerTier``).
    HELD = "held"
    PUSHED = "pushed"
    POLLED = "polled"
    REFUNDS = "refunds"
    REFUNDED_MINOR = "refunded_minor"
    DISPUTES = "disputes"
    DISPUTED_MINOR = "disputed_minor"


# The prefixes of figures with one name per reason for a refusal, or per duration of approved attempts: with a
# challenge, and without.
REFUSED_BECAUSE, TOOK, TOOK_WITH_CHALLENGE = "because_", "took_", "checked_and_took_"
# The upper limits, in milliseconds, of the durations from the beginning of an attempt to its authorisation.
# Attempts that took longer than the last limit have a figure with the suffix ``LONGER``.
DURATIONS = (250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000)
LONGER = "longer"


class HourlyFigure(models.Model):
    """One figure of the payments of a merchant in a currency and an hour (``timers/figures.py``).

    ``name`` is a ``Figure``, or begins with one of ``REFUSED_BECAUSE``, ``TOOK`` and ``TOOK_WITH_CHALLENGE``.
    Figures of zero have no rows.
    """

    hour = models.DateTimeField()
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    name = models.CharField(max_length=40)
    value = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["hour", "merchant", "currency", "name"], name="one_value_of_each_figure"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.hour:%Y-%m-%d %H}:00 UTC"
