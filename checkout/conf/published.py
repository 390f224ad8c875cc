"""The published secrets of a try-out. They are refused in production."""

DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"
DEVELOPMENT_PASSWORD = "checkout-admin"  # noqa: S105
SANDBOX_CREDENTIALS = {
    "user": "SANDBOXMERCHANT",
    "password": "sandbox-password",
    "mac_key": "sandbox-mac-key-for-device-data-and-challenges",
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
    "notification_secret": "sandbox-notification-secret",
}
