"""Pages for what merchants' programs use: API keys, the answers kept for them, events and payment links."""
