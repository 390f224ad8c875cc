"""The template filters of the back office that write amounts and times in the reader's formats."""

from django import template

from checkout.backoffice.display.localised import day_text, minute_text, money_text, with_zone

register = template.Library()
register.filter("money", money_text)
register.filter("minute", minute_text)
register.filter("day", day_text)
register.filter("with_zone", with_zone)
