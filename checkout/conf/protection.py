"""The limits for shoppers, strangers and staff, above which the gateway takes precautions."""

from collections.abc import Mapping
from functools import cached_property

from messaging.setting import Setting, duration, flag, number, text, texts, whole

NO_CAPTCHA = "checkout.web.protection.captcha.NoCaptcha"


class Protection:
    """Protection against card testing, guessing and forged notifications."""

    risk_payments_per_email = whole(
        "CHECKOUT_RISK_PAYMENTS_PER_EMAIL",
        100,
        "The attempts to pay that one e-mail address may make within an hour.",
        ge=1,
    )
    risk_payments_per_ip_address = whole(
        "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS",
        1000,
        "The attempts to pay that one IP address may make within an hour. Loopback addresses have no limit.",
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
        "The attempts that one payment may have, with one card or several.",
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
        "The declines from one address after which no more cards are tried from that address.",
        ge=1,
    )
    declines_per_email = whole(
        "CHECKOUT_DECLINES_PER_EMAIL",
        10,
        "The declines for one e-mail address after which no more cards are tried for that e-mail address.",
        ge=1,
    )
    declines_per_merchant = whole(
        "CHECKOUT_DECLINES_PER_MERCHANT",
        300,
        "The declines of one merchant that begin its attack mode, unless staff have set its attack mode.",
        ge=1,
    )
    attack_pace_seconds = number(
        "CHECKOUT_ATTACK_PACE_SECONDS",
        5,
        "In attack mode, the seconds between two attempts from an address that has not paid before.",
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
        "true shows the CAPTCHA to every shopper, false only to those of a merchant in attack mode.",
    )
    login_failures = whole(
        "CHECKOUT_LOGIN_FAILURES",
        5,
        "The failed log-ins after which that user or address is locked for CHECKOUT_LOGIN_LOCK_SECONDS.",
        ge=1,
    )
    login_lock = duration(
        "CHECKOUT_LOGIN_LOCK_SECONDS",
        900,
        "The seconds for which a user or address is locked after CHECKOUT_LOGIN_FAILURES failed log-ins, "
        "counted from the last of them.",
        gt=0,
    )
    requires_second_factor = flag(
        "CHECKOUT_SECOND_FACTOR",
        True,
        "If true, all staff need a second factor, and set it up at their next log-in. A try-out needs none.",
    )
    confirmation_lifetime = duration(
        "CHECKOUT_CONFIRMATION_SECONDS",
        900,
        "The seconds after a log-in or a confirmation after which pages that move money or make keys ask for "
        "a code of the second factor, or for the password.",
        gt=0,
    )
    approval_lifetime = duration(
        "CHECKOUT_APPROVAL_SECONDS",
        259_200,
        "The seconds for which a request of staff waits for the approval of another. Then it has to be made "
        "anew.",
        gt=0,
    )
    evidence_bytes = whole(
        "CHECKOUT_EVIDENCE_BYTES",
        190_000,
        "The largest file with which a dispute is answered, in bytes. A larger one needs a larger "
        "CHECKOUT_MAX_BODY_BYTES, too: four thirds of it by the API.",
        ge=1,
    )
    session_idle = duration(
        "CHECKOUT_SESSION_IDLE_SECONDS",
        1800,
        "The seconds without a request after which staff have to log in again.",
        gt=0,
    )
    session_lifetime = duration(
        "CHECKOUT_SESSION_SECONDS",
        8 * 3600,
        "The seconds after a log-in at which staff have to log in again, even if they are active.",
        gt=0,
    )
    max_link_uses_per_address = whole(
        "CHECKOUT_MAX_LINK_USES_PER_ADDRESS",
        20,
        "The times a minute that one web process lets one address use the buttons of payment links.",
        ge=1,
    )
    max_link_uses_per_link = whole(
        "CHECKOUT_MAX_LINK_USES_PER_LINK",
        60,
        "The times a minute that one web process lets all shoppers together use the button of one payment "
        "link.",
        ge=1,
    )
    test_receipts_to = texts(
        "CHECKOUT_TEST_RECEIPTS_TO",
        "",
        "The e-mail addresses, and domains such as @shop.example, to which receipts of test payments are "
        "sent, with commas between them. Others get none, since everybody with a test key can name any "
        "address.",
        pattern=r"^([^@,]*@[^@,]+(,|$))*$",
    )
    max_hints_per_address = whole(
        "CHECKOUT_MAX_HINTS_PER_ADDRESS",
        60,
        "The unproven notifications a minute that one web process accepts from one address.",
        ge=1,
    )
    max_hints_per_account = whole(
        "CHECKOUT_MAX_HINTS_PER_ACCOUNT",
        600,
        "The unproven notifications a minute that one web process accepts for one provider account.",
        ge=1,
    )
    max_questions_per_account = whole(
        "CHECKOUT_MAX_QUESTIONS_PER_ACCOUNT",
        60,
        "The queries a minute to the provider of one account that unproven notifications may cause in one "
        "process. A further query is sent later, or not at all if it would wait for more than ten minutes.",
        ge=1,
    )

    @cached_property
    def has_captcha(self) -> bool:
        """Return True if a CAPTCHA is configured."""
        return self.captcha != NO_CAPTCHA
