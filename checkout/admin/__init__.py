"""The back office: Django's admin. Money can be looked at but not changed; configuration can be edited."""

from django.contrib import admin

from checkout.admin import attempts, configuration, ledger, messages, payments, sagas, services

__all__ = ["attempts", "configuration", "ledger", "messages", "payments", "sagas", "services"]

admin.site.site_header = "Payments back office"
admin.site.site_title = "Payments back office"
admin.site.index_title = "Overview"
