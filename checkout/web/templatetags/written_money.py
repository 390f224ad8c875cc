"""The filter with which templates write amounts in the reader's format."""

from django import template

from checkout.localised_money import localised_money

register = template.Library()
register.filter("money", localised_money)
