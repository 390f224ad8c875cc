"""The merchant: its program, which uses the API and receives webhooks, its back office, and their errands."""
