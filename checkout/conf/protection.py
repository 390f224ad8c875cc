"""Limits for shoppers, strangers and staff, beyond which the gateway becomes careful."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property

from django.conf import settings

NO_CAPTCHA = "checkout.captcha.NoCaptcha"


class Protection:
    """See the module."""

    @cached_property
    def risk_payments_per_email(self) -> int:
        """Attempts to pay that one e-mail address may make within an hour."""
        return int(getattr(settings, "CHECKOUT_RISK_PAYMENTS_PER_EMAIL", 100))

    @cached_property
    def risk_payments_per_ip_address(self) -> int:
        """Attempts to pay that one IP address may make within an hour; loopback addresses are not counted."""
        return int(getattr(settings, "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS", 1000))

    @cached_property
    def risk_amount_limits(self) -> Mapping[str, int]:
        """The largest payment accepted, in minor units by currency; other currencies have no limit."""
        limits: Mapping[str, int] = getattr(
            settings, "CHECKOUT_RISK_AMOUNT_LIMITS", {"GBP": 1_000_000, "EUR": 1_000_000, "USD": 1_000_000}
        )
        return limits

    @cached_property
    def max_attempts(self) -> int:
        """Cards, or tries with one card, by which a payment may be attempted."""
        return int(getattr(settings, "CHECKOUT_MAX_ATTEMPTS", 10))

    @cached_property
    def declines_window(self) -> timedelta:
        """The time in which declined cards are counted; it slides."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_DECLINES_SECONDS", 3600)))

    @cached_property
    def declines_per_address(self) -> int:
        """Declines from one address (IPv6: one /64) after which no more cards are tried from there."""
        return int(getattr(settings, "CHECKOUT_DECLINES_PER_ADDRESS", 20))

    @cached_property
    def declines_per_email(self) -> int:
        """Declines for one e-mail address after which no more cards are tried for it."""
        return int(getattr(settings, "CHECKOUT_DECLINES_PER_EMAIL", 10))

    @cached_property
    def declines_per_merchant(self) -> int:
        """Declines of one merchant that begin its attack mode, unless staff have decided."""
        return int(getattr(settings, "CHECKOUT_DECLINES_PER_MERCHANT", 300))

    @cached_property
    def attack_pace_seconds(self) -> float:
        """In attack mode, the time between two tries from an address that has not paid before."""
        return float(getattr(settings, "CHECKOUT_ATTACK_PACE_SECONDS", 5.0))

    @cached_property
    def captcha(self) -> str:
        """The dotted path of the class of the CAPTCHA that comes before the card form (``captcha.py``)."""
        return str(getattr(settings, "CHECKOUT_CAPTCHA", NO_CAPTCHA))

    @cached_property
    def has_captcha(self) -> bool:
        """Return True if there is a CAPTCHA."""
        return self.captcha != NO_CAPTCHA

    @cached_property
    def is_captcha_always_asked(self) -> bool:
        """Return True if every shopper is asked, and not only those of a merchant in attack mode."""
        return bool(getattr(settings, "CHECKOUT_CAPTCHA_ALWAYS", False))

    @cached_property
    def passwords_at_once(self) -> int:
        """Log-ins whose passwords one web process looks at at once."""
        return int(getattr(settings, "CHECKOUT_PASSWORDS_AT_ONCE", 1))

    @cached_property
    def max_log_ins(self) -> int:
        """Log-ins that one web process lets in at once, those included that wait for their turn."""
        return int(getattr(settings, "CHECKOUT_MAX_LOG_INS", 20))

    @cached_property
    def max_log_ins_per_address(self) -> int:
        """The number of them from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_LOG_INS_PER_ADDRESS", 5))

    @cached_property
    def login_lock(self) -> timedelta:
        """The time for which nobody may log in after too many failures, counted from the last one."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_LOGIN_LOCK_SECONDS", 900)))

    @cached_property
    def session_idle(self) -> timedelta:
        """The time for which staff may do nothing before they have to log in again."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_SESSION_IDLE_SECONDS", 1800)))

    @cached_property
    def session_lifetime(self) -> timedelta:
        """The time for which staff stay logged in, whatever they do."""
        return timedelta(seconds=float(getattr(settings, "CHECKOUT_SESSION_SECONDS", 8 * 3600)))

    @cached_property
    def max_hints_per_address(self) -> int:
        """Unproven notifications a minute that one web process takes from one address (IPv6: one /64)."""
        return int(getattr(settings, "CHECKOUT_MAX_HINTS_PER_ADDRESS", 60))

    @cached_property
    def max_hints_per_account(self) -> int:
        """Unproven notifications a minute that one web process takes for one provider account."""
        return int(getattr(settings, "CHECKOUT_MAX_HINTS_PER_ACCOUNT", 600))

    @cached_property
    def max_questions_per_account(self) -> int:
        """Questions a minute that hints may make one process ask the provider of one account.

        A hint that would ask more often has its question asked later.
        """
        return int(getattr(settings, "CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT", 60))
