"""Amounts that staff type in major units. They are exact, and never rounded or guessed."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checkout.money import Money, exponent


def plain(amount: Money) -> str:
    """Return an amount as it is typed: ``1250.00``, or ``1250`` if the currency has no minor units."""
    return f"{amount.decimal:.{exponent(amount.currency)}f}"


class AmountField(forms.CharField):
    """A form field for an amount of money in one currency. Its value is ``Money``.

    Only digits and a point are accepted, and at most as many decimals as the currency has, because 1,250 and
    1.250 are ambiguous.
    """

    def __init__(self, currency: str, *, may_be_nothing: bool = False, **kwargs: Any) -> None:
        self.currency = currency
        self.may_be_nothing = may_be_nothing
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "size": 14})
        super().__init__(max_length=20, widget=widget, **kwargs)

    def clean(self, value: Any) -> Money:
        """Return the amount. Raises ``ValidationError`` that shows the correct form."""
        text = super().clean(value)
        digits = exponent(self.currency)
        example = plain(Money(1250, self.currency))
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", text):
            signs = "digits and a point" if digits else "digits only"
            raise ValidationError(f"Write the amount in {self.currency} with {signs}, for example {example}.")
        if len(text.partition(".")[2]) > digits:
            raise ValidationError(
                f"{self.currency} has {digits or 'no'} digits after the point, for example {example}."
            )
        minor = int(Decimal(text).scaleb(digits))
        if minor == 0 and not self.may_be_nothing:
            raise ValidationError("The amount must be greater than zero.")
        return Money(minor, self.currency)
