"""Apps of your own: packages beside the gateway that add services to it, and steps to the purchase.

``CHECKOUT_OWN_APPS`` names them. ``docs/own-steps.md`` has an example.
"""
