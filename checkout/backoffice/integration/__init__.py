"""Pages for what merchants' programs use: API keys, and the answers kept for them."""
