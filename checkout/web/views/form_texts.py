"""The texts of the card form's scripts, which the page has as JSON, in the language of the page."""

from django.utils.translation import gettext as _


def form_texts() -> dict[str, str]:
    """Return the texts in the active language, by their names in the scripts.

    A script fills in ``{brand}`` and ``{digits}``.
    """
    return {
        "number_missing": _("Enter the card number."),
        "number_not_digits": _("Enter the card number as digits: 12 to 20 of them."),
        "number_wrong": _("Check the card number: it is not complete or has a wrong digit."),
        "number_length": _("Check the card number: one of {brand} has {digits} digits."),
        "brand_not_accepted": _("{brand} is not accepted here. Please use another card."),
        "from_to": _("{least} to {most}"),
        "code_missing": _("Enter the security code: 3 or 4 digits."),
        "code_wrong_3": _("Check the security code: it is the 3 digits on the back of the card."),
        "code_wrong_4": _("Check the security code: it is the 4 digits on the front of the card."),
        "code_hint": _("3 digits on the back, or 4 on the front"),
        "code_hint_3": _("The 3 digits on the back"),
        "code_hint_4": _("The 4 digits on the front"),
        "expiry_wrong": _("Enter the expiry date, for example 12/30."),
        "expired": _("This card has expired. Check the date or use another card."),
        "name_missing": _("Enter the name as it is on the card."),
        "name_too_long": _("Enter at most 34 characters of the name."),
        "error_title": _("Error: {title}"),
        "device_check": _("Device check"),
        "paying": _("Paying… Please stay on this page."),
        "not_paid": _("Nothing was paid."),
        "not_encrypted": _(
            "The card could not be encrypted, and nothing was paid. Please load this page again, or use "
            "another browser."
        ),
        "slow": _(
            "This takes longer than usual. Your payment may have been made: please do not pay again before "
            "you have looked."
        ),
    }
