"""Worldpay's XML Direct protocol (WPG), with 3-D Secure 2 ("Flex") and cards sealed in the browser."""
