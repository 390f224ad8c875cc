"""Apps of your own: packages of one installation that add services to the gateway and steps to the purchase.

``CHECKOUT_OWN_APPS`` lists them. ``docs/own-steps.md`` has an example.
"""
