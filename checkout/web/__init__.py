"""The web application: shop, checkout, status, notifications and WebSockets."""
