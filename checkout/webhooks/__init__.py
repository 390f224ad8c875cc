"""Webhooks: the events of a merchant's payments, sent to addresses that the merchant names."""
