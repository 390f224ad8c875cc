"""Limits for shoppers, strangers and staff, beyond which the gateway takes precautions."""

from collections.abc import Mapping
from functools import cached_property

from messaging.setting import Setting, duration, flag, number, text, whole

NO_CAPTCHA = "checkout.captcha.NoCaptcha"


class Protection:
    """Protection against card testing, guessing and forged notifications."""

    risk_payments_per_email = whole(
        "CHECKOUT_RISK_PAYMENTS_PER_EMAIL",
        100,
        "Attempts to pay that one e-mail address may make within an hour.",
        ge=1,
    )
    risk_payments_per_ip_address = whole(
        "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS",
        1000,
        "Attempts to pay that one IP address may make within an hour; loopback addresses are not counted.",
        ge=1,
    )
    risk_amount_limits: Setting[Mapping[str, int]] = Setting(
        "CHECKOUT_RISK_AMOUNT_LIMITS",
        {"GBP": 1_000_000, "EUR": 1_000_000, "USD": 1_000_000},
        "The largest payment accepted, in minor units by currency; other currencies have no limit.",
        type=dict[str, int],
    )
    max_attempts = whole(
        "CHECKOUT_MAX_ATTEMPTS",
        10,
        "Cards, or tries with one card, by which a payment may be attempted.",
        ge=1,
        le=1000,
    )
    declines_window = duration(
        "CHECKOUT_DECLINES_SECONDS",
        3600,
        "The seconds in which declined cards are counted; the window slides.",
        gt=0,
    )
    declines_per_address = whole(
        "CHECKOUT_DECLINES_PER_ADDRESS",
        20,
        "Declines from one address (IPv6: one /64) after which no more cards are tried from there.",
        ge=1,
    )
    declines_per_email = whole(
        "CHECKOUT_DECLINES_PER_EMAIL",
        10,
        "Declines for one e-mail address after which no more cards are tried for it.",
        ge=1,
    )
    declines_per_merchant = whole(
        "CHECKOUT_DECLINES_PER_MERCHANT",
        300,
        "Declines of one merchant that begin its attack mode, unless staff have decided.",
        ge=1,
    )
    attack_pace_seconds = number(
        "CHECKOUT_ATTACK_PACE_SECONDS",
        5,
        "In attack mode, the seconds between two tries from an address that has not paid before.",
        gt=0,
        le=15,
    )
    captcha = text(
        "CHECKOUT_CAPTCHA",
        NO_CAPTCHA,
        "The dotted path of the class of the CAPTCHA that comes before the card form.",
    )
    is_captcha_always_asked = flag(
        "CHECKOUT_CAPTCHA_ALWAYS",
        False,
        "Every shopper is asked the CAPTCHA, and not only those of a merchant in attack mode.",
    )
    passwords_at_once = whole(
        "CHECKOUT_PASSWORDS_AT_ONCE",
        1,
        "Log-ins whose passwords one web process checks at once.",
        ge=1,
    )
    max_log_ins = whole(
        "CHECKOUT_MAX_LOG_INS",
        20,
        "Log-ins that one web process lets in at once, those included that wait for their turn.",
        ge=1,
    )
    max_log_ins_per_address = whole(
        "CHECKOUT_MAX_LOG_INS_PER_ADDRESS", 5, "The most of them from one address (of IPv6: one /64).", ge=1
    )
    login_failures = whole(
        "CHECKOUT_LOGIN_FAILURES",
        5,
        "Failures after which a user, or an address, cannot log in for a while.",
        ge=1,
    )
    login_lock = duration(
        "CHECKOUT_LOGIN_LOCK_SECONDS",
        900,
        "The seconds for which nobody may log in there then, counted from the last failure.",
        gt=0,
    )
    session_idle = duration(
        "CHECKOUT_SESSION_IDLE_SECONDS",
        1800,
        "The seconds for which staff may do nothing before they have to log in again.",
        gt=0,
    )
    session_lifetime = duration(
        "CHECKOUT_SESSION_SECONDS",
        8 * 3600,
        "The seconds for which staff stay logged in, whatever they do.",
        gt=0,
    )
    max_hints_per_address = whole(
        "CHECKOUT_MAX_HINTS_PER_ADDRESS",
        60,
        "Unproven notifications a minute that one web process takes from one address (IPv6: one /64).",
        ge=1,
    )
    max_hints_per_account = whole(
        "CHECKOUT_MAX_HINTS_PER_ACCOUNT",
        600,
        "Unproven notifications a minute that one web process takes for one provider account.",
        ge=1,
    )
    max_questions_per_account = whole(
        "CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT",
        60,
        "Questions a minute to the provider of one account that hints may cause in one process. Further "
        "questions are asked later.",
        ge=1,
    )

    @cached_property
    def has_captcha(self) -> bool:
        """Return True if there is a CAPTCHA."""
        return self.captcha != NO_CAPTCHA
