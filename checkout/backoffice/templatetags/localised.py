"""The filters with which templates of the back office write amounts and times as their reader does."""

from django import template

from checkout.backoffice.display.localised import day_text, minute_text, money_text, with_zone

register = template.Library()
register.filter("money", money_text)
register.filter("minute", minute_text)
register.filter("day", day_text)
register.filter("with_zone", with_zone)
